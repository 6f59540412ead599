package holder

import (
	"fmt"
	"os"
	"slices"
	"syscall"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// Held is a request that a holder has handed over. It is adopted or closed.
type Held struct {
	Request
	Orders []Order // those that are not carried out yet

	file *os.File
}

// Close gives the request up on our side. The holder has it until [Client.Release].
func (h Held) Close() { h.file.Close() }

// Adopt goes on with the request, which must be of the lines that are wanted, of
// the chip with that name and label. They are configured as wanted, all outputs,
// while their physical level stays: the wanted values are not looked at. After an
// error the request is closed on our side.
func (h Held) Adopt(backend gpio.Backend, chip gpio.ChipInfo, want []gpio.LineConfig) (gpio.Lines, error) {
	if err := h.fits(chip, want); err != nil {
		h.Close()
		return nil, err
	}
	adopter, ok := backend.(gpio.Adopter)
	if !ok {
		h.Close()
		return nil, &gpio.OpError{Op: "adopt", Chip: chip.Name, Err: gpio.ErrUnsupported}
	}
	lines, err := adopter.Adopt(h.file, chip.Path, h.Consumer, h.Offsets)
	if err != nil {
		return nil, err
	}
	if err := configure(backend, chip, lines, want); err != nil {
		lines.Close()
		return nil, err
	}
	return lines, nil
}

func (h Held) fits(chip gpio.ChipInfo, want []gpio.LineConfig) error {
	offsets := make([]int, len(want))
	for i, line := range want {
		offsets[i] = line.Offset
	}
	if h.Chip.Name == chip.Name && h.Chip.Label == chip.Label && slices.Equal(h.Offsets, offsets) {
		return nil
	}
	return &gpio.OpError{Op: "adopt", Chip: chip.Name, Err: fmt.Errorf("want lines %v of %s, got lines %v of %s (%s): %w",
		offsets, chip.Label, h.Offsets, h.Chip.Name, h.Chip.Label, syscall.EINVAL)}
}

// configure makes lines what is wanted, unless they are.
func configure(backend gpio.Backend, chip gpio.ChipInfo, lines gpio.Lines, want []gpio.LineConfig) error {
	infos, err := backend.LineInfos(chip.Path)
	if err != nil {
		return err
	}
	values, err := lines.Values()
	if err != nil {
		return err
	}
	want = slices.Clone(want)
	same := true
	for i := range want {
		w, is := &want[i], infos[want[i].Offset]
		same = same && w.Direction == is.Direction && w.ActiveLow == is.ActiveLow && w.Drive == is.Drive && w.Bias == is.Bias
		w.Value = values[i] != (w.ActiveLow != is.ActiveLow)
	}
	if same {
		return nil
	}
	return lines.Reconfigure(want)
}
