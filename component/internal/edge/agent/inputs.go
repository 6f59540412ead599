package agent

import (
	"context"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// watch turns the edges of lines into inputs until they are released or their
// chip disappears. A burst becomes one input with the value that the line has after
// it, so edges that were dropped cannot leave a wrong value behind. Outputs have
// no edges; of them only the disappearance is seen.
func (a *agent) watch(ctx context.Context, e lines.Request, held gpio.Lines) {
	var last uint32
	for event := range held.Events() {
		var burst lines.Burst
		for more := true; more; {
			note(&burst, event, last)
			last = event.LineSeqno
			select {
			case event, more = <-held.Events():
			default:
				more = false
			}
		}
		values, err := held.Values()
		if err != nil {
			break
		}
		burst.Value = values[0]
		if !a.sendWhile(ctx, engine.LineSeen{Claim: e.Claim, Request: e.Request, Burst: burst}) {
			return
		}
	}
	if ctx.Err() == nil {
		_, err := held.Values()
		if err == nil {
			err = gpio.ErrGone
		}
		a.sendWhile(ctx, engine.LinesFailed{Claim: e.Claim, Request: e.Request, Err: err})
	}
}

// note adds an edge to a burst. A gap in the sequence numbers is lost edges.
func note(burst *lines.Burst, event gpio.Event, last uint32) {
	burst.Lost += int(event.LineSeqno - last - 1)
	stamp := lines.Stamp{Wall: event.Time, Clock: event.Clock}
	if event.Edge == gpio.Rising {
		burst.Rising++
		burst.RisingAt = stamp
	} else {
		burst.Falling++
		burst.FallingAt = stamp
	}
}

// poll reads a line whose chip reports no edges, again and again. A change counts
// once it has lasted for the line's debounce time.
func (a *agent) poll(ctx context.Context, e lines.Request, cfg config.Line, held gpio.Lines, value bool) {
	begin := time.Now()
	ticker := time.NewTicker(cfg.Poll)
	defer ticker.Stop()
	changed := time.Time{} // when it was first read as something else
	for {
		select {
		case <-ticker.C:
		case <-held.Events(): // closed when the chip is gone
		case <-ctx.Done():
			return
		}
		now := time.Now()
		values, err := held.Values()
		switch {
		case err != nil:
			a.sendWhile(ctx, engine.LinesFailed{Claim: e.Claim, Request: e.Request, Err: err})
			return
		case values[0] == value:
			changed = time.Time{}
			continue
		case changed.IsZero():
			changed = now
		}
		if now.Sub(changed) < cfg.Debounce {
			continue
		}
		value = values[0]
		burst := lines.Burst{Value: value}
		stamp := lines.Stamp{Wall: changed, Clock: changed.Sub(begin)}
		if value {
			burst.Rising, burst.RisingAt = 1, stamp
		} else {
			burst.Falling, burst.FallingAt = 1, stamp
		}
		if !a.sendWhile(ctx, engine.LineSeen{Claim: e.Claim, Request: e.Request, Burst: burst}) {
			return
		}
	}
}

// sendWhile gives the engine an input, unless ctx ends first.
func (a *agent) sendWhile(ctx context.Context, in engine.Input) bool {
	select {
	case a.inputs <- in:
		return true
	case <-ctx.Done():
		return false
	}
}
