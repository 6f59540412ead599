package logpipe

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Bounds of a [Limit].
const (
	limitBurst  = 20               // records of one message that pass in a window
	limitWindow = 10 * time.Second // from the first of them
	// limitMessages is the number of messages that are counted at a time. Further ones
	// pass, so that a message made of foreign text cannot fill the memory.
	limitMessages = 256
)

// Limit is a [slog.Handler] that bounds how often a warning or an error is repeated. Of
// the records with the same message, 20 pass in 10 s. The others are counted, and their
// number is logged when the 10 s are over, as one record with that message. Lower levels
// pass. It is safe for concurrent use.
type Limit struct {
	next slog.Handler
	all  *windows
}

// windows counts by message. Handlers that come from one Limit share them.
type windows struct {
	mu   sync.Mutex
	open map[string]*limited
}

type limited struct {
	next  slog.Handler // of the last record that did not pass
	level slog.Level
	count int
	timer *time.Timer
}

// NewLimit limits what goes to next.
func NewLimit(next slog.Handler) *Limit {
	return &Limit{next, &windows{open: map[string]*limited{}}}
}

// Enabled implements [slog.Handler].
func (l *Limit) Enabled(ctx context.Context, level slog.Level) bool {
	return l.next.Enabled(ctx, level)
}

// Handle implements [slog.Handler].
func (l *Limit) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn && !l.passes(r) {
		return nil
	}
	return l.next.Handle(ctx, r)
}

func (l *Limit) passes(r slog.Record) bool {
	w := l.all
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.open[r.Message]
	switch {
	case m == nil && len(w.open) >= limitMessages:
		return true
	case m == nil:
		m = &limited{timer: time.AfterFunc(limitWindow, func() { w.close(r.Message) })}
		w.open[r.Message] = m
	}
	if m.count++; m.count <= limitBurst {
		return true
	}
	m.next, m.level = l.next, max(m.level, r.Level)
	return false
}

// close ends the window of a message.
func (w *windows) close(message string) {
	w.mu.Lock()
	m := w.open[message]
	delete(w.open, message)
	w.mu.Unlock()
	if m == nil || m.next == nil {
		return
	}
	r := slog.NewRecord(time.Now(), m.level, message, 0)
	r.AddAttrs(slog.Int("more", m.count-limitBurst), slog.Duration("within", limitWindow))
	m.next.Handle(context.Background(), r)
}

// Flush logs the numbers that are due later.
func (l *Limit) Flush() {
	l.all.mu.Lock()
	var messages []string
	for message, m := range l.all.open {
		m.timer.Stop()
		messages = append(messages, message)
	}
	l.all.mu.Unlock()
	for _, message := range messages {
		l.all.close(message)
	}
}

// WithAttrs implements [slog.Handler].
func (l *Limit) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Limit{l.next.WithAttrs(attrs), l.all}
}

// WithGroup implements [slog.Handler].
func (l *Limit) WithGroup(name string) slog.Handler {
	return &Limit{l.next.WithGroup(name), l.all}
}
