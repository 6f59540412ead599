package lines

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// Setup is the configuration of a [Bank].
type Setup struct {
	Lines      map[string]config.Line      // by label
	Interlocks map[string]config.Interlock // by label
	// Uses describe the outputs that are more than a plain level of one line. Each
	// output without a Use is a plain level.
	Uses []Use
}

// Use describes an output: which lines it drives together, and which timed demands
// are its own. The zero value of the last three is a plain level.
type Use struct {
	// Lines are labels. Several lines are one claim: one kernel request, set in one
	// kernel call. Their order is the order of [Demand.Levels].
	Lines []string
	// Momentary: the output is on for pulses only. It starts off, and a later run
	// does not resume an unfinished pulse.
	Momentary bool
	Wave      Demand        // the only wave that the output makes (blink)
	Period    time.Duration // the period of the waves that the output makes (slow PWM)
}

// timedLike reports whether both uses make the same pulses and waves.
func (u Use) timedLike(other Use) bool {
	return u.Momentary == other.Momentary && u.Wave.Equal(other.Wave) && u.Period == other.Period
}

// makesWaves reports whether the output is on and off in turns.
func (u Use) makesWaves() bool { return u.Wave.IsWave() || u.Period > 0 }

// makes reports whether a wave is one of this use.
func (u Use) makes(wave Demand) bool {
	return wave.IsWave() && (wave.Equal(u.Wave) || wave.period() == u.Period)
}

// Identity names a line by its chip and line as configured, whatever its label is:
// "GPIO17", "gpiochip0/17". Two lines have the same identity only if their chip and
// line are the same: the characters "%", "+", "!", and "/" in a line name, are
// escaped as in a URL.
func Identity(line config.Line) string {
	name := lineEscapes.Replace(line.Ref.Line)
	if line.Ref.Chip == "" {
		return name
	}
	return chipEscapes.Replace(line.Ref.Chip) + "/" + name
}

var (
	chipEscapes = strings.NewReplacer("%", "%25", "+", "%2B", "!", "%21")
	lineEscapes = strings.NewReplacer("%", "%25", "+", "%2B", "!", "%21", "/", "%2F")
)

// MemoryKey names a line in a [Memory]: its identity together with its polarity. What was remembered of a line
// under the other polarity says nothing about its present on and off.
func MemoryKey(line config.Line) string {
	if line.ActiveLow {
		return "!" + Identity(line)
	}
	return Identity(line)
}

// Label is the label of an output with those lines, in the order of its [Use].
func Label(lines ...string) string { return strings.Join(lines, "+") }

// Claims are the outputs of a setup: their labels, by the keys of their claims.
func Claims(s Setup) map[string]string {
	labels := map[string]string{}
	for _, u := range newBank(s).outputOrder {
		labels[u.key] = u.label
	}
	return labels
}

// newBank makes a bank with the lines of a setup, about which nothing is known. An
// entry of the setup that contradicts an earlier one is left out: entries are taken
// in the order of their labels, the uses first.
func newBank(s Setup) *Bank {
	b := &Bank{
		outputs:      map[string]*output{},
		inputs:       map[string]*input{},
		outputClaims: map[string]*output{},
		inputClaims:  map[string]*input{},
		lines:        map[string]member{},
		identities:   map[string]member{},
	}
	taken := map[string]bool{} // identities
	uses := slices.Clone(s.Uses)
	slices.SortFunc(uses, func(a, b Use) int { return cmp.Compare(Label(a.Lines...), Label(b.Lines...)) })
	for _, use := range uses {
		b.addOutput(s, use, taken)
	}
	for _, label := range slices.Sorted(maps.Keys(s.Lines)) {
		if _, used := b.lines[label]; used {
			continue
		}
		line := s.Lines[label]
		if line.Direction != gpio.Input {
			b.addOutput(s, Use{Lines: []string{label}}, taken)
		} else if key := Identity(line); !taken[key] {
			taken[key] = true
			in := &input{claim: claim{key: key, label: label, lines: []string{label}}, cfg: line}
			b.inputs[label], b.inputClaims[key] = in, in
		}
	}
	b.outputOrder, b.inputOrder = sorted(b.outputs), sorted(b.inputs)
	for _, label := range slices.Sorted(maps.Keys(s.Interlocks)) {
		b.addInterlock(label, s.Interlocks[label])
	}
	return b
}
