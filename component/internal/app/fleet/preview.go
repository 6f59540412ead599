package fleet

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/shadowgpio/shadowgpio/component/internal/app/client"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// Prospect is what a change would find of one thing.
type Prospect struct {
	Thing    string
	Document shadow.Document // its version is 0 if there is no shadow
	Err      error           // why that is not known
}

// Already reports whether the thing has all of these values, desired and reported.
func (p Prospect) Already(desired map[string]any) bool {
	for key, value := range desired {
		now, there := p.Document.Desired[key]
		if value == nil && !there {
			continue
		}
		if value == nil || !client.Holds(now, value) || !client.Holds(p.Document.Reported[key], value) {
			return false
		}
	}
	return true
}

// Preview reads the shadows of things, in their order; asked is told of each, one at a time.
func Preview(ctx context.Context, s client.Service, shadowName string, things []string, concurrency int, asked func()) ([]Prospect, error) {
	prospects := make([]Prospect, len(things))
	err := inParallel(ctx, len(things), concurrency, func(i int) {
		doc, err := client.Document(ctx, s, shadow.ID{Thing: things[i], Name: shadowName})
		prospects[i] = Prospect{things[i], doc, err}
	}, asked)
	return prospects, err
}

// inParallel calls a function for each number below n, some at a time, and then told,
// one at a time.
func inParallel(ctx context.Context, n, concurrency int, do func(i int), told func()) error {
	places := make(chan struct{}, max(1, concurrency))
	var going sync.WaitGroup
	var mu sync.Mutex
	for i := range n {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		going.Go(func() {
			defer func() { <-places }()
			do(i)
			if told != nil {
				mu.Lock()
				defer mu.Unlock()
				told()
			}
		})
	}
	going.Wait()
	return ctx.Err()
}

// Share is how many things have the same value now.
type Share struct {
	Property string `json:"property"`
	Desired  string `json:"desired"`  // now, "-" for nothing
	Reported string `json:"reported"` // likewise
	Things   int    `json:"things"`
}

// Shares sums up what is desired and reported of some properties now, the most common first.
func Shares(prospects []Prospect, desired map[string]any) (shares []Share) {
	count := map[Share]int{}
	for _, p := range prospects {
		for key := range desired {
			if p.Err == nil && p.Document.Version > 0 {
				count[Share{Property: key, Desired: shown(p.Document.Desired, key), Reported: shown(p.Document.Reported, key)}]++
			}
		}
	}
	for s, n := range count {
		s.Things = n
		shares = append(shares, s)
	}
	slices.SortFunc(shares, func(a, b Share) int {
		return cmp.Or(cmp.Compare(a.Property, b.Property), cmp.Compare(b.Things, a.Things), cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)))
	})
	return shares
}

func shown(section map[string]any, key string) string {
	if value, ok := section[key]; ok {
		return client.Text(value)
	}
	return "-"
}
