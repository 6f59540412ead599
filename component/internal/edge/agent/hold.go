package agent

import (
	"errors"
	"slices"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/holder"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// adopt goes on with what the holder has of an earlier run, nil if that is
// nothing that fits.
func (a *agent) adopt(e lines.Request, chip gpio.ChipInfo, configs []gpio.LineConfig) gpio.Lines {
	if a.holder == nil {
		return nil
	}
	held, ok := a.holder.Take(e.Claim)
	if !ok {
		return nil
	}
	adopted, err := held.Adopt(a.Backend, chip, configs)
	if err == nil {
		a.Logger.Info("line goes on as it was held", "line", e.Label)
		return adopted
	}
	a.Logger.Warn("what was held does not fit; the line is requested anew", "line", e.Label, "error", err)
	if err := a.holder.Release(e.Claim); err != nil {
		a.Logger.Warn("the holder may still hold a line", "line", e.Label, "error", err)
	}
	return nil
}

// keep has the holder hold a request from now on.
func (a *agent) keep(e lines.Request, held gpio.Lines, chip gpio.ChipInfo, configs []gpio.LineConfig) {
	if a.holder == nil {
		return
	}
	request := holder.Request{Chip: chip, Consumer: consumerOf(e)}
	for _, c := range configs {
		request.Offsets = append(request.Offsets, c.Offset)
	}
	if err := a.holder.Keep(e.Claim, held, request); err != nil {
		level := a.Logger.Warn
		if errors.Is(err, gpio.ErrUnsupported) {
			level = a.Logger.Debug
		}
		level("line is not held over a restart", "line", e.Label, "error", err)
	}
}

// guard tells the holder what is to become of an output should we vanish. What is
// to go off is told before it goes on.
func (a *agent) guard(e lines.Guard) {
	switch {
	case a.holder == nil:
	case !e.Off:
		a.holder.Guard(e.Claim)
	default:
		off := holder.Order{At: e.At, Values: make([]bool, e.Lines)}
		if err := a.holder.GuardNow(e.Claim, off); err != nil {
			a.Logger.Debug("the end of an output is not guarded yet", "line", e.Claim, "error", err)
		}
	}
}

// heldOutputs are the labels of the outputs that the holder has, sorted. The loop
// calls it.
func (a *agent) heldOutputs() []string {
	if a.holder == nil {
		return nil
	}
	labels := lines.Claims(engine.Setup(a.Config))
	var held []string
	for _, claim := range a.holder.Holds() {
		if label, ok := labels[claim]; ok {
			held = append(held, label)
		}
	}
	slices.Sort(held)
	return held
}
