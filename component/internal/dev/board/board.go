// Package board is the simulated chip of shadowctl dev, and the ready-made
// configurations for it and for a real chip.
package board

import (
	_ "embed"
	"fmt"

	"github.com/shadowgpio/shadowgpio/gpio/sim"
)

// Label is the label of the simulated chip.
const Label = "dev-board"

// Config is the ready-made configuration for the simulated chip.
//
//go:embed board.yaml
var Config []byte

// New makes the simulated chip, whose lines the ready-made configuration uses.
// They have the names of a Raspberry Pi's.
func New() (*sim.Sim, error) {
	names := map[int]string{}
	for offset := range 28 {
		names[offset] = fmt.Sprintf("GPIO%d", offset)
	}
	return sim.New(sim.Chip{Label: Label, Lines: 32, Names: names, Pulls: map[int]bool{27: true}})
}

// WiredConfig is the ready-made configuration for a lamp and a door contact on a
// real chip.
func WiredConfig(chip, lamp, door string) []byte {
	return fmt.Appendf(nil, `lines:
  lamp: {chip: %q, line: %q, direction: output}
  door: {chip: %q, line: %q, direction: input}
shadows:
  main:
    properties:
      lights: {line: lamp, values: {"on": on, "off": off}}
      locked: {line: door}
`, chip, lamp, chip, door)
}
