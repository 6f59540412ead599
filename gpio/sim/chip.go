package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// Limits of a Sim: the lines of a chip are those of gpio-sim
// (torvalds/linux drivers/gpio/gpio-sim.c, GPIO_SIM_NGPIO_MAX).
const (
	maxChips = 64
	maxLines = 1024
	maxName  = 31 // bytes of a name or consumer (GPIO_MAX_NAME_SIZE less its NUL)
)

// Chip says what a simulated chip is.
type Chip struct {
	// Name is what the kernel would call it. "" takes the lowest free number:
	// "gpiochip0".
	Name string `json:"name,omitempty"`
	// Label is what the driver would call it; several chips may share one. "" is
	// the name.
	Label string `json:"label,omitempty"`
	// Lines is the number of lines, 1 to 1024. Required.
	Lines int `json:"lines"`
	// Names are line names by offset, at most 31 bytes; duplicates are allowed.
	Names map[int]string `json:"names,omitempty"`
	// Hogs are lines that the kernel itself holds, by offset.
	Hogs map[int]Hog `json:"hogs,omitempty"`
	// Pulls are the lines that rest at the high level; the others rest low.
	Pulls map[int]bool `json:"pulls,omitempty"`
	// NoInterrupts makes a chip as many I2C expanders are: it has neither edges nor
	// debounce, and a request for them is syscall.ENXIO
	// (torvalds/linux drivers/gpio/gpiolib-cdev.c, edge_detector_setup).
	NoInterrupts bool `json:"noInterrupts,omitempty"`
}

// Hog is a line held by a consumer outside this process.
type Hog struct {
	Consumer  string         `json:"consumer"`
	Direction gpio.Direction `json:"direction"` // Input or Output; AsIs is Input
	Value     bool           `json:"value"`     // physical level; outputs only
}

func (c Chip) fault() error {
	switch {
	case c.Lines < 1 || c.Lines > maxLines:
		return fmt.Errorf("a chip has 1 to %d lines, not %d: %w", maxLines, c.Lines, syscall.EINVAL)
	case len(c.Name) > maxName || len(c.Label) > maxName:
		return fmt.Errorf("a name or label has at most %d bytes: %w", maxName, syscall.EINVAL)
	case strings.ContainsRune(c.Name, '/'):
		return fmt.Errorf("the name of a chip has no slash: %w", syscall.EINVAL)
	}
	for offset, name := range c.Names {
		if err := c.holds(offset); err != nil {
			return err
		}
		if len(name) > maxName {
			return fmt.Errorf("name of line %d: at most %d bytes: %w", offset, maxName, syscall.EINVAL)
		}
	}
	for offset := range c.Hogs {
		if err := c.holds(offset); err != nil {
			return err
		}
	}
	for offset := range c.Pulls {
		if err := c.holds(offset); err != nil {
			return err
		}
	}
	return nil
}

// can says whether a line of the chip can be requested so.
func (c Chip) can(config gpio.LineConfig) bool {
	return !c.NoInterrupts || config.Edges == gpio.NoEdges && config.Debounce == 0
}

func (c Chip) holds(offset int) error {
	if offset < 0 || offset >= c.Lines {
		return fmt.Errorf("%w %d: offsets are 0 to %d", gpio.ErrNoLine, offset, c.Lines-1)
	}
	return nil
}

// chip is a chip that was added. Its lines exist while it is plugged in.
type chip struct {
	sim    *Sim
	config Chip
	lines  []*line // nil while unplugged
}

func (c *chip) live() bool { return c.lines != nil }

func (c *chip) info() gpio.ChipInfo {
	return gpio.ChipInfo{
		Name:  c.config.Name,
		Path:  "/dev/" + c.config.Name,
		Label: c.config.Label,
		Lines: c.config.Lines,
	}
}

// plug makes the lines anew: nothing survives from before an unplug.
func (c *chip) plug() {
	c.lines = make([]*line, c.config.Lines)
	for offset := range c.lines {
		c.lines[offset] = newLine(c, offset)
	}
}

// inKernelOrder compares names such that gpiochip2 is before gpiochip10.
func inKernelOrder(a, b *chip) int {
	return cmp.Or(
		cmp.Compare(len(a.config.Name), len(b.config.Name)),
		cmp.Compare(a.config.Name, b.config.Name),
	)
}

// Add plugs a new chip in.
func (s *Sim) Add(config Chip) (gpio.ChipInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	refuse := func(err error) (gpio.ChipInfo, error) {
		return gpio.ChipInfo{}, &gpio.OpError{Op: "add", Chip: cmp.Or(config.Name, config.Label), Err: err}
	}
	if err := config.fault(); err != nil {
		return refuse(err)
	}
	if len(s.chips) == maxChips {
		return refuse(fmt.Errorf("there are %d chips already: %w", maxChips, syscall.ENOSPC))
	}
	if config.Name == "" {
		config.Name = s.freeName()
	} else if s.added(config.Name) {
		return refuse(syscall.EEXIST)
	}
	config.Label = cmp.Or(config.Label, config.Name)
	added := &chip{sim: s, config: config}
	added.plug()
	s.chips = append(s.chips, added)
	slices.SortFunc(s.chips, inKernelOrder)
	return added.info(), nil
}

func (s *Sim) added(name string) bool {
	return slices.ContainsFunc(s.chips, func(c *chip) bool { return c.config.Name == name })
}

func (s *Sim) freeName() string {
	for n := 0; ; n++ {
		if name := fmt.Sprintf("gpiochip%d", n); !s.added(name) {
			return name
		}
	}
}

// Unplug takes a chip away, lines that are held included.
func (s *Sim) Unplug(ref string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.find("unplug", ref)
	if err != nil {
		return err
	}
	for _, l := range c.lines {
		if l.request != nil {
			l.request.lost()
		}
		l.detector.stop()
	}
	c.lines = nil
	return nil
}

// Plug brings an unplugged chip back, with the name it had and its lines as new.
// A chip that is there already is left alone.
func (s *Sim) Plug(ref string) (gpio.ChipInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	infos := make([]gpio.ChipInfo, len(s.chips))
	for i, c := range s.chips {
		infos[i] = c.info()
	}
	info, err := gpio.MatchChip(infos, ref)
	if err != nil {
		return gpio.ChipInfo{}, &gpio.OpError{Op: "plug", Chip: ref, Err: err}
	}
	if c := s.chips[slices.Index(infos, info)]; !c.live() {
		c.plug()
	}
	return info, nil
}
