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
	// Uses describe the outputs other than a plain level of one line. Each output
	// without a Use is a plain level.
	Uses []Use
}

// Use describes an output: its lines, and the timed demands it may get. Without
// Momentary, Wave and Period the output is a plain level.
type Use struct {
	// Lines are labels. Several lines are one claim: the kernel requests them together
	// and sets them in one call. [Demand.Levels] have this order.
	Lines []string
	// Momentary outputs are on for pulses only. They start off, and a later run does
	// not resume an unfinished pulse.
	Momentary bool
	Wave      Demand        // the only wave of the output (blink)
	Period    time.Duration // the period of all waves of the output (slow PWM)
}

// sameTiming reports whether both uses allow the same pulses and waves.
func (u Use) sameTiming(other Use) bool {
	return u.Momentary == other.Momentary && u.Wave.Equal(other.Wave) && u.Period == other.Period
}

// makesWaves reports whether the output alternates.
func (u Use) makesWaves() bool { return u.Wave.IsWave() || u.Period > 0 }

// makesWave reports whether the use allows a wave.
func (u Use) makesWave(wave Demand) bool {
	return wave.IsWave() && (wave.Equal(u.Wave) || wave.period() == u.Period)
}

// Identity names a line by its chip and line as configured, such as "GPIO17" or
// "gpiochip0/17". The label does not matter. Different chips or lines have different
// identities: "%", "+" and "!", and "/" in the name of a line, are escaped as in a URL.
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

// MemoryKey is the key of a line in [Memory]: on and off that were saved under the
// other polarity have the opposite meaning now.
func MemoryKey(line config.Line) string {
	if line.ActiveLow {
		return "!" + Identity(line)
	}
	return Identity(line)
}

// Label is the label of an output with these lines, given in the order of its [Use].
func Label(lines ...string) string { return strings.Join(lines, "+") }

// Claims are the labels of the outputs of a setup, by claim.
func Claims(s Setup) map[string]string {
	labels := map[string]string{}
	for _, u := range newBank(s).outputOrder {
		labels[u.key] = u.label
	}
	return labels
}

// newBank makes a bank with the lines of a setup and no state. It takes the uses first,
// then the other lines, in the order of their labels, and skips each entry that
// contradicts an earlier one.
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
