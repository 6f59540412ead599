package gpio_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// board is a backend of chips with line names.
type board struct {
	chips    []gpio.ChipInfo
	names    map[string][]string // by chip path
	chipsErr error
}

func (b board) Chips() ([]gpio.ChipInfo, error) { return b.chips, b.chipsErr }

func (b board) LineInfos(chip string) ([]gpio.LineInfo, error) {
	names, ok := b.names[chip]
	if !ok {
		return nil, &gpio.OpError{Op: "list", Chip: chip, Err: syscall.ENODEV}
	}
	var infos []gpio.LineInfo
	for offset, name := range names {
		infos = append(infos, gpio.LineInfo{Offset: offset, Name: name})
	}
	return infos, nil
}

func (board) Request(string, string, []gpio.LineConfig) (gpio.Lines, error) {
	return nil, errors.ErrUnsupported
}

func chip(n int, label string) gpio.ChipInfo {
	name := fmt.Sprintf("gpiochip%d", n)
	return gpio.ChipInfo{Name: name, Path: "/dev/" + name, Label: label}
}

func twoChips() board {
	return board{
		chips: []gpio.ChipInfo{chip(0, "soc"), chip(1, "expander"), chip(2, "expander")},
		names: map[string][]string{
			"/dev/gpiochip0": {"", "LAMP", "1", "TWIN", "PAIR", "PAIR"},
			"/dev/gpiochip1": {"DOOR", "TWIN"},
			"/dev/gpiochip2": {"", ""},
		},
	}
}

func TestFind(t *testing.T) {
	for _, c := range []struct {
		name   string
		ref    gpio.Ref
		chip   string
		offset int
		err    error
		says   string // part of the error's text
	}{
		{name: "a name over all chips", ref: gpio.Ref{Line: "DOOR"}, chip: "gpiochip1", offset: 0},
		{name: "a name that is twice, with its chip", ref: gpio.Ref{Chip: "gpiochip1", Line: "TWIN"}, chip: "gpiochip1", offset: 1},
		{name: "an offset", ref: gpio.Ref{Chip: "/dev/gpiochip2", Line: "1"}, chip: "gpiochip2", offset: 1},
		{name: "an offset by label", ref: gpio.Ref{Chip: "soc", Line: "0"}, chip: "gpiochip0", offset: 0},
		{name: "a name that is a number goes before the offset", ref: gpio.Ref{Chip: "soc", Line: "1"}, chip: "gpiochip0", offset: 2},
		{name: "a name that is a number needs no chip", ref: gpio.Ref{Line: "1"}, chip: "gpiochip0", offset: 2},
		{name: "two chips have the name", ref: gpio.Ref{Line: "TWIN"}, err: gpio.ErrAmbiguous, says: "gpiochip0 offset 3 and gpiochip1 offset 1"},
		{name: "one chip has the name twice", ref: gpio.Ref{Chip: "soc", Line: "PAIR"}, err: gpio.ErrAmbiguous, says: "offset 4"},
		{name: "two chips have the label", ref: gpio.Ref{Chip: "expander", Line: "0"}, err: gpio.ErrAmbiguous, says: "2 chips"},
		{name: "no such name", ref: gpio.Ref{Line: "NOPE"}, err: gpio.ErrNoLine, says: "NOPE"},
		{name: "no such chip", ref: gpio.Ref{Chip: "nope", Line: "0"}, err: gpio.ErrNoChip, says: "gpiochip0 (soc)"},
		{name: "offset too large", ref: gpio.Ref{Chip: "gpiochip1", Line: "2"}, err: gpio.ErrNoLine, says: "0 to 1"},
		{name: "offset below zero", ref: gpio.Ref{Chip: "gpiochip1", Line: "-1"}, err: gpio.ErrNoLine, says: "0 to 1"},
		{name: "offset without a chip", ref: gpio.Ref{Line: "7"}, err: gpio.ErrNoLine, says: "needs a chip"},
		{name: "unnamed lines have no name", ref: gpio.Ref{Chip: "gpiochip2"}, err: gpio.ErrNoLine},
	} {
		t.Run(c.name, func(t *testing.T) {
			found, err := gpio.Find(twoChips(), c.ref)
			if c.err == nil {
				if err != nil || found.Chip.Name != c.chip || found.Line.Offset != c.offset {
					t.Errorf("got %s offset %d, %v", found.Chip.Name, found.Line.Offset, err)
				}
				return
			}
			var opErr *gpio.OpError
			if !errors.Is(err, c.err) || !errors.As(err, &opErr) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %v that says %q", err, c.err, c.says)
			}
		})
	}
}

// A chip may be named by a link to its device.
func TestMatchChipFollowsLinks(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(in("gpiochip7"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"relays": "gpiochip7", "again": "relays", "dangling": "nothing"} {
		if err := os.Symlink(target, in(link)); err != nil {
			t.Fatal(err)
		}
	}
	chips := []gpio.ChipInfo{chip(0, "soc"), {Name: "gpiochip7", Path: in("gpiochip7"), Label: "expander"}}
	for _, ref := range []string{in("relays"), in("again"), in("gpiochip7"), dir + "//relays"} {
		if got, err := gpio.MatchChip(chips, ref); err != nil || got != chips[1] {
			t.Errorf("%s: got %v, %v", ref, got, err)
		}
	}
	t.Chdir(dir)
	for _, ref := range []string{in("dangling"), in("missing"), "relays", "./relays"} {
		if got, err := gpio.MatchChip(chips, ref); !errors.Is(err, gpio.ErrNoChip) {
			t.Errorf("%s: got %v, %v", ref, got, err)
		}
	}
}

// A line that cannot be found may be on a chip that cannot be opened.
func TestFindSaysWhatItCouldNotSee(t *testing.T) {
	b := twoChips()
	b.chipsErr = &gpio.OpError{Op: "open", Chip: "/dev/gpiochip3", Err: syscall.EACCES}
	delete(b.names, "/dev/gpiochip1")
	for _, ref := range []gpio.Ref{{Line: "DOOR"}, {Chip: "gpiochip3", Line: "0"}} {
		_, err := gpio.Find(b, ref)
		if !errors.Is(err, gpio.ErrPermission) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: got %q", ref, err)
		}
	}
	if _, err := gpio.Find(b, gpio.Ref{Line: "DOOR"}); !errors.Is(err, gpio.ErrGone) || !errors.Is(err, gpio.ErrNoLine) {
		t.Errorf("got %v", err)
	}
	if _, err := gpio.Find(b, gpio.Ref{Line: "LAMP"}); err != nil {
		t.Errorf("a line that was found: %v", err)
	}
	if _, err := gpio.Find(board{}, gpio.Ref{Chip: "gpiochip0", Line: "0"}); !errors.Is(err, gpio.ErrNoChip) {
		t.Errorf("no chips: got %v", err)
	}
}

func TestRefString(t *testing.T) {
	for want, ref := range map[string]gpio.Ref{"LAMP": {Line: "LAMP"}, "soc/17": {Chip: "soc", Line: "17"}} {
		if got := ref.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
