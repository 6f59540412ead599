package sim

import (
	"fmt"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// Sim is a set of simulated chips: what /dev/gpiochip* is to a machine. All
// methods may be called concurrently. It needs no closing; goroutines run only
// for lines that are held.
type Sim struct {
	boot time.Time // start of the event clock

	mu      sync.Mutex // guards all below, chips, lines and requests included
	chips   []*chip    // in the kernel's order
	watches map[*watch]struct{}
}

var (
	_ gpio.Backend = (*Sim)(nil)
	_ Hand         = (*Sim)(nil)
)

// New makes a Sim with these chips plugged in.
func New(chips ...Chip) (*Sim, error) {
	s := &Sim{boot: time.Now(), watches: map[*watch]struct{}{}}
	for _, config := range chips {
		if _, err := s.Add(config); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// find gives the plugged chip that ref names. s.mu is held.
func (s *Sim) find(op, ref string) (*chip, error) {
	var live []*chip
	for _, c := range s.chips {
		if c.live() {
			live = append(live, c)
		}
	}
	infos := make([]gpio.ChipInfo, len(live))
	for i, c := range live {
		infos[i] = c.info()
	}
	info, err := gpio.MatchChip(infos, ref)
	if err != nil {
		return nil, &gpio.OpError{Op: op, Chip: ref, Err: err}
	}
	for i := range infos {
		if infos[i].Name == info.Name {
			return live[i], nil
		}
	}
	panic("sim: MatchChip answered with a chip it was not given")
}

// line gives a line of a plugged chip. s.mu is held.
func (s *Sim) line(op, ref string, offset int) (*line, error) {
	c, err := s.find(op, ref)
	if err != nil {
		return nil, err
	}
	if err := c.config.holds(offset); err != nil {
		return nil, &gpio.OpError{Op: op, Chip: c.config.Name, Line: strconv.Itoa(offset), Err: err}
	}
	return c.lines[offset], nil
}

// Chips implements [gpio.Backend].
func (s *Sim) Chips() ([]gpio.ChipInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var infos []gpio.ChipInfo
	for _, c := range s.chips {
		if c.live() {
			infos = append(infos, c.info())
		}
	}
	return infos, nil
}

// LineInfos implements [gpio.Backend].
func (s *Sim) LineInfos(ref string) ([]gpio.LineInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.find("list", ref)
	if err != nil {
		return nil, err
	}
	infos := make([]gpio.LineInfo, len(c.lines))
	for i, l := range c.lines {
		infos[i] = l.info()
	}
	return infos, nil
}

// Request implements [gpio.Backend].
func (s *Sim) Request(ref, consumer string, lines []gpio.LineConfig) (gpio.Lines, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.find("request", ref)
	if err != nil {
		return nil, err
	}
	if err := gpio.Validate(lines); err != nil {
		return nil, inChip(err, "request", c.config.Name)
	}
	if err := c.free(lines); err != nil {
		return nil, err
	}
	return newRequest(s, c, shown(consumer), lines), nil
}

// free checks that the lines are there and nobody holds them.
func (c *chip) free(lines []gpio.LineConfig) error {
	asked := map[int]bool{}
	for _, config := range lines {
		refuse := &gpio.OpError{Op: "request", Chip: c.config.Name, Line: strconv.Itoa(config.Offset)}
		if err := c.config.holds(config.Offset); err != nil {
			refuse.Err = err
			return refuse
		}
		l := c.lines[config.Offset]
		refuse.Line = l.label()
		switch {
		case l.used():
			refuse.Err, refuse.Holder = syscall.EBUSY, l.consumer()
			return refuse
		case asked[config.Offset]:
			refuse.Err = fmt.Errorf("asked for twice: %w", syscall.EBUSY)
			return refuse
		case !c.config.can(config):
			refuse.Err = syscall.ENXIO
			return refuse
		}
		asked[config.Offset] = true
	}
	return nil
}

// shown is a consumer as the kernel shows it.
func shown(consumer string) string {
	if consumer == "" {
		return "?"
	}
	return consumer[:min(len(consumer), maxName)]
}
