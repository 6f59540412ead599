package agent

import (
	"context"
	"sync"

	"github.com/shadowgpio/shadowgpio/component/internal/config"
	"github.com/shadowgpio/shadowgpio/component/internal/engine"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// consumer is how other programs see who holds our lines, with the label.
const consumer = "shadowgpio"

// holding is a requested line and the goroutine that watches it.
type holding struct {
	lines   gpio.Lines
	end     context.CancelFunc
	watcher sync.WaitGroup
}

func (a *agent) requestLine(e engine.RequestLine) engine.Input {
	if err := a.release(e.Line); err != nil {
		a.Logger.Warn("line was not released cleanly", "line", e.Line, "error", err)
	}
	lines, value, err := a.request(e)
	if err != nil {
		return engine.LineFailed{Line: e.Line, Err: err}
	}
	ctx, end := context.WithCancel(a.ctx)
	h := &holding{lines: lines, end: end}
	a.held[e.Line] = h
	h.watcher.Go(func() { a.watch(ctx, e.Line, lines) })
	return engine.LineReady{Line: e.Line, Value: value}
}

// request finds and takes a line and reads it.
func (a *agent) request(e engine.RequestLine) (gpio.Lines, bool, error) {
	cfg := a.Config.Lines[e.Line]
	address, err := gpio.Find(a.Backend, cfg.Ref)
	if err != nil {
		return nil, false, err
	}
	want := lineConfig(cfg, address.Line.Offset)
	first := want
	switch {
	case e.Value != nil:
		first.Value = *e.Value
	case cfg.Direction == gpio.Output:
		// Take the line as it is, to learn its level before driving that level.
		first = gpio.LineConfig{Offset: want.Offset, ActiveLow: want.ActiveLow}
	}
	lines, err := a.Backend.Request(address.Chip.Path, consumer+" "+e.Line, []gpio.LineConfig{first})
	if err != nil {
		return nil, false, err
	}
	value, err := read(lines)
	if err == nil && first.Direction == gpio.AsIs {
		want.Value = value
		if err = lines.Reconfigure([]gpio.LineConfig{want}); err == nil {
			value, err = read(lines)
		}
	}
	if err != nil {
		lines.Close()
		return nil, false, err
	}
	return lines, value, nil
}

func lineConfig(cfg config.Line, offset int) gpio.LineConfig {
	c := gpio.LineConfig{
		Offset:    offset,
		Direction: cfg.Direction,
		ActiveLow: cfg.ActiveLow,
		Bias:      cfg.Bias,
		Drive:     cfg.Drive,
		Debounce:  cfg.Debounce,
	}
	if cfg.Direction == gpio.Input {
		c.Edges = gpio.BothEdges
	}
	return c
}

func read(lines gpio.Lines) (bool, error) {
	values, err := lines.Values()
	if err != nil {
		return false, err
	}
	return values[0], nil
}

func (a *agent) setLine(e engine.SetLine) engine.Input {
	lines := a.held[e.Line].lines
	err := lines.SetValues([]bool{e.Value})
	value := false
	if err == nil {
		value, err = read(lines)
	}
	if err != nil {
		return engine.LineFailed{Line: e.Line, Err: err}
	}
	return engine.LineSet{Line: e.Line, Value: value}
}

// watch turns the edges of a line into inputs until the line is released or its
// chip disappears. A burst becomes one input with the value that the line has
// after it, so edges that were dropped cannot leave a wrong value behind.
func (a *agent) watch(ctx context.Context, label string, lines gpio.Lines) {
	var last uint32
	for event := range lines.Events() {
		in := engine.LineChanged{Line: label, Time: event.Time}
		for more := true; more; {
			in.Time = event.Time
			in.Edges++
			in.Lost += int(event.LineSeqno - last - 1)
			last = event.LineSeqno
			select {
			case event, more = <-lines.Events():
			default:
				more = false
			}
		}
		value, err := read(lines)
		if err != nil {
			break
		}
		in.Value = value
		select {
		case a.inputs <- in:
		case <-ctx.Done():
			return
		}
	}
	if ctx.Err() == nil {
		_, err := read(lines)
		if err == nil {
			err = gpio.ErrGone
		}
		select {
		case a.inputs <- engine.LineFailed{Line: label, Err: err}:
		case <-ctx.Done():
		}
	}
}

// release gives a line back, if it is held.
func (a *agent) release(label string) error {
	h, ok := a.held[label]
	if !ok {
		return nil
	}
	delete(a.held, label)
	h.end()
	err := h.lines.Close()
	h.watcher.Wait()
	return err
}
