package preflight

import (
	"errors"
	"strings"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
)

func TestLines(t *testing.T) {
	board, err := sim.New(
		sim.Chip{Label: "soc", Lines: 6, Names: map[int]string{1: "LAMP", 2: "TWIN", 3: "BUTTON", 4: "LOW"}, Hogs: map[int]sim.Hog{3: {Consumer: "power-button"}}},
		sim.Chip{Label: "expander", Lines: 2, Names: map[int]string{0: "TWIN", 1: "HIGH"}},
	)
	if err != nil {
		t.Fatal(err)
	}
	held, err := board.Request("soc", "shadowgpio door", []gpio.LineConfig{{Offset: 0, Direction: gpio.Input}})
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	cfg, err := config.Parse([]byte(`
lines:
  a-lamp:    {line: LAMP, direction: output}
  b-twin:    {line: TWIN, direction: input}
  c-one:     {line: TWIN, chip: expander, direction: input}
  d-button:  {line: BUTTON, direction: input}
  e-nothing: {line: NOTHING, direction: input}
  f-far:     {line: 9, chip: soc, direction: input}
  g-chip:    {line: 0, chip: gpiochip7, direction: input}
  h-door:    {line: 0, chip: soc, direction: input}
  i-again:   {line: 1, chip: soc, direction: output}
  j-low:     {line: LOW, direction: output}
  k-high:    {line: HIGH, direction: output}
shadows:
  main: {properties: {fan: {patterns: {stop: {j-low: off, k-high: off}, go: {j-low: on, k-high: off}}}}}
`), "gw")
	if err != nil {
		t.Fatal(err)
	}
	lines, err := Lines(cfg, board)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		chip    string
		offset  int
		state   string // part
		problem bool
	}{
		{"gpiochip0", 1, "free; is an input now", false},
		{"", 0, "ambiguous: it is gpiochip0 offset 2 and gpiochip1 offset 0", true},
		{"gpiochip1", 0, "free", false},
		{"gpiochip0", 3, `busy, held by "power-button"`, true},
		{"", 0, "no such line", true},
		{"", 0, "offsets are 0 to 5", true},
		{"", 0, "no such chip: there are gpiochip0 (soc), gpiochip1 (expander)", true},
		{"gpiochip0", 0, "held by this component", false},
		{"gpiochip0", 1, "it is the line of a-lamp", true},
		{"gpiochip0", 4, "free; is an input now", false},
		{"gpiochip1", 1, "the patterns of fan want lines of one chip, and j-low is on gpiochip0", true},
	} {
		got := lines[i]
		if got.Chip != want.chip || got.Offset != want.offset || !strings.Contains(got.State(), want.state) || (got.Problem != "") != want.problem {
			t.Errorf("%s is %+v, %q, want %+v", got.Label, got, got.State(), want)
		}
	}
	// Nobody but who held it before holds anything.
	infos, err := board.LineInfos("soc")
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		if info.Used && info.Offset != 0 && info.Offset != 3 {
			t.Errorf("offset %d is held by %q", info.Offset, info.Consumer)
		}
	}
}

// denied is a machine whose chips cannot be opened.
type denied struct{ gpio.Backend }

func (denied) Chips() ([]gpio.ChipInfo, error) {
	return nil, &gpio.OpError{Op: "open", Chip: "gpiochip0", Err: gpio.ErrPermission}
}

func TestLinesOfChipsThatCannotBeOpened(t *testing.T) {
	cfg, err := config.Parse([]byte("lines: {lamp: {line: LAMP, direction: output}}"), "gw")
	if err != nil {
		t.Fatal(err)
	}
	lines, err := Lines(cfg, denied{})
	if !errors.Is(err, gpio.ErrPermission) || len(lines) != 1 || !strings.Contains(lines[0].Problem, "permission denied") {
		t.Errorf("got %+v, %v", lines, err)
	}
}
