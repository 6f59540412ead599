package gpio

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Ref says where a line is, as people write it.
type Ref struct {
	Chip string // name, label or path; "" searches all chips, which needs a line name
	Line string // line name, or offset in decimal
}

func (r Ref) String() string {
	if r.Chip == "" {
		return r.Line
	}
	return r.Chip + "/" + r.Line
}

// Address is a line that was found.
type Address struct {
	Chip ChipInfo
	Line LineInfo
}

// Find looks a line up. A number is an offset only where the chip is named; a
// line whose name is a number is found by that name before the offset is tried.
// Errors are *[OpError] with [ErrNoChip], [ErrNoLine] or [ErrAmbiguous]; the
// message names what is there instead.
func Find(b Backend, ref Ref) (Address, error) {
	chips, chipsErr := b.Chips()
	candidates := chips
	if ref.Chip != "" {
		chip, err := MatchChip(chips, ref.Chip)
		if err != nil {
			return Address{}, &OpError{Op: "find", Chip: ref.Chip, Err: errors.Join(err, chipsErr)}
		}
		candidates = []ChipInfo{chip}
	}
	fail := func(err error) (Address, error) {
		return Address{}, &OpError{Op: "find", Chip: ref.Chip, Line: ref.Line, Err: err}
	}
	var found []Address
	problems := []error{chipsErr}
	for _, chip := range candidates {
		infos, err := b.LineInfos(chip.Path)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		for _, info := range infos {
			if info.Name == ref.Line && info.Name != "" {
				found = append(found, Address{chip, info})
			}
		}
		if offset, err := strconv.Atoi(ref.Line); err == nil && ref.Chip != "" && len(found) == 0 {
			if offset >= 0 && offset < len(infos) {
				return Address{chip, infos[offset]}, nil
			}
			return fail(fmt.Errorf("%w: offsets are 0 to %d", ErrNoLine, len(infos)-1))
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		if _, err := strconv.Atoi(ref.Line); err == nil {
			return fail(fmt.Errorf("%w: an offset needs a chip", ErrNoLine))
		}
		return fail(errors.Join(append([]error{ErrNoLine}, problems...)...))
	}
	places := make([]string, len(found))
	for i, a := range found {
		places[i] = fmt.Sprintf("%s offset %d", a.Chip.Name, a.Line.Offset)
	}
	return fail(fmt.Errorf("%w: it is %s; name the chip and the offset", ErrAmbiguous, strings.Join(places, " and ")))
}

// MatchChip picks the chip that ref names by path, by name or by label, in that
// order. A label that several chips have is [ErrAmbiguous].
func MatchChip(chips []ChipInfo, ref string) (ChipInfo, error) {
	for _, c := range chips {
		if c.Path == ref || c.Name == ref {
			return c, nil
		}
	}
	var found []ChipInfo
	var have []string
	for _, c := range chips {
		if c.Label == ref {
			found = append(found, c)
		}
		have = append(have, fmt.Sprintf("%s (%s)", c.Name, c.Label))
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return ChipInfo{}, fmt.Errorf("%w: %d chips have the label %q; use the name", ErrAmbiguous, len(found), ref)
	case len(have) == 0:
		return ChipInfo{}, fmt.Errorf("%w: there is no chip on this machine", ErrNoChip)
	}
	return ChipInfo{}, fmt.Errorf("%w: there are %s", ErrNoChip, strings.Join(have, ", "))
}
