package shadows

import (
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
)

// Limits of a page of names.
const (
	DefaultPage = 25
	MaxPage     = 100
)

// Page is a part of the names of the named shadows of a thing.
type Page struct {
	Names     []string
	NextToken string // of the page after it; "" if that would be empty
	Time      time.Time
}

// List returns the page of names that a token names, "" being that of the first;
// size is the most that it has, 0 being [DefaultPage].
func (s *Service) List(thing, token string, size int) (Page, error) {
	if err := CheckThing(thing); err != nil {
		return Page{}, err
	}
	if size == 0 {
		size = DefaultPage
	}
	if size < 1 || size > MaxPage {
		return Page{}, &shadowdoc.Refusal{Code: 400, Message: fmt.Sprintf("pageSize must be between 1 and %d", MaxPage)}
	}
	after, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return Page{}, &shadowdoc.Refusal{Code: 400, Message: "Invalid nextToken"}
	}
	names := s.names(thing)
	start, found := slices.BinarySearch(names, string(after))
	if found {
		start++
	}
	end := min(start+size, len(names))
	page := Page{Names: names[start:end], Time: s.cfg.Now()}
	if end < len(names) {
		page.NextToken = base64.RawURLEncoding.EncodeToString([]byte(names[end-1]))
	}
	return page, nil
}

func (s *Service) names(thing string) []string {
	var names []string
	for _, r := range s.Records() {
		if r.ID.Thing == thing && r.ID.Name != "" {
			names = append(names, r.ID.Name)
		}
	}
	return names
}
