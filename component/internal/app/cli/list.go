package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/app/client"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

const listText = `shadowctl list shows the shadows of a thing, and how many of their properties are not as
they are desired.

Exit codes: 0; 1 failed; 2 wrong usage.` + reachText

// listed is one shadow of the list.
type listed struct {
	Shadow     string `json:"shadow"` // "" is the classic one
	Version    int64  `json:"version"`
	Properties int    `json:"properties"`
	Delta      int    `json:"delta"` // properties whose desired value is not reported
}

func listCommand(env Env) *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "show the shadows of a thing", Long: listText, Args: command.Nothing}
	r := reachFlags(c, env)
	thing := c.Flags().String("thing", "", "`NAME` of the thing; the core device of shadowctl dev without it")
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = command.Ends(func(ctx context.Context, _ []string) int {
		id := shadow.ID{Thing: *thing}
		s, err := r.openShadow(ctx, &id)
		if err != nil {
			return fail(env, err)
		}
		defer s.Close()
		all, err := list(ctx, s, id.Thing)
		if err != nil {
			return fail(env, err)
		}
		if *asJSON {
			return printJSON(env, all)
		}
		w := printable.NewTable(env.Stdout, 3)
		w.Row("SHADOW", "VERSION", "PROPERTIES", "NOT AS DESIRED")
		for _, l := range all {
			name := l.Shadow
			if name == "" {
				name = "(classic)"
			}
			w.Row(name, l.Version, l.Properties, l.Delta)
		}
		w.Flush()
		return command.OK
	})
	return c
}

func list(ctx context.Context, s client.Service, thing string) ([]listed, error) {
	names, err := s.List(ctx, thing)
	if err != nil {
		return nil, fmt.Errorf("list shadows of %s: %w", thing, err)
	}
	all := []listed{}
	for _, name := range append([]string{""}, names...) {
		doc, err := client.Document(ctx, s, shadow.ID{Thing: thing, Name: name})
		if err != nil {
			return nil, err
		}
		if doc.Version == 0 {
			continue // there is no classic shadow, or one was deleted meanwhile
		}
		l := listed{Shadow: name, Version: doc.Version, Properties: len(client.Properties(doc))}
		for key, value := range doc.Desired {
			if !client.Holds(doc.Reported[key], value) {
				l.Delta++
			}
		}
		all = append(all, l)
	}
	return all, nil
}
