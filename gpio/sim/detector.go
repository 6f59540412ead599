package sim

import (
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// detector makes events of the level changes of a held input, through the
// kernel's software debounce where that is configured
// (torvalds/linux drivers/gpio/gpiolib-cdev.c, struct line). Sim.mu guards it.
type detector struct {
	edges     gpio.Edges
	activeLow bool
	debounce  time.Duration
	level     bool // the debounced physical level; meaningless without debounce
	seqno     uint32

	timer *time.Timer
	round uint64 // of the timer: one that fired too late to be stopped is told by it
}

// update brings a changed configuration into force. Like the kernel's
// edge_detector_update it goes on debouncing from the level it has.
func (d *detector) update(l *line) {
	c := l.config
	if d.edges == c.Edges && d.activeLow == c.ActiveLow && d.debounce == c.Debounce {
		return
	}
	if d.debounce == 0 || c.Debounce == 0 {
		d.stop()
		d.level = l.level
	}
	d.edges, d.activeLow, d.debounce = c.Edges, c.ActiveLow, c.Debounce
}

func (d *detector) stop() {
	d.cancel()
	d.edges, d.debounce = gpio.NoEdges, 0
}

func (d *detector) cancel() {
	d.round++
	if d.timer != nil {
		d.timer.Stop()
	}
}

// changed takes a change of the level. With debounce the period starts again.
func (d *detector) changed(l *line) {
	if d.debounce == 0 {
		d.report(l)
		return
	}
	d.cancel()
	round, sim := d.round, l.chip.sim
	d.timer = time.AfterFunc(d.debounce, func() {
		sim.mu.Lock()
		defer sim.mu.Unlock()
		if d.round == round && d.level != l.level {
			d.level = l.level
			d.report(l)
		}
	})
}

// report puts an event into the buffer of the request when its edge is wanted.
func (d *detector) report(l *line) {
	edge, wanted := gpio.Falling, gpio.FallingEdges
	if l.level != d.activeLow {
		edge, wanted = gpio.Rising, gpio.RisingEdges
	}
	if d.edges&wanted == 0 {
		return
	}
	d.seqno++
	l.request.put(gpio.Event{Offset: l.offset, Edge: edge, LineSeqno: d.seqno})
}
