package preflight

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// Line is a configured line as it was found on this machine.
type Line struct {
	Label     string         `json:"label"`
	Line      string         `json:"line"`           // as it is configured
	Direction gpio.Direction `json:"direction"`      // as it is configured
	Chip      string         `json:"chip,omitempty"` // "" if it was not found
	Offset    int            `json:"offset"`
	Now       gpio.Direction `json:"now"` // AsIs if it was not found
	HeldBy    string         `json:"heldBy,omitempty"`
	Problem   string         `json:"problem,omitempty"` // why it cannot be had
}

// ours begins the consumer of every line that this component holds.
const ours = "shadowgpio "

// Lines looks the lines of a configuration up on the chips, by their labels. No line
// is requested. The error joins that of chips which cannot be looked at.
func Lines(cfg *config.Config, backend gpio.Backend) ([]Line, error) {
	_, err := backend.Chips()
	owner := map[string]string{}
	var all []Line
	for _, label := range slices.Sorted(maps.Keys(cfg.Lines)) {
		line := find(label, cfg.Lines[label], backend)
		if line.Chip != "" {
			place := fmt.Sprintf("%s offset %d", line.Chip, line.Offset)
			if other, taken := owner[place]; taken {
				line.Problem = "it is the line of " + other
			} else {
				owner[place] = label
			}
		}
		all = append(all, line)
	}
	oneChip(cfg, all)
	return all, err
}

func find(label string, want config.Line, backend gpio.Backend) Line {
	line := Line{Label: label, Line: want.Ref.String(), Direction: want.Direction}
	found, err := gpio.Find(backend, want.Ref)
	if err != nil {
		line.Problem = err.Error()
		if e, ok := errors.AsType[*gpio.OpError](err); ok && e.Op == "find" {
			line.Problem = e.Err.Error() // the row says which line
		}
		return line
	}
	line.Chip, line.Offset, line.Now = found.Chip.Name, found.Line.Offset, found.Line.Direction
	if found.Line.Used {
		line.HeldBy = cmp.Or(found.Line.Consumer, "(unnamed)")
		if !strings.HasPrefix(line.HeldBy, ours) {
			line.Problem = fmt.Sprintf("busy, held by %q", line.HeldBy)
		}
	}
	return line
}

// oneChip finds patterns whose lines are named without their chips and lie on
// several: they cannot be set in one kernel call.
func oneChip(cfg *config.Config, all []Line) {
	at := map[string]*Line{}
	for i := range all {
		at[all[i].Label] = &all[i]
	}
	for _, s := range cfg.Shadows {
		for key, p := range s.Properties {
			if p.Kind != config.Pattern {
				continue
			}
			labels := p.Lines()
			first := at[labels[0]]
			for _, label := range labels[1:] {
				if l := at[label]; l.Problem == "" && l.Chip != "" && first.Chip != "" && l.Chip != first.Chip {
					l.Problem = fmt.Sprintf("the patterns of %s want lines of one chip, and %s is on %s", key, first.Label, first.Chip)
				}
			}
		}
	}
}

// State says in a few words what became of looking for a line.
func (l Line) State() string {
	switch {
	case l.Problem != "":
		return l.Problem
	case l.HeldBy != "":
		return "held by this component"
	case l.Now != l.Direction:
		return fmt.Sprintf("free; is an %v now", l.Now)
	}
	return "free"
}
