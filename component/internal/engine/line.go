package engine

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/config"
	"github.com/shadowgpio/shadowgpio/component/internal/shadow"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// lineState is where a line is in its life.
type lineState uint8

const (
	released  lineState = iota // not ours
	requested                  // asked for, or held with a set under way
	held                       // ours and at rest
	faulted                    // failed; retried at retryAt
)

// Pauses between the attempts to get a failed line back, doubled each time.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// saveDelay bounds what a power cut can lose of the outputs' states, and spares
// the flash.
const saveDelay = time.Second

type line struct {
	label string
	cfg   config.Line
	state lineState

	value bool  // what it reads; valid when known
	known bool  // it was read at least once
	want  *bool // what an output is to be; nil before anything was desired

	fault   error // why it is faulted, or why it does not follow
	retryAt time.Time
	pause   time.Duration
}

// move changes the state of a line and counts those that have not answered.
func (e *Engine) move(l *line, to lineState) {
	if l.state == requested {
		e.moving--
	}
	if to == requested {
		e.moving++
	}
	l.state = to
}

func newLine(label string, cfg config.Line) *line { return &line{label: label, cfg: cfg} }

// request asks for the line. An output takes what is wanted of it, or its start
// state while nothing is.
func (e *Engine) request(l *line) {
	l.retryAt = time.Time{}
	e.move(l, requested)
	e.do(RequestLine{l.label, e.initial(l)})
}

func (e *Engine) initial(l *line) *bool {
	if l.cfg.Direction != gpio.Output || l.want != nil {
		return l.want
	}
	saved, known := e.saved[l.label]
	switch {
	case l.cfg.Start == config.StartOn:
		return new(true)
	case l.cfg.Start == config.StartOff:
		return new(false)
	case l.cfg.Start == config.StartRestore && known:
		return &saved
	}
	return nil
}

func (in LineReady) apply(e *Engine, now time.Time) {
	l := e.lines[in.Line]
	if l.fault != nil {
		e.log.Info("line is back", "line", l.label, "ref", l.cfg.Ref, "value", onOff(in.Value))
	}
	e.move(l, held)
	l.fault, l.pause = nil, 0
	e.observed(now, l, in.Value)
	e.settle(now, l)
}

func (in LineSet) apply(e *Engine, now time.Time) {
	l := e.lines[in.Line]
	e.move(l, held)
	e.observed(now, l, in.Value)
	if !e.stopped && l.want != nil && in.Value != *l.want {
		l.fault = fmt.Errorf("reads %s after it was set %s", onOff(in.Value), onOff(*l.want))
		e.retryLater(now, l)
	} else {
		l.fault, l.pause, l.retryAt = nil, 0, time.Time{}
	}
	e.answerLine(now, l)
}

func (in LineChanged) apply(e *Engine, now time.Time) {
	l := e.lines[in.Line]
	if in.Lost > 0 {
		e.log.Warn("edges were lost; the line was read again", "line", l.label, "lost", in.Lost)
	}
	e.observed(now, l, in.Value)
}

func (in LineFailed) apply(e *Engine, now time.Time) {
	l := e.lines[in.Line]
	if l.fault == nil || l.fault.Error() != in.Err.Error() {
		e.log.Error("line failed; it is retried", "line", l.label, "ref", l.cfg.Ref, "error", in.Err)
	}
	e.move(l, faulted)
	l.fault = in.Err
	e.retryLater(now, l)
	e.answerLine(now, l)
}

// observed takes what a line reads, remembers outputs, and reports it in every
// property that shows the line.
func (e *Engine) observed(now time.Time, l *line, value bool) {
	if l.known && l.value == value {
		return
	}
	level := slog.LevelDebug // inputs change as often as the world likes
	if l.cfg.Direction == gpio.Output {
		level = slog.LevelInfo
	}
	e.log.Log(context.Background(), level, "line", "line", l.label, "value", onOff(value))
	l.value, l.known = value, true
	if saved, ok := e.saved[l.label]; l.cfg.Direction == gpio.Output && (!ok || saved != value) && !e.stopped {
		e.saved[l.label] = value
		if e.saveAt.IsZero() {
			e.saveAt = now.Add(saveDelay)
			e.at(e.saveAt)
		}
	}
	for _, b := range e.bindings[l.label] {
		b.shadow.want[b.key] = b.Values.Value(value)
		e.touch(b.shadow)
	}
}

// settle makes an output what is wanted of it, and answers.
func (e *Engine) settle(now time.Time, l *line) {
	if l.state == held && l.want != nil && l.retryAt.IsZero() {
		if *l.want != l.value {
			e.move(l, requested)
			e.do(SetLine{l.label, *l.want})
			return
		}
		l.fault, l.pause = nil, 0
	}
	e.answerLine(now, l)
}

// drive wants an output to have that value.
func (e *Engine) drive(now time.Time, l *line, value bool) {
	if l.want == nil || *l.want != value {
		l.want = &value
		if l.state == held {
			l.retryAt = time.Time{} // a new desired value deserves a new attempt; the same one waits
		}
	}
	e.settle(now, l)
}

// answerLine answers the desired values that wait for this line.
func (e *Engine) answerLine(now time.Time, l *line) {
	if l.want == nil || l.state == requested || e.stopped {
		return
	}
	code, reason := shadow.Done, ""
	if l.fault != nil {
		code, reason = shadow.LineFailed, l.fault.Error()
	}
	for _, b := range e.bindings[l.label] {
		if b.shadow.asked[b.key].line {
			e.answer(b.shadow, b.key, code, reason)
			e.touch(b.shadow)
		}
	}
}

func (e *Engine) retryLater(now time.Time, l *line) {
	l.pause = min(max(2*l.pause, firstRetry), lastRetry)
	l.retryAt = now.Add(e.jitter(l.pause))
	e.at(l.retryAt)
}

// retryLine tries a failed line again when its time has come.
func (e *Engine) retryLine(now time.Time, l *line) {
	switch {
	case l.retryAt.IsZero() || e.stopped:
	case now.Before(l.retryAt):
		e.at(l.retryAt)
	case l.state == faulted:
		e.request(l)
	default:
		l.retryAt = time.Time{}
		e.settle(now, l)
	}
}

func (e *Engine) stopLine(now time.Time, l *line) {
	if l.cfg.Direction != gpio.Output || l.state != held || l.cfg.Stop == config.StopKeep {
		return
	}
	e.move(l, requested)
	e.do(SetLine{l.label, l.cfg.Stop == config.StopOn})
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
