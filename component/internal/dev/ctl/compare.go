package ctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/app/application"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/pki"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

// sides are the documents of one shadow.
type sides struct {
	Thing  string          `json:"thing"`
	Shadow string          `json:"shadow,omitempty"`
	Device json.RawMessage `json:"device,omitempty"` // absent if there is no shadow
	Cloud  json.RawMessage `json:"cloud,omitempty"`
}

// compare reads what is stored on both sides. Nothing is published by that.
func (c *control) compare(*http.Request, nothing) ([]sides, error) {
	all := []sides{}
	for _, k := range c.synchronized {
		s := sides{Thing: k.Thing, Shadow: k.Shadow}
		if row, ok := c.core.Shadows().Row(k.Thing, k.Shadow); ok && !row.Deleted {
			text, err := json.Marshal(row)
			if err != nil {
				return nil, err
			}
			s.Device = text
		}
		if text, err := c.cloud.Shadows.Get(shadow.ID{Thing: k.Thing, Name: k.Shadow}, nil); err == nil {
			s.Cloud = text
		}
		all = append(all, s)
	}
	return all, nil
}

const compareText = `shadowctl compare shows the shadows of the core device and those of the cloud side by side.

Exit codes: 0 they are the same; 1 they differ, or it failed; 2 wrong usage.`

func compareCommand(env Env) *cobra.Command {
	return &cobra.Command{
		Use: "compare", Short: "show the shadows of device and cloud side by side", Long: compareText, Args: command.Nothing,
		RunE: command.Ends(func(ctx context.Context, _ []string) int { return compare(ctx, env) }),
	}
}

func compare(ctx context.Context, env Env) int {
	var all []sides
	if err := env.place().ask(ctx, http.MethodGet, "/compare", nothing{}, &all); err != nil {
		return fail(env, err)
	}
	code := command.OK
	w := tabwriter.NewWriter(env.Stdout, 2, 0, 3, ' ', 0)
	for _, s := range all {
		same, err := s.print(w)
		if err != nil {
			return fail(env, err)
		}
		if !same {
			code = command.Failure
		}
	}
	w.Flush()
	return code
}

// print prints a table of one shadow, and says whether both sides are the same.
func (s sides) print(w io.Writer) (same bool, err error) {
	device, err := documentOf(s.Device)
	if err != nil {
		return false, err
	}
	cloud, err := documentOf(s.Cloud)
	if err != nil {
		return false, err
	}
	fmt.Fprintf(w, "%v\tDEVICE, %s\t\tCLOUD, %s\n", shadow.ID{Thing: s.Thing, Name: s.Shadow}, shownVersion(device), shownVersion(cloud))
	fmt.Fprintln(w, "PROPERTY\tDESIRED\tREPORTED\tDESIRED\tREPORTED")
	keys := slices.Concat(application.Properties(device), application.Properties(cloud))
	slices.Sort(keys)
	same = true
	for _, key := range slices.Compact(keys) {
		mark := ""
		if !shadow.Equal(device.Desired[key], cloud.Desired[key]) || !shadow.Equal(device.Reported[key], cloud.Reported[key]) {
			mark, same = "\tdiffers", false
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s%s\n", key, show(device.Desired, key), show(device.Reported, key),
			show(cloud.Desired, key), show(cloud.Reported, key), mark)
	}
	fmt.Fprintln(w)
	return same, nil
}

// documentOf is an empty document where there is no shadow.
func documentOf(text json.RawMessage) (shadow.Document, error) {
	if len(text) == 0 {
		return shadow.Document{}, nil
	}
	return shadow.ParseDocument(text)
}

func shownVersion(d shadow.Document) string {
	if d.Version == 0 {
		return "no shadow"
	}
	return fmt.Sprintf("version %d", d.Version)
}

// linkDelay is the body of a request that slows the link.
type linkDelay struct {
	Delay string `json:"delay"` // a duration
}

// maxDelay is how long a request to the cloud may be made to take.
const maxDelay = time.Minute

func (c *control) slowLink(_ *http.Request, req linkDelay) (nothing, error) {
	delay, err := time.ParseDuration(req.Delay)
	if err != nil || delay < 0 || delay > maxDelay {
		return nothing{}, fmt.Errorf("delay: want a duration from 0s to %v, got %q", maxDelay, req.Delay)
	}
	c.core.SlowLink(delay)
	c.out.say("cloud", "requests of the core device take %v longer", delay)
	return nothing{}, nil
}

func slowLink(ctx context.Context, env Env, delay string) int {
	if err := env.place().ask(ctx, http.MethodPut, "/link/delay", linkDelay{delay}, &nothing{}); err != nil {
		return fail(env, err)
	}
	return command.OK
}

const certificateText = `shadowctl certificate makes a client certificate for the development cloud, and prints
the files that a client needs: what it trusts, its certificate, its key.`

func certificateCommand(env Env) *cobra.Command {
	return &cobra.Command{
		Use: "certificate NAME", Short: "make a client certificate for the development cloud", Long: certificateText, Args: command.Arguments(1, 1, "one NAME"),
		RunE: command.Ends(func(_ context.Context, args []string) int { return certificate(env, args[0]) }),
	}
}

func certificate(env Env, name string) int {
	authority, err := env.place().authority()
	if err != nil {
		return fail(env, err)
	}
	pair, err := authority.Client(name)
	if errors.Is(err, pki.ErrName) {
		err = usageError{err}
	}
	if err != nil {
		return failed(env, err)
	}
	fmt.Fprintf(env.Stdout, "ca           %s\ncertificate  %s\nkey          %s\n", authority.CAFile(), pair.Certificate, pair.Key)
	return command.OK
}
