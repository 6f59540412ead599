package gpio

import (
	"fmt"
	"path/filepath"
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
// Errors are *[OpError] with [ErrNoChip], [ErrNoLine] or [ErrAmbiguous], and with
// the errors of chips that could not be looked at.
func Find(b Backend, ref Ref) (Address, error) {
	address, err := find(b, ref)
	if err != nil {
		return Address{}, &OpError{Op: "find", Chip: ref.Chip, Line: ref.Line, Err: err}
	}
	return address, nil
}

func find(b Backend, ref Ref) (Address, error) {
	chips, problem := b.Chips()
	if ref.Chip == "" {
		return findAnywhere(b, chips, ref.Line, problem)
	}
	chip, err := MatchChip(chips, ref.Chip)
	if err != nil {
		return Address{}, together(err, problem)
	}
	return findOn(b, chip, ref.Line)
}

func findAnywhere(b Backend, chips []ChipInfo, line string, problem error) (Address, error) {
	var found []Address
	for _, chip := range chips {
		infos, err := b.LineInfos(chip.Path)
		problem = together(problem, err)
		found = append(found, named(chip, infos, line)...)
	}
	if _, err := strconv.Atoi(line); err == nil && len(found) == 0 {
		return Address{}, together(fmt.Errorf("%w: an offset needs a chip", ErrNoLine), problem)
	}
	if len(found) == 0 {
		return Address{}, together(ErrNoLine, problem)
	}
	return only(found)
}

func findOn(b Backend, chip ChipInfo, line string) (Address, error) {
	infos, err := b.LineInfos(chip.Path)
	if err != nil {
		return Address{}, err
	}
	if found := named(chip, infos, line); len(found) > 0 {
		return only(found)
	}
	offset, err := strconv.Atoi(line)
	if err != nil {
		return Address{}, ErrNoLine
	}
	if offset < 0 || offset >= len(infos) {
		return Address{}, fmt.Errorf("%w: offsets are 0 to %d", ErrNoLine, len(infos)-1)
	}
	return Address{chip, infos[offset]}, nil
}

func named(chip ChipInfo, infos []LineInfo, name string) (found []Address) {
	for _, info := range infos {
		if info.Name == name && name != "" {
			found = append(found, Address{chip, info})
		}
	}
	return found
}

func only(found []Address) (Address, error) {
	if len(found) == 1 {
		return found[0], nil
	}
	places := make([]string, len(found))
	for i, a := range found {
		places[i] = fmt.Sprintf("%s offset %d", a.Chip.Name, a.Line.Offset)
	}
	return Address{}, fmt.Errorf("%w: it is %s; name the chip and the offset", ErrAmbiguous, strings.Join(places, " and "))
}

// together is err with what may be its reason; either may be nil.
func together(err, reason error) error {
	switch {
	case err == nil:
		return reason
	case reason == nil:
		return err
	}
	return fmt.Errorf("%w; %w", err, reason)
}

// MatchChip picks the chip that ref names by path, by name or by label, in that
// order. An absolute path may be a symbolic link to that of a chip. A label that
// several chips have is [ErrAmbiguous].
func MatchChip(chips []ChipInfo, ref string) (ChipInfo, error) {
	path := ref
	if filepath.IsAbs(ref) {
		if target, err := filepath.EvalSymlinks(ref); err == nil {
			path = target
		}
	}
	for _, c := range chips {
		if c.Path == ref || c.Path == path || c.Name == ref {
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
