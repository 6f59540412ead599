// Package gpiotest is the behavioural suite of GPIO backends: every promise in
// the documentation of package gpio, as tests. [Run] takes any backend together
// with the far side of its lines. Package sim passes it in this process and over
// its socket, package cdev on a gpio-sim chip of a real kernel.
//
// The suite asserts order and outcome, never speed: it must hold on a loaded
// machine, and on a User Mode Linux kernel with one processor and 1 ms ticks.
package gpiotest

import (
	"testing"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// Bench is a backend with one chip that was made for the test.
type Bench struct {
	Backend gpio.Backend
	// Chip is a chip of [LineCount] lines with [Names] and [Hogs], all lines
	// pulled low. Its label is unique on the machine.
	Chip gpio.ChipInfo
	// Hand is the far side of the chip.
	Hand Hand
}

// Hand is what is wired to the lines of a bench's chip. Levels are physical. Its
// methods return when the chip has taken the change.
type Hand interface {
	SetPull(offset int, high bool) error
	Level(offset int) (high bool, err error)
	// Unplug takes the chip away with all it holds.
	Unplug() error
	// Plug brings it back with the same label, possibly another name.
	Plug() error
}

// The lines of a bench's chip.
const (
	lamp  = iota // named LAMP
	door         // named DOOR
	twinA        // named TWIN
	twinB        // named TWIN as well
	plain        // without a name, like all that follow
	hog          // held by someone else
	beat         // paces the suite
	spare

	// LineCount is the number of lines of a bench's chip.
	LineCount
)

// HogConsumer is who holds the hog line.
const HogConsumer = "somebody-else"

// Names gives the line names of a bench's chip by offset.
func Names() map[int]string {
	return map[int]string{lamp: "SG-LAMP", door: "SG-DOOR", twinA: "SG-TWIN", twinB: "SG-TWIN"}
}

// Hogs gives the offsets of the lines that [HogConsumer] holds, as inputs.
func Hogs() []int { return []int{hog} }

// Run runs the suite. newBench makes a fresh chip and removes it at the end of
// the test it is given.
func Run(t *testing.T, newBench func(t *testing.T) Bench) {
	groups := []struct {
		name  string
		tests map[string]func(*testing.T, Bench)
	}{
		{"Find", findTests},
		{"Request", requestTests},
		{"Values", valueTests},
		{"Reconfigure", reconfigureTests},
		{"Events", eventTests},
		{"Close", closeTests},
		{"Gone", goneTests},
	}
	t.Run("HandOver", func(t *testing.T) {
		if !handsOver(t, newBench(t)) {
			return
		}
		for name, test := range handoverTests {
			t.Run(name, func(t *testing.T) { test(t, newBench(t)) })
		}
	})
	for _, group := range groups {
		t.Run(group.name, func(t *testing.T) {
			for name, test := range group.tests {
				t.Run(name, func(t *testing.T) { test(t, newBench(t)) })
			}
		})
	}
}
