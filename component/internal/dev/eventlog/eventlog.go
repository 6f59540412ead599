// Package eventlog prints what happens in all parts of the development environment as
// one sequence of lines.
package eventlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/shadowgpio/shadowgpio/component/internal/app/client"
	"github.com/shadowgpio/shadowgpio/component/internal/app/devenv"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/broker"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
)

// Log prints lines. Its methods may be called from any goroutine.
type Log struct {
	mu sync.Mutex
	w  io.Writer
}

// New makes a log that is printed to w.
func New(w io.Writer) *Log { return &Log{w: w} }

// Say prints one line about a part.
func (s *Log) Say(part, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	printable.Fprintf(s.w, "%s  %-9s  %s\n", time.Now().Format("15:04:05.000"), part, printable.Sprintf(format, args...))
}

// Event prints what the development core observes.
func (s *Log) Event(e devcore.Event) {
	switch id := (shadow.ID{Thing: e.Thing, Name: e.Shadow}); e.Kind {
	case devcore.Connected, devcore.Disconnected:
		if e.Component != devenv.ComponentName { // every command of ours comes and goes
			s.Say("core", "%s %v", e.Component, e.Kind)
		}
	case devcore.StateReported:
		s.Say("core", "%s is %s", e.Component, e.State)
	case devcore.ShadowUpdated:
		for _, text := range client.Sections(e.Sent) {
			s.Say("shadow", "%v version %d: %s, by %s", id, e.Version, text, e.Component)
		}
	case devcore.ShadowDeleted:
		s.Say("shadow", "%v deleted, by %s", id, e.Component)
	case devcore.ShadowRefused:
		s.Say("shadow", "%v refused %s of %s: %d %s", id, e.Operation, e.Component, e.Code, e.Reason)
	case devcore.CoreAway:
		s.Say("core", "restarts, away for %s", e.Reason)
	case devcore.CoreBack:
		s.Say("core", "is back")
	case devcore.LinkUp, devcore.LinkDown:
		s.Say("cloud", "%v", e.Kind)
	case devcore.MessagePublished:
		s.Say("cloud", "%s: %s, by %s", e.Topic, shownPayload(e.Payload), e.Component)
	case devcore.UpdateDeferred:
		s.Say("core", "%s defers deployment %s: %s", e.Component, e.Deployment, e.Reason)
	case devcore.FaultMade:
		s.Say("fault", "%s", shownFault(e.Fault))
	case devcore.ShadowFailed:
		s.Say("shadow", "%v failed at %s of %s as the real shadow manager does: %s", id, e.Operation, e.Component, e.Reason)
	}
}

// CloudMessage prints a change in the cloud.
func (s *Log) CloudMessage(m broker.Message) {
	parts := strings.Split(m.Topic, "/") // $aws/things/THING/shadow[/name/SHADOW]/VERB/accepted
	id := shadow.ID{Thing: parts[2]}
	if len(parts) == 8 {
		id.Name = parts[5]
	}
	version, err := shadow.ParseVersion(m.Payload)
	if err != nil {
		return
	}
	switch parts[len(parts)-2] {
	case "delete":
		s.Say("cloud", "%v deleted", id)
	case "update":
		for _, text := range client.Sections(m.Payload) {
			s.Say("cloud", "%v version %d: %s", id, version, text)
		}
	}
}

// Ended reports a part that did not end by order.
func (s *Log) Ended(part string, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		s.Say(part, "ended: %v", err)
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

// quiet is how close together the changes of a bouncing contact are. The first is
// printed at once, those that follow it closely as one.
const quiet = 30 * time.Millisecond

// Lines prints level changes of the simulated chip until the channel is closed.
func (s *Log) Lines(changes <-chan sim.Change) {
	var last sim.Change
	held := 0
	flush := func() {
		if held > 0 {
			s.Say("line", "%s, after %d changes more", shownChange(last), held)
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
				s.Say("line", "%s", shownChange(c))
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

// Handler is the log of one part.
func (s *Log) Handler(part string, level slog.Level) slog.Handler {
	return slog.NewTextHandler(partWriter{s, part}, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
}

// partWriter takes one log record a Write, as slog.TextHandler makes them.
type partWriter struct {
	s    *Log
	part string
}

func (w partWriter) Write(record []byte) (int, error) {
	w.s.Say(w.part, "%s", strings.TrimSuffix(string(record), "\n"))
	return len(record), nil
}
