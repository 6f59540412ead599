package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/app/client"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

const watchText = `shadowctl watch prints what happens to the shadows of things as it happens, over MQTT:
each change of a document as what is different, deltas, refused requests, deletions, and
clients that connect and disconnect. It goes on after the connection was lost. Ctrl-C ends it.
A THING that is + is every thing; of named ones AWS IoT Core lets a connection watch 16.

Exit codes: 0; 1 failed; 2 wrong usage.` + reachText

func watchCommand(env Env) *cobra.Command {
	c := &cobra.Command{
		Use: "watch [THING...]", Short: "print changes of shadows as they happen", Long: watchText, Args: cobra.ArbitraryArgs,
		Example: `  shadowctl watch
  shadowctl watch pump-7 pump-8 --show documents,delta,accepted,rejected,presence
  shadowctl watch pump-7 --json | jq 'select(.kind == "delta")'`,
	}
	r := reachFlags(c, env)
	kinds := c.Flags().StringSlice("show", []string{"documents", "delta", "rejected", "presence"}, "`KINDS` of messages, also accepted")
	asJSON := c.Flags().Bool("json", false, "print one JSON object a line")
	c.RunE = command.Ends(func(ctx context.Context, args []string) int {
		w := &watcher{env: env, json: *asJSON}
		for _, kind := range *kinds {
			k := client.Kind(kind)
			if !slices.Contains(client.Kinds, k) {
				fmt.Fprintf(env.Stderr, "shadowctl watch: --show: want some of %v, got %q\n", client.Kinds, kind)
				return command.Usage
			}
			w.show = append(w.show, k)
		}
		return w.run(ctx, r, args)
	})
	return c
}

// watcher prints events. Its methods may be called from any goroutine.
type watcher struct {
	env  Env
	json bool
	show []client.Kind

	mu sync.Mutex
}

func (w *watcher) run(ctx context.Context, r *reach, things []string) int {
	if r.core {
		return fail(w.env, errors.New("--core: watch is over MQTT; shadowctl dev itself and shadowgpio watch show what happens on the device"))
	}
	if len(things) == 0 {
		thing, err := r.thing("")
		if err != nil {
			return fail(w.env, errors.New("want a THING; without one it is that of shadowctl dev, which does not run"))
		}
		things = []string{thing}
	}
	m, err := r.openMQTT(ctx)
	if err != nil {
		return fail(w.env, err)
	}
	defer m.Close()
	var filters []string
	for _, thing := range things {
		filters = append(filters, client.ThingFilters(thing)...)
	}
	s, err := w.subscribe(ctx, m, filters)
	if err == nil {
		defer s.Close()
		err = w.follow(ctx, s)
	}
	if err != nil && ctx.Err() == nil {
		return fail(w.env, err)
	}
	return command.OK
}

func (w *watcher) subscribe(ctx context.Context, m *client.MQTT, filters []string) (*client.Subscription, error) {
	s, err := m.Subscribe(ctx, filters...)
	if err == nil {
		fmt.Fprintf(w.env.Stderr, "watching %s\n", strings.Join(filters, " "))
	}
	return s, err
}

// follow prints the messages of a subscription until ctx is done.
func (w *watcher) follow(ctx context.Context, s *client.Subscription) error {
	for {
		message, err := s.Next(ctx)
		switch {
		case err != nil:
			return err
		case message.Missed():
			w.tell(watched{At: message.At, Kind: "connection", Text: "messages may have been missed: the connection was lost for a while, or they came too fast"})
		default:
			w.message(message)
		}
	}
}

// watched is one event, as --json prints it.
type watched struct {
	At      time.Time       `json:"at"`
	Kind    string          `json:"kind"`
	Thing   string          `json:"thing,omitempty"`
	Shadow  string          `json:"shadow,omitempty"`
	Verb    string          `json:"verb,omitempty"`
	Version int64           `json:"version,omitempty"`
	Changes []client.Change `json:"changes,omitempty"` // of documents
	Payload json.RawMessage `json:"payload,omitempty"` // of other messages
	Text    string          `json:"text,omitempty"`

	subject string
}

func (w *watcher) message(m client.Message) {
	e, ok := client.ParseEvent(m)
	// The end of a shadow is a change, whatever is shown.
	deleted := e.Kind == client.Accepted && e.Verb == "delete"
	if !ok || !deleted && !slices.Contains(w.show, e.Kind) {
		return
	}
	out := watched{At: m.At, Kind: string(e.Kind), Thing: e.ID.Thing, Shadow: e.ID.Name, Verb: e.Verb, subject: e.ID.String()}
	if json.Valid(m.Payload) {
		out.Payload = m.Payload
	}
	switch {
	case e.Kind == client.Presence:
		out.subject, out.Text = e.ID.Thing, e.Verb
	case e.Kind == client.Documents:
		previous, current, err := e.Documents()
		if err != nil {
			out.Text = err.Error()
			break
		}
		out.Version, out.Payload = current.Version, nil
		if out.Changes = client.Changes(previous, current); len(out.Changes) == 0 {
			out.Text = "nothing is different"
		}
	case e.Kind == client.Delta:
		out.Version, out.Text = stateText(m.Payload)
	case e.Kind == client.Rejected:
		out.Text = fmt.Sprintf("%s: %v", e.Verb, e.Refusal())
	case deleted:
		out.Version, _ = stateText(m.Payload)
		out.Text = "deleted"
	default:
		out.Version, out.Text = stateText(m.Payload)
		out.Text = strings.TrimSuffix(e.Verb+": "+out.Text, ": ")
	}
	w.tell(out)
}

// stateText shows the state of a message in short.
func stateText(payload []byte) (version int64, text string) {
	var m struct {
		Version int64
		State   map[string]any
	}
	if json.Unmarshal(payload, &m) != nil {
		return 0, ""
	}
	if m.State["desired"] == nil && m.State["reported"] == nil {
		return m.Version, client.Assignments(m.State)
	}
	return m.Version, strings.Join(client.Sections(payload), ", ")
}

func (w *watcher) tell(e watched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.json {
		json.NewEncoder(w.env.Stdout).Encode(e)
		return
	}
	texts := []string{e.Text}
	if len(e.Changes) > 0 {
		texts = nil
		for _, c := range e.Changes {
			texts = append(texts, c.String())
		}
	}
	version := ""
	if e.Version > 0 {
		version = fmt.Sprintf("  version %d", e.Version)
	}
	for _, text := range texts {
		fmt.Fprintf(w.env.Stdout, "%s  %-10s  %s%s  %s\n", e.At.Local().Format("15:04:05.000"), e.Kind, e.subject, version, text)
	}
}
