package fleet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
)

// Selection says which things; several ways are united.
type Selection struct {
	Things []string
	File   string // a name a line; # begins a comment
	Group  string // thing group of AWS IoT, with the groups below it
	Query  string // of the fleet index of AWS IoT
}

// Registry is what AWS IoT knows of many things; an [iot.Client] is one.
type Registry interface {
	iot.ListThingsInThingGroupAPIClient
	SearchIndex(context.Context, *iot.SearchIndexInput, ...func(*iot.Options)) (*iot.SearchIndexOutput, error)
}

// pageSize is how many things are asked for at once, the most that AWS allows for both.
const pageSize = 250

// Find finds the things, each once: those that are named in their order, then the
// others by name. The registry is opened where it is needed.
func (s Selection) Find(ctx context.Context, open func() (Registry, error)) ([]string, error) {
	things := slices.Clone(s.Things)
	if s.File != "" {
		named, err := readNames(s.File)
		if err != nil {
			return nil, err
		}
		things = append(things, named...)
	}
	if s.Group != "" || s.Query != "" {
		registry, err := open()
		if err != nil {
			return nil, err
		}
		var found []string
		if s.Group != "" {
			if found, err = members(ctx, registry, s.Group); err != nil {
				return nil, fmt.Errorf("things of group %s: %w", s.Group, err)
			}
		}
		if s.Query != "" {
			more, err := search(ctx, registry, s.Query)
			if err != nil {
				return nil, fmt.Errorf("search for %q: %w", s.Query, err)
			}
			found = append(found, more...)
		}
		slices.Sort(found)
		things = append(things, found...)
	}
	things = unique(things)
	if len(things) == 0 {
		return nil, errors.New("want things, by name, --file, --group or --query; got none")
	}
	return things, nil
}

// unique drops all but the first of the same names.
func unique(names []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(names, func(name string) bool {
		again := seen[name]
		seen[name] = true
		return again
	})
}

func readNames(path string) (names []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		name, _, _ := strings.Cut(lines.Text(), "#")
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if strings.ContainsAny(name, " \t,") {
			return nil, fmt.Errorf("%s:%d: want the name of a thing, got %q", path, n, name)
		}
		names = append(names, name)
	}
	return names, lines.Err()
}

func members(ctx context.Context, registry Registry, group string) (things []string, err error) {
	pages := iot.NewListThingsInThingGroupPaginator(registry, &iot.ListThingsInThingGroupInput{
		ThingGroupName: &group, Recursive: true, MaxResults: aws.Int32(pageSize),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		things = append(things, page.Things...)
	}
	return things, nil
}

func search(ctx context.Context, registry Registry, query string) (things []string, err error) {
	in := &iot.SearchIndexInput{QueryString: &query, MaxResults: aws.Int32(pageSize)}
	for {
		page, err := registry.SearchIndex(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, t := range page.Things {
			things = append(things, aws.ToString(t.ThingName))
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return things, nil
		}
	}
}
