package gpio_test

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// TestValidate is about the words and the limits; that the verdicts are those of
// the kernel is a test of package cdev.
func TestValidate(t *testing.T) {
	input := gpio.LineConfig{Offset: 7, Direction: gpio.Input}
	with := func(change func(*gpio.LineConfig)) []gpio.LineConfig {
		c := input
		change(&c)
		return []gpio.LineConfig{c}
	}
	for _, c := range []struct {
		name  string
		lines []gpio.LineConfig
		says  string // "" for valid
	}{
		{"nothing", nil, "1 to 64 lines, not 0"},
		{"most lines", make([]gpio.LineConfig, 64), ""},
		{"too many lines", make([]gpio.LineConfig, 65), "1 to 64 lines, not 65"},
		{"longest debounce", with(func(c *gpio.LineConfig) { c.Debounce = 4294967295 * time.Microsecond }), ""},
		{"debounce too long", with(func(c *gpio.LineConfig) { c.Debounce = 4294967296 * time.Microsecond }), "line 7: debounce is 0 to 1h11m34.967295s"},
		{"negative debounce", with(func(c *gpio.LineConfig) { c.Debounce = -1 }), "line 7: debounce is 0 to"},
		{"fine debounce", with(func(c *gpio.LineConfig) { c.Debounce = 1001 }), "whole microseconds"},
		{"drive", with(func(c *gpio.LineConfig) { c.Drive = gpio.OpenDrain }), "line 7: drive open-drain needs direction output, not input"},
		{"value of an input", with(func(c *gpio.LineConfig) { c.Value = true }), ""},
		{"bias as is", with(func(c *gpio.LineConfig) { c.Direction, c.Bias = gpio.AsIs, gpio.BiasPullUp }), "line 7: bias pull-up needs a direction"},
		{"second line", []gpio.LineConfig{input, {Offset: 9, Edges: gpio.BothEdges}}, "line 9: edges need direction input, not as-is"},
		{"ten kinds", kinds(10), ""},
		{"eleven kinds", kinds(11), "11 attributes, at most 10"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := gpio.Validate(c.lines)
			if c.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, syscall.EINVAL) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want one that says %q", err, c.says)
			}
		})
	}
}

// kinds are lines that need n attributes: one for each debounce period.
func kinds(n int) (lines []gpio.LineConfig) {
	for i := range n {
		lines = append(lines, gpio.LineConfig{Offset: i, Direction: gpio.Input, Debounce: time.Duration(i+1) * time.Millisecond})
	}
	return lines
}
