package ctl

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
)

// boardLabel is the label of the simulated chip.
const boardLabel = "dev-board"

// boardConfig is the ready-made configuration for the simulated chip.
//
//go:embed board.yaml
var boardConfig []byte

// newBoard is the simulated chip, whose lines the ready-made configuration uses.
// They have the names of a Raspberry Pi's.
func newBoard() (*sim.Sim, error) {
	names := map[int]string{}
	for offset := range 28 {
		names[offset] = fmt.Sprintf("GPIO%d", offset)
	}
	return sim.New(sim.Chip{Label: boardLabel, Lines: 32, Names: names, Pulls: map[int]bool{27: true}})
}

// readConfig reads the component configuration of this place.
func (p place) readConfig(thingName string) (*config.Config, error) {
	_, cfg, err := readConfig(p.config(), thingName)
	return cfg, err
}

func readConfig(file, thingName string) (text []byte, cfg *config.Config, err error) {
	if text, err = os.ReadFile(file); err != nil {
		return nil, nil, err
	}
	if cfg, err = config.Parse(text, thingName); err != nil {
		return nil, nil, fmt.Errorf("%s:\n%w", file, err)
	}
	return text, cfg, nil
}

// prepareConfig puts the configuration in place: that of file, if it is valid, or the
// ready-made one where there is none yet.
func (p place) prepareConfig(file, thingName string, ready []byte) error {
	if file != "" {
		text, _, err := readConfig(file, thingName)
		if err != nil {
			return err
		}
		return os.WriteFile(p.config(), text, 0o600)
	}
	f, err := os.OpenFile(p.config(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.Write(ready)
	return errors.Join(err, f.Close())
}

// wiredConfig is the ready-made configuration for a lamp and a door contact on a
// real chip.
func wiredConfig(chip, lamp, door string) []byte {
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
