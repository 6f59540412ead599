package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/control"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/journal"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

const watchText = `shadowgpio watch prints each change of the component that runs here, as it happens:
of outputs with the cause, of inputs, properties, shadows, faults, and of the connection
to the nucleus. It goes on when the component goes away and comes back. Ctrl-C ends it.

Exit codes: 0; 1 failed; 2 wrong usage; 5 no component runs here, with --once.`

// awayPause is the pause before a component that is away is looked for again.
const awayPause = 500 * time.Millisecond

func watchCommand(env Env) *cobra.Command {
	c := &cobra.Command{
		Use: "watch", Short: "print each change of the component that runs here", Long: watchText, Args: command.Nothing,
		Example: `  sudo shadowgpio watch
  sudo shadowgpio watch --json | jq 'select(.kind == "line")'`,
	}
	socket := socketFlag(c, env)
	asJSON := c.Flags().Bool("json", false, "print one JSON object a line")
	once := c.Flags().Bool("once", false, "end when the component goes away")
	c.RunE = command.Ends(func(ctx context.Context, _ []string) int {
		w := &watcher{env: env, json: *asJSON, paint: painter(coloured(env))}
		return w.run(ctx, *socket, *once)
	})
	return c
}

// event is one change, as --json prints it.
type event struct {
	At    time.Time    `json:"at"`
	Kind  string       `json:"kind"`           // line, property, shadow, nucleus, component
	Name  string       `json:"name,omitempty"` // of the line, property or shadow
	Value any          `json:"value,omitempty"`
	Cause *lines.Cause `json:"cause,omitempty"` // of an output
	Text  string       `json:"text,omitempty"`
	bad   bool
}

type watcher struct {
	env   Env
	json  bool
	paint painter
	away  bool // and it was told
}

func (w *watcher) run(ctx context.Context, socket string, once bool) int {
	for {
		err := w.follow(ctx, socket)
		switch {
		case ctx.Err() != nil:
			return command.OK
		case once || err != nil && !errors.Is(err, control.ErrNotRunning):
			return failed(w.env, "watch", err)
		case !w.away:
			w.away = true
			w.tell(event{At: time.Now(), Kind: "component", Text: err.Error(), bad: true})
		}
		select {
		case <-time.After(awayPause):
		case <-ctx.Done():
			return command.OK
		}
	}
}

// follow prints changes until the component is gone.
func (w *watcher) follow(ctx context.Context, socket string) error {
	client, err := control.Dial(socket)
	if err != nil {
		return err
	}
	var last *control.Status
	return client.Watch(ctx, func(now control.Status, entries []journal.Entry) bool {
		for _, e := range entries {
			w.tell(event{At: e.At, Kind: "line", Name: e.Line, Value: onOff(e.On), Cause: &e.Cause})
		}
		if last == nil {
			w.away = false
			w.tell(event{At: now.At, Kind: "component", Text: fmt.Sprintf("%s, process %d, %d lines, %d shadows", now.Version, now.PID, len(now.Lines), len(now.Shadows))})
			last = &control.Status{Nucleus: now.Nucleus, Snapshot: engine.Snapshot{Lines: now.Lines}}
		}
		for _, e := range changes(*last, now) {
			w.tell(e)
		}
		last = &now
		return true
	})
}

// changes are what is different, but for outputs, which the journal tells.
func changes(old, now control.Status) []event {
	var all []event
	add := func(e event) {
		e.At = now.At
		all = append(all, e)
	}
	if old.Nucleus.State != now.Nucleus.State {
		add(event{Kind: "nucleus", Value: now.Nucleus.State, Text: now.Nucleus.Error, bad: now.Nucleus.Error != ""})
	}
	if old.Refused != now.Refused {
		add(event{Kind: "component", Text: cmp.Or(now.Refused, "a configuration is in force again"), bad: now.Refused != ""})
	}
	if !old.Stopped && now.Stopped {
		add(event{Kind: "component", Text: "it is asked to stop"})
	}
	for _, label := range slices.Sorted(maps.Keys(now.Lines)) {
		a, b := old.Lines[label], now.Lines[label]
		if a.Value != b.Value && b.Direction == "input" && b.Value != "" {
			add(event{Kind: "line", Name: label, Value: b.Value})
		}
		if a.Fault != b.Fault {
			add(event{Kind: "line", Name: label, Text: cmp.Or(b.Fault, "well again"), bad: b.Fault != ""})
		}
		if a.Waiting != b.Waiting && b.Waiting != "" {
			add(event{Kind: "line", Name: label, Text: "waits: " + b.Waiting})
		}
	}
	for _, label := range slices.Sorted(maps.Keys(now.Shadows)) {
		a, b := old.Shadows[label], now.Shadows[label]
		if a.Sync != b.Sync && (b.Sync == replica.OutOfReach || a.Sync != replica.Reporting && b.Sync == replica.InStep) || a.Warning != b.Warning && b.Warning != "" {
			add(event{Kind: "shadow", Name: label, Value: b.Sync, Text: b.Warning, bad: b.Warning != ""})
		}
		for _, key := range slices.Sorted(maps.Keys(b.Properties)) {
			if text, bad := changed(a.Properties[key], b.Properties[key]); text != "" {
				add(event{Kind: "property", Name: label + "/" + key, Value: b.Properties[key].Value, Text: text, bad: bad})
			}
		}
	}
	return all
}

// changed tells what is different of a property, "" for nothing.
func changed(a, b engine.PropertyView) (text string, bad bool) {
	sameAck := reflect.DeepEqual(a.Ack, b.Ack) || b.Ack == nil
	if reflect.DeepEqual(a.Value, b.Value) && reflect.DeepEqual(a.Desired, b.Desired) && sameAck && a.Fault == b.Fault {
		return "", false
	}
	text = "is " + measured(b)
	if b.Desired != nil {
		text += ", desired " + plain(b.Desired)
	}
	if !sameAck {
		text += ", answered " + answer(b)
		bad = b.Ack.Code >= 400
	}
	if a.Fault != b.Fault {
		text, bad = text+", "+cmp.Or(b.Fault, "well again"), bad || b.Fault != ""
	}
	return text, bad
}

func (w *watcher) tell(e event) {
	if w.json {
		printable.JSON(w.env.Stdout, e, "")
		return
	}
	text := e.Text
	if text == "" || e.Kind != "property" && e.Value != nil {
		text = plain(e.Value)
		if e.Text != "" {
			text += ": " + e.Text
		}
	}
	if e.Cause != nil {
		text += "  " + e.Cause.String()
	}
	printable.Fprintf(w.env.Stdout, "%s  %-9s  %-16s  %s\n", e.At.Local().Format("15:04:05.000"), e.Kind, cmp.Or(e.Name, "-"), w.paint.badIf(e.bad, text))
}
