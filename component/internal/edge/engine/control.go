package engine

import (
	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// inputControl lets the edges of an input drive an output, with or without a link.
type inputControl struct {
	config.Control
	label string
}

// applyControls runs the controls of an input together. A control that stops "down"
// makes way for a control that starts "up".
func applyControls(c *core, controls []inputControl, n lines.InputChanged) {
	if n.Rising+n.Falling == 0 || c.stopped {
		return
	}
	for _, control := range controls {
		times := 0
		if control.Edge&gpio.RisingEdges != 0 {
			times += n.Rising
		}
		if control.Edge&gpio.FallingEdges != 0 {
			times += n.Falling
		}
		if times == 0 {
			continue
		}
		on := control.Action == config.Set
		if control.Action == config.Toggle {
			// An odd number of edges in one burst toggles the output.
			on = c.willBeOn(control.Output) != (times%2 == 1)
		}
		c.switchOutput(control.Output, on, lines.Cause{Kind: lines.ByControl, Name: control.label})
	}
}
