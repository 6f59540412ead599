package ctl

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/shadowgpio/shadowgpio/component/internal/app/application"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
)

// stream prints what happens in all parts as one sequence of lines.
type stream struct {
	mu sync.Mutex
	w  io.Writer
}

func newStream(w io.Writer) *stream { return &stream{w: w} }

func (s *stream) say(part, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.w, "%s  %-9s  %s\n", time.Now().Format("15:04:05.000"), part, fmt.Sprintf(format, args...))
}

// event prints what the development core observes.
func (s *stream) event(e devcore.Event) {
	switch id := (shadow.ID{Thing: e.Thing, Name: e.Shadow}); e.Kind {
	case devcore.Connected, devcore.Disconnected:
		if e.Component != ownName { // every command of ours comes and goes
			s.say("core", "%s %v", e.Component, e.Kind)
		}
	case devcore.StateReported:
		s.say("core", "%s is %s", e.Component, e.State)
	case devcore.ShadowUpdated:
		for _, text := range sections(e.Sent) {
			s.say("shadow", "%v version %d: %s, by %s", id, e.Version, text, e.Component)
		}
	case devcore.ShadowDeleted:
		s.say("shadow", "%v deleted, by %s", id, e.Component)
	case devcore.ShadowRefused:
		s.say("shadow", "%v refused %s of %s: %d %s", id, e.Operation, e.Component, e.Code, e.Reason)
	case devcore.CoreAway:
		s.say("core", "restarts, away for %s", e.Reason)
	case devcore.CoreBack:
		s.say("core", "is back")
	case devcore.LinkUp, devcore.LinkDown:
		s.say("cloud", "%v", e.Kind)
	case devcore.MessagePublished:
		s.say("cloud", "%s: %s, by %s", e.Topic, shownPayload(e.Payload), e.Component)
	case devcore.UpdateDeferred:
		s.say("core", "%s defers deployment %s: %s", e.Component, e.Deployment, e.Reason)
	case devcore.FaultMade:
		s.say("fault", "%s", shownFault(e.Fault))
	case devcore.ShadowFailed:
		s.say("shadow", "%v failed at %s of %s as the real shadow manager does: %s", id, e.Operation, e.Component, e.Reason)
	}
}

// shownPayload shows a short text, and how long anything else is.
func shownPayload(payload []byte) string {
	if len(payload) > 200 || !utf8.Valid(payload) {
		return fmt.Sprintf("%d bytes", len(payload))
	}
	return string(payload)
}

func shownFault(f faults.Hit) string {
	switch {
	case f.Rule == 0:
		return f.Did
	case f.Operation == "":
		return fmt.Sprintf("rule %d %s", f.Rule, f.Did)
	}
	what := f.Operation
	if f.Event {
		what = "event of " + what
	}
	if f.Subject != "" {
		what += " on " + f.Subject
	}
	return fmt.Sprintf("rule %d: %s, for %s: %s", f.Rule, what, f.Component, f.Did)
}

// sections shows an update document, a text for each section.
func sections(update json.RawMessage) []string {
	var doc struct {
		State map[string]any `json:"state"`
	}
	if err := json.Unmarshal(update, &doc); err != nil {
		return []string{string(update)}
	}
	var texts []string
	for _, section := range slices.Sorted(maps.Keys(doc.State)) {
		members, ok := doc.State[section].(map[string]any)
		if !ok {
			texts = append(texts, section+" cleared")
			continue
		}
		texts = append(texts, section+" "+assignments(members))
	}
	return texts
}

// assignments shows the members of a section as they are typed in shadowctl set,
// and answers in short.
func assignments(members map[string]any) string {
	var texts []string
	for _, key := range slices.Sorted(maps.Keys(members)) {
		acks, ok := members[key].(map[string]any)
		if key != shadow.AckKey || !ok {
			texts = append(texts, key+"="+application.Text(members[key]))
			continue
		}
		for _, property := range slices.Sorted(maps.Keys(acks)) {
			texts = append(texts, shownAck(property, acks[property]))
		}
	}
	return strings.Join(texts, " ")
}

func shownAck(property string, value any) string {
	ack, ok := shadow.ParseAck(value)
	if !ok {
		return fmt.Sprintf("ack.%s=%s", property, application.Text(value))
	}
	text := fmt.Sprintf("ack.%s=%d@%d", property, ack.Code, ack.Version)
	if ack.Reason != "" {
		text += fmt.Sprintf(" (%s)", ack.Reason)
	}
	return text
}

// quiet is how close together the changes of a bouncing contact are. The first is
// printed at once, those that follow it closely as one.
const quiet = 30 * time.Millisecond

// lines prints level changes of the simulated chip until the channel is closed.
func (s *stream) lines(changes <-chan sim.Change) {
	var last sim.Change
	held := 0
	flush := func() {
		if held > 0 {
			s.say("line", "%s, after %d changes more", shownChange(last), held)
		}
		held = 0
	}
	pause := time.NewTimer(quiet)
	defer pause.Stop()
	for {
		select {
		case c, ok := <-changes:
			if !ok {
				flush()
				return
			}
			if c.Chip == last.Chip && c.Offset == last.Offset && c.Time.Sub(last.Time) < quiet {
				held += 1 + c.Lost
				pause.Reset(quiet)
			} else {
				flush()
				s.say("line", "%s", shownChange(c))
			}
			last = c
		case <-pause.C:
			flush()
		}
	}
}

func shownChange(c sim.Change) string {
	level := "low"
	if c.High {
		level = "high"
	}
	who := "by hand"
	switch {
	case c.By == sim.ByRequest && c.Consumer == "":
		who = "released"
	case c.By == sim.ByRequest:
		who = "driven by " + c.Consumer
	}
	name := cmp.Or(c.Name, fmt.Sprintf("%s/%d", c.Chip, c.Offset))
	return fmt.Sprintf("%s is %s, %s", name, level, who)
}

// handler logs a part into the stream.
func (s *stream) handler(part string, level slog.Level) slog.Handler {
	return slog.NewTextHandler(partWriter{s, part}, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
}

// partWriter takes one log record a Write, as slog.TextHandler makes them.
type partWriter struct {
	s    *stream
	part string
}

func (w partWriter) Write(record []byte) (int, error) {
	w.s.say(w.part, "%s", strings.TrimSuffix(string(record), "\n"))
	return len(record), nil
}
