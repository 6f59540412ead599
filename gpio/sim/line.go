package sim

import (
	"strconv"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// line is one line of a plugged chip: what is wired to it, what drives it, and
// who holds it. Sim.mu guards it.
type line struct {
	chip   *chip
	offset int
	name   string

	rest    bool // level of the pull
	pressed bool // the hand holds the line against its pull

	// out is the direction as gpiolib keeps it (FLAG_IS_OUT), driverOut as the
	// driver has it. They differ for an open drain line that is let go.
	out, driverOut bool
	driving        bool // the line is driven, to the level in driven
	driven         bool
	level          bool // what the line is: driven, or else brought from outside

	hog      *Hog
	request  *request
	config   gpio.LineConfig // of the request
	detector detector
}

func newLine(c *chip, offset int) *line {
	l := &line{chip: c, offset: offset, name: c.config.Names[offset], rest: c.config.Pulls[offset]}
	l.level = l.rest
	if hog, ok := c.config.Hogs[offset]; ok {
		l.hog = &hog
		if hog.Direction == gpio.Output {
			l.out, l.driverOut, l.driving, l.driven, l.level = true, true, true, hog.Value, hog.Value
		}
	}
	return l
}

// label is the name of the line, or its offset where it has none.
func (l *line) label() string {
	if l.name != "" {
		return l.name
	}
	return strconv.Itoa(l.offset)
}

func (l *line) used() bool { return l.hog != nil || l.request != nil }

func (l *line) consumer() string {
	switch {
	case l.hog != nil:
		return l.hog.Consumer
	case l.request != nil:
		return l.request.consumer
	}
	return ""
}

func (l *line) info() gpio.LineInfo {
	info := gpio.LineInfo{
		Offset:    l.offset,
		Name:      l.name,
		Consumer:  l.consumer(),
		Used:      l.used(),
		Direction: gpio.Input,
		ActiveLow: l.config.ActiveLow,
		Bias:      l.config.Bias,
		Drive:     l.config.Drive,
		Debounce:  l.detector.debounce,
		Edges:     l.config.Edges,
	}
	if l.out {
		info.Direction = gpio.Output
	}
	return info
}

// value is what a request reads.
func (l *line) value() bool {
	level := l.level
	if l.detector.debounce > 0 {
		level = l.detector.level
	}
	return level != l.config.ActiveLow
}

// hold gives the line to a request. The direction is read back from the driver
// (torvalds/linux drivers/gpio/gpiolib.c, gpiod_request_commit), which for an
// output means that the pull no longer moves it.
func (l *line) hold(r *request, c gpio.LineConfig) {
	l.request, l.config = r, c
	l.detector = detector{}
	l.out = l.driverOut
	l.driving, l.driven = l.driverOut, l.level
	if c.Direction != gpio.AsIs {
		l.configure(c)
	}
}

// configure applies a configuration that has a direction.
func (l *line) configure(c gpio.LineConfig) {
	if c.Direction == gpio.Output {
		l.detector.stop()
	}
	l.config = c
	switch c.Bias {
	case gpio.BiasPullUp:
		l.rest = true
	case gpio.BiasPullDown:
		l.rest = false
	}
	l.out = c.Direction == gpio.Output
	if l.out {
		l.drive(c.Value)
		l.settle(ByRequest)
		return
	}
	l.driving, l.driverOut = false, false
	l.settle(ByRequest)
	l.detector.update(l)
}

// drive sets an output. Open drain and open source are made from a push-pull
// driver as gpiolib does it: by turning the line into an input
// (torvalds/linux drivers/gpio/gpiolib.c, gpio_set_open_drain_value_commit).
func (l *line) drive(active bool) {
	high := active != l.config.ActiveLow
	letGo := l.config.Drive == gpio.OpenDrain && high || l.config.Drive == gpio.OpenSource && !high
	l.driving, l.driverOut, l.driven = !letGo, !letGo, high
}

// free takes the line from its request. It goes back to its pull, while the
// direction stays (torvalds/linux drivers/gpio/gpio-sim.c, gpio_sim_free).
func (l *line) free() {
	l.detector.stop()
	l.driving = false
	l.request, l.config = nil, gpio.LineConfig{}
	l.settle(ByRequest)
}

// settle finds the level of the line and tells of a change.
func (l *line) settle(by Cause) {
	level := l.rest != l.pressed
	if l.driving {
		level = l.driven
	}
	if level == l.level {
		return
	}
	l.level = level
	l.chip.sim.notify(l, by)
	if l.request != nil && !l.out {
		l.detector.changed(l)
	}
}
