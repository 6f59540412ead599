package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/time/rate"

	"github.com/shadowgpio/shadowgpio/component/internal/app/client"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

const watchText = `shadowctl watch prints what happens to the shadows of things as it happens, over MQTT:
each change of a document as what is different, deltas, refused requests, deletions, and
clients that connect and disconnect. Ctrl-C ends it. After a lost connection it connects
again, with pauses of up to 30 s, and says so; then it reads the shadows that it knows, and
prints what is different since.
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
				printable.Fprintf(env.Stderr, "shadowctl watch: --show: want some of %v, got %q\n", client.Kinds, kind)
				return command.Usage
			}
			w.show = append(w.show, k)
		}
		return w.run(ctx, r, args)
	})
	return c
}

// watcher prints events.
type watcher struct {
	env  Env
	json bool
	show []client.Kind
	mqtt *client.MQTT
	// things are those whose shadows are read at first; nil or + is none.
	things []string
	// list returns the named shadows of a thing; nil where that is not known.
	list func(ctx context.Context, thing string) ([]string, error)

	known   map[shadow.ID]shadow.Document // the last document of each shadow, of the goroutine that follows
	reading *reading
	mu      sync.Mutex // held while an event is printed
}

// The bounds of what watch does to find out what has changed.
const (
	maxKnown     = 5000 // shadows whose documents are kept
	readRate     = 10   // requests a second
	listPatience = 10 * time.Second
)

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
	w.things, w.list = things, r.listing()
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
	w.mqtt, w.known = m, map[shadow.ID]shadow.Document{}
	s, err := m.Subscribe(ctx, filters...)
	if err == nil {
		printable.Fprintf(w.env.Stderr, "watching %s\n", strings.Join(filters, " "))
	}
	return s, err
}

// follow prints the messages of a subscription, and what happens to the connection, until
// ctx is done.
func (w *watcher) follow(ctx context.Context, s *client.Subscription) error {
	ctx, end := context.WithCancel(ctx)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer end()
	beside.Go(func() { w.links(ctx) })
	w.reading = &reading{watcher: w, again: make(chan []shadow.ID, 1), listed: map[string]bool{}}
	beside.Go(func() { w.reading.run(ctx) })
	w.reading.begin(nil)
	for {
		message, err := s.Next(ctx)
		switch {
		case err != nil:
			return err
		case message.Missed():
			w.tell(watched{At: message.At, Kind: "connection", Text: "messages may have been missed: the connection was lost for a while, or they came too fast; the shadows are read again"})
			w.reading.begin(slices.Collect(maps.Keys(w.known)))
		default:
			w.message(message)
		}
	}
}

// links prints what happens to the connection. Attempts that fail for the same reason one
// after the other are told once.
func (w *watcher) links(ctx context.Context) {
	last := ""
	for {
		select {
		case link := <-w.mqtt.Links():
			text := "connected again"
			if !link.Up {
				text = fmt.Sprintf("no connection: %v; connecting again, with pauses of up to 30 s", link.Err)
			}
			if text != last {
				w.tell(watched{At: time.Now(), Kind: "connection", Text: text})
			}
			last = text
		case <-ctx.Done():
			return
		}
	}
}

// reading requests the documents of shadows beside the goroutine that follows, to which
// the answers come.
//
// AWS IoT Core ends the connection of a client that may not publish the request. So the
// reading is given up when none of several was answered.
type reading struct {
	*watcher
	again  chan []shadow.ID // one slot: the shadows to read
	silent atomic.Int32     // readings since the last answer
	listed map[string]bool  // things whose named shadows were listed once
	fresh  sync.Map         // shadows that were not there at the last listing, by shadow.ID
}

// maxSilent is how many readings may go without an answer.
const maxSilent = 3

// begin reads shadows, and those that are listed. A reading that has not begun is replaced.
func (r *reading) begin(known []shadow.ID) {
	select {
	case <-r.again:
	default:
	}
	r.again <- known
}

func (r *reading) run(ctx context.Context) {
	limiter := rate.NewLimiter(readRate, readRate)
	for {
		select {
		case ids := <-r.again:
			if n := r.silent.Add(1); n > maxSilent {
				if n == maxSilent+1 {
					r.tell(watched{At: time.Now(), Kind: "connection", Text: "reading the shadows is given up, since it is never answered: may this client publish to their get topics? What changes without a connection is not shown"})
				}
				continue
			}
			for _, id := range r.all(ctx, ids) {
				if limiter.Wait(ctx) != nil {
					return
				}
				if len(r.again) > 0 {
					break // the connection was lost meanwhile
				}
				if err := r.mqtt.Ask(ctx, id); err != nil && ctx.Err() == nil {
					break // the connection is lost, and the next one begins another reading
				}
			}
		case <-ctx.Done():
			return
		}
	}
}

// all are the shadows that are known and those of the things that are watched. Where the
// named ones cannot be listed, they are known once they change.
func (r *reading) all(ctx context.Context, known []shadow.ID) (ids []shadow.ID) {
	ids = known
	add := func(id shadow.ID) {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for _, thing := range r.things {
		if thing == "+" {
			continue
		}
		add(shadow.ID{Thing: thing})
		if r.list == nil {
			continue
		}
		listing, cancel := context.WithTimeout(ctx, listPatience)
		names, err := r.list(listing, thing)
		cancel()
		for _, name := range names {
			id := shadow.ID{Thing: thing, Name: name}
			if r.listed[thing] && !slices.Contains(known, id) {
				r.fresh.Store(id, true)
			}
			add(id)
		}
		r.listed[thing] = r.listed[thing] || err == nil
	}
	slices.SortFunc(ids, func(a, b shadow.ID) int {
		return cmp.Or(cmp.Compare(a.Thing, b.Thing), cmp.Compare(a.Name, b.Name))
	})
	return ids
}

// answered takes the document of a shadow that was read, and prints what is different
// since the last one.
func (w *watcher) answered(e client.Event) {
	w.reading.silent.Store(0)
	before, known := w.known[e.ID]
	_, fresh := w.reading.fresh.LoadAndDelete(e.ID)
	now := shadow.Document{}
	switch {
	case e.Kind == client.Accepted:
		var err error
		if now, err = shadow.ParseDocument(e.Payload); err != nil {
			w.tell(watched{At: e.At, Kind: string(e.Kind), Thing: e.ID.Thing, Shadow: e.ID.Name, Text: err.Error(), subject: e.ID.String()})
			return
		}
	case e.Kind != client.Rejected:
		return
	case e.Refusal().Code != http.StatusNotFound:
		w.tell(watched{At: e.At, Kind: string(e.Kind), Thing: e.ID.Thing, Shadow: e.ID.Name, subject: e.ID.String(),
			Text: fmt.Sprintf("cannot be read, so what changes without a connection is not shown: %v", e.Refusal())})
		return
	}
	w.keep(e.ID, now)
	out := watched{At: e.At, Kind: string(client.Documents), Thing: e.ID.Thing, Shadow: e.ID.Name, Version: now.Version, Missed: true, subject: e.ID.String()}
	switch {
	case !known && !fresh || !slices.Contains(w.show, client.Documents) && now.Version > 0:
	case now.Version == 0 && before.Version > 0:
		out.Text = "deleted, without a connection"
		w.tell(out)
	default:
		if out.Changes = client.Changes(before, now); len(out.Changes) > 0 {
			w.tell(out)
		}
	}
}

// keep keeps a document, as long as there are not too many.
func (w *watcher) keep(id shadow.ID, doc shadow.Document) {
	if _, known := w.known[id]; known || len(w.known) < maxKnown {
		w.known[id] = doc
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
	Missed  bool            `json:"missed,omitempty"` // it happened while there was no connection

	subject string
}

func (w *watcher) message(m client.Message) {
	e, ok := client.ParseEvent(m)
	if ok && w.mqtt.Asked(e) {
		w.answered(e)
		return
	}
	if ok && w.repeated(e) {
		return
	}
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

// repeated keeps the document of a message, and reports whether it was printed already: it
// was read before the message came.
func (w *watcher) repeated(e client.Event) bool {
	switch {
	case e.Kind == client.Accepted && e.Verb == "delete":
		w.keep(e.ID, shadow.Document{})
	case e.Kind == client.Documents:
		_, current, err := e.Documents()
		if err != nil {
			return false
		}
		if before := w.known[e.ID]; current.Version <= before.Version {
			return true
		}
		w.keep(e.ID, current)
	}
	return false
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
		printable.JSON(w.env.Stdout, e, "")
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
		printable.Fprintf(w.env.Stdout, "%s  %-10s  %s%s  %s\n", e.At.Local().Format("15:04:05.000"), e.Kind, e.subject, version, text)
	}
}
