package gpiotest

import (
	"slices"
	"strconv"
	"testing"

	"github.com/shadowgpio/shadowgpio/gpio"
)

var findTests = map[string]func(*testing.T, Bench){
	"chips":   testChips,
	"lines":   testLines,
	"found":   testFound,
	"missing": testMissing,
}

func testChips(t *testing.T, b Bench) {
	chips, err := b.Backend.Chips()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(chips, b.Chip) {
		t.Errorf("got chips %+v, want %+v among them", chips, b.Chip)
	}
	if b.Chip.Lines != LineCount || b.Chip.Name == "" || b.Chip.Path == "" || b.Chip.Label == "" {
		t.Errorf("incomplete chip %+v", b.Chip)
	}
}

func testLines(t *testing.T, b Bench) {
	for _, ref := range []string{b.Chip.Name, b.Chip.Path, b.Chip.Label} {
		infos, err := b.Backend.LineInfos(ref)
		if err != nil {
			t.Fatalf("lines of %s: %v", ref, err)
		}
		var want []gpio.LineInfo
		for offset := range LineCount {
			info := gpio.LineInfo{Offset: offset, Name: Names()[offset], Direction: gpio.Input}
			if slices.Contains(Hogs(), offset) {
				info.Used, info.Consumer = true, HogConsumer
			}
			want = append(want, info)
		}
		if !slices.Equal(infos, want) {
			t.Errorf("lines of %s: got %+v, want %+v", ref, infos, want)
		}
	}
	_, err := b.Backend.LineInfos("no-such-chip")
	do{t, b}.is(err, gpio.ErrNoChip)
}

func testFound(t *testing.T, b Bench) {
	for name, c := range map[string]struct {
		ref  gpio.Ref
		want int
	}{
		"name over all chips":      {gpio.Ref{Line: "SG-DOOR"}, door},
		"name on a chip":           {gpio.Ref{Chip: b.Chip.Name, Line: "SG-DOOR"}, door},
		"name on a label":          {gpio.Ref{Chip: b.Chip.Label, Line: "SG-LAMP"}, lamp},
		"offset on a path":         {gpio.Ref{Chip: b.Chip.Path, Line: strconv.Itoa(plain)}, plain},
		"offset of a named line":   {gpio.Ref{Chip: b.Chip.Label, Line: strconv.Itoa(twinB)}, twinB},
		"offset of the last line":  {gpio.Ref{Chip: b.Chip.Name, Line: strconv.Itoa(LineCount - 1)}, LineCount - 1},
		"a line that someone else": {gpio.Ref{Chip: b.Chip.Name, Line: strconv.Itoa(hog)}, hog},
	} {
		found, err := gpio.Find(b.Backend, c.ref)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if found.Chip != b.Chip || found.Line.Offset != c.want {
			t.Errorf("%s: got %+v, want offset %d", name, found, c.want)
		}
	}
}

func testMissing(t *testing.T, b Bench) {
	for name, c := range map[string]struct {
		ref  gpio.Ref
		want error
	}{
		"two lines have it":        {gpio.Ref{Line: "SG-TWIN"}, gpio.ErrAmbiguous},
		"two lines of the chip":    {gpio.Ref{Chip: b.Chip.Name, Line: "SG-TWIN"}, gpio.ErrAmbiguous},
		"no line has it":           {gpio.Ref{Line: "SG-NOTHING"}, gpio.ErrNoLine},
		"no line of the chip":      {gpio.Ref{Chip: b.Chip.Label, Line: "SG-NOTHING"}, gpio.ErrNoLine},
		"offset without a chip":    {gpio.Ref{Line: "0"}, gpio.ErrNoLine},
		"offset too large":         {gpio.Ref{Chip: b.Chip.Name, Line: strconv.Itoa(LineCount)}, gpio.ErrNoLine},
		"negative offset":          {gpio.Ref{Chip: b.Chip.Name, Line: "-1"}, gpio.ErrNoLine},
		"no chip of that name":     {gpio.Ref{Chip: "no-such-chip", Line: "0"}, gpio.ErrNoChip},
		"no chip with that path":   {gpio.Ref{Chip: "/dev/gpiochip9999", Line: "0"}, gpio.ErrNoChip},
		"an empty name is no name": {gpio.Ref{Chip: b.Chip.Name}, gpio.ErrNoLine},
	} {
		_, err := gpio.Find(b.Backend, c.ref)
		if err == nil {
			t.Errorf("%s: was found", name)
			continue
		}
		do{t, b}.is(err, c.want)
	}
}
