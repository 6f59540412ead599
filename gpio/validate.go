package gpio

import (
	"fmt"
	"math"
	"strconv"
	"syscall"
	"time"
)

// Limits of one request (torvalds/linux include/uapi/linux/gpio.h).
const (
	maxLines      = 64 // GPIO_V2_LINES_MAX
	maxAttributes = 10 // GPIO_V2_LINE_NUM_ATTRS_MAX
	maxDebounce   = math.MaxUint32 * time.Microsecond
)

// Validate says in words what the kernel refuses with a bare EINVAL about the
// configuration of one request, whatever the chip
// (torvalds/linux drivers/gpio/gpiolib-cdev.c, gpio_v2_line_config_validate).
// The error is an *[OpError] and syscall.EINVAL. Both backends call it before
// they touch a line; who reads a configuration may call it earlier.
func Validate(lines []LineConfig) error {
	if len(lines) == 0 || len(lines) > maxLines {
		return invalid("", "a request takes 1 to %d lines, not %d", maxLines, len(lines))
	}
	for _, line := range lines {
		if fault := line.fault(); fault != "" {
			return invalid(strconv.Itoa(line.Offset), "%s", fault)
		}
	}
	if n := attributes(lines); n > maxAttributes {
		return invalid("", "the lines differ too much for one request: %d attributes, at most %d", n, maxAttributes)
	}
	return nil
}

func invalid(line, format string, args ...any) error {
	return &OpError{Op: "request", Line: line, Err: fmt.Errorf(format+": %w", append(args, syscall.EINVAL)...)}
}

func (c LineConfig) fault() string {
	switch {
	case c.Direction > Output:
		return "unknown direction " + c.Direction.String()
	case c.Bias > BiasPullDown:
		return "unknown bias " + c.Bias.String()
	case c.Drive > OpenSource:
		return "unknown drive " + c.Drive.String()
	case c.Edges > BothEdges:
		return "unknown edges " + c.Edges.String()
	case c.Edges != NoEdges && c.Direction != Input:
		return fmt.Sprintf("edges need direction input, not %s", c.Direction)
	case c.Debounce != 0 && c.Direction != Input:
		return fmt.Sprintf("debounce needs direction input, not %s", c.Direction)
	case c.Drive != PushPull && c.Direction != Output:
		return fmt.Sprintf("drive %s needs direction output, not %s", c.Drive, c.Direction)
	case c.Bias != BiasAsIs && c.Direction == AsIs:
		return fmt.Sprintf("bias %s needs a direction", c.Bias)
	case c.Debounce < 0 || c.Debounce > maxDebounce:
		return fmt.Sprintf("debounce is 0 to %s, not %s", maxDebounce, c.Debounce)
	case c.Debounce%time.Microsecond != 0:
		return fmt.Sprintf("debounce is in whole microseconds, not %s", c.Debounce)
	}
	return ""
}

// attributes counts the attributes the kernel needs beside the flags that most
// lines share: one for each other set of flags, one for each debounce period,
// and one for the values of the outputs.
func attributes(lines []LineConfig) int {
	flags := map[LineConfig]bool{}
	periods := map[time.Duration]bool{}
	values := 0
	for _, c := range lines {
		if c.Debounce != 0 {
			periods[c.Debounce] = true
		}
		if c.Direction == Output {
			values = 1
		}
		c.Offset, c.Value, c.Debounce = 0, false, 0
		flags[c] = true
	}
	return len(flags) - 1 + len(periods) + values
}
