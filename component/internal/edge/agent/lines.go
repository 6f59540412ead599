package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// consumerOf is how other programs see who holds our lines. A line that gets another
// label keeps its request, and so the label that it was requested with.
func consumerOf(e lines.Request) string { return "shadowgpio " + e.Label }

// claim is what is requested for one claim of the line engine, and the goroutine
// that watches it.
type claim struct {
	request uint64 // its number
	label   string // when it was requested, for people
	lines   gpio.Lines
	output  bool
	held    bool // since an earlier run
	end     context.CancelFunc
	watcher sync.WaitGroup
}

func (a *agent) requestLines(e lines.Request) engine.Input {
	if err := a.release(e.Claim); err != nil {
		a.Logger.Warn("line was not released cleanly", "line", e.Label, "error", err)
	}
	c, values, err := a.request(e)
	if err != nil {
		return engine.LinesFailed{Claim: e.Claim, Request: e.Request, Err: err}
	}
	c.request, c.label = e.Request, e.Label
	a.claims[e.Claim] = c
	return engine.LinesReady{Claim: e.Claim, Values: values, Held: c.held}
}

// request finds and takes the lines of a claim and reads them.
func (a *agent) request(e lines.Request) (*claim, []bool, error) {
	chip, configs, err := a.locate(e.Lines)
	if err != nil {
		return nil, nil, err
	}
	cfg := a.Config.Lines[e.Lines[0]]
	if cfg.Direction == gpio.Output {
		return a.requestOutputs(e, chip, configs)
	}
	held, err := a.Backend.Request(chip.Path, consumerOf(e), configs)
	polled := errors.Is(err, syscall.ENXIO)
	if polled {
		// The chip has no interrupts, so neither edges nor debounce in the kernel
		// (torvalds/linux drivers/gpio/gpiolib-cdev.c, edge_detector_setup).
		a.Logger.Warn("chip reports no edges; the line is polled and debounced here", "line", e.Lines[0], "poll", cfg.Poll)
		configs[0].Edges, configs[0].Debounce = gpio.NoEdges, 0
		held, err = a.Backend.Request(chip.Path, consumerOf(e), configs)
	}
	if err != nil {
		return nil, nil, err
	}
	values, err := held.Values()
	if err != nil {
		held.Close()
		return nil, nil, err
	}
	if polled {
		return a.watched(held, func(ctx context.Context) { a.poll(ctx, e, cfg, held, values[0]) }), values, nil
	}
	return a.watched(held, func(ctx context.Context) { a.watch(ctx, e, held) }), values, nil
}

// locate finds lines by what the configuration says of them. They must be on one
// chip.
func (a *agent) locate(labels []string) (chip gpio.ChipInfo, configs []gpio.LineConfig, err error) {
	for i, label := range labels {
		address, err := gpio.Find(a.Backend, a.Config.Lines[label].Ref)
		if err != nil {
			return chip, nil, err
		}
		if i > 0 && address.Chip.Path != chip.Path {
			return chip, nil, fmt.Errorf("want all lines of a pattern on one chip, got %s on %s and %s on %s",
				labels[0], chip.Name, label, address.Chip.Name)
		}
		chip = address.Chip
		configs = append(configs, lineConfig(a.Config.Lines[label], address.Line.Offset))
	}
	return chip, configs, nil
}

// requestOutputs goes on with the request of an earlier run, if it is held, or
// makes one.
func (a *agent) requestOutputs(e lines.Request, chip gpio.ChipInfo, configs []gpio.LineConfig) (*claim, []bool, error) {
	held := a.adopt(e, chip, configs)
	adopted := held != nil
	if !adopted {
		var err error
		if held, err = a.takeOutputs(e, chip, configs); err != nil {
			return nil, nil, err
		}
	}
	values, err := held.Values()
	if err != nil {
		held.Close()
		return nil, nil, err
	}
	a.keep(e, held, chip, configs)
	c := a.watched(held, func(ctx context.Context) { a.watch(ctx, e, held) })
	c.output, c.held = true, adopted
	return c, values, nil
}

// takeOutputs requests outputs as they are where a value is not given, to learn
// their levels before driving those.
func (a *agent) takeOutputs(e lines.Request, chip gpio.ChipInfo, configs []gpio.LineConfig) (gpio.Lines, error) {
	first := slices.Clone(configs)
	adopts := false
	for i, value := range e.Values {
		if value == nil {
			first[i] = gpio.LineConfig{Offset: configs[i].Offset, ActiveLow: configs[i].ActiveLow}
			adopts = true
			continue
		}
		first[i].Value, configs[i].Value = *value, *value
	}
	held, err := a.Backend.Request(chip.Path, consumerOf(e), first)
	if err != nil || !adopts {
		return held, err
	}
	values, err := held.Values()
	if err == nil {
		for i, value := range e.Values {
			if value == nil {
				configs[i].Value = values[i]
			}
		}
		err = held.Reconfigure(configs)
	}
	if err != nil {
		held.Close()
		return nil, err
	}
	return held, nil
}

func (a *agent) watched(held gpio.Lines, watch func(context.Context)) *claim {
	ctx, end := context.WithCancel(a.ctx)
	c := &claim{lines: held, end: end}
	c.watcher.Go(func() { watch(ctx) })
	return c
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

func (a *agent) writeLines(e lines.Write) engine.Input {
	c := a.claims[e.Claim]
	if c == nil || c.request != e.Request {
		return engine.LinesFailed{Claim: e.Claim, Request: e.Request, Err: gpio.ErrGone}
	}
	held := c.lines
	err := held.SetValues(e.Values)
	var values []bool
	if err == nil {
		values, err = held.Values()
	}
	if err != nil {
		return engine.LinesFailed{Claim: e.Claim, Request: e.Request, Err: err}
	}
	return engine.LinesWritten{Claim: e.Claim, Values: values}
}

// release gives the lines of a claim back, if they are held.
func (a *agent) release(key string) error {
	c, ok := a.claims[key]
	if !ok {
		return nil
	}
	delete(a.claims, key)
	if a.holder != nil && c.output {
		if err := a.holder.Release(key); err != nil {
			a.Logger.Warn("the holder may still hold a line", "line", c.label, "error", err)
		}
	}
	return c.close()
}

// letGo gives up lines that are no longer configured, outputs in their stop state.
func (a *agent) letGo(e lines.Release) {
	c, ok := a.claims[e.Claim]
	if !ok {
		return
	}
	if e.Values != nil {
		if err := c.lines.SetValues(e.Values); err != nil {
			a.Logger.Warn("stop state not taken", "line", c.label, "error", err)
		}
	}
	if err := a.release(e.Claim); err != nil {
		a.Logger.Warn("line was not released cleanly", "line", c.label, "error", err)
	}
}

// close ends the watch and closes our copy of the request.
func (c *claim) close() error {
	c.end()
	err := c.lines.Close()
	c.watcher.Wait()
	return err
}
