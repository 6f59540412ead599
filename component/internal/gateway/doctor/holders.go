package doctor

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// lineOwner is a process that holds a line.
type lineOwner struct {
	pid     int
	program string
	unit    string // of systemd, "" outside of one
	sure    bool   // the kernel says of which lines its request is
}

func (o lineOwner) String() string {
	if o.unit != "" {
		return fmt.Sprintf("process %d (%s, unit %s)", o.pid, o.program, o.unit)
	}
	return fmt.Sprintf("process %d (%s)", o.pid, o.program)
}

// holders finds the processes that have a line requested. complete says whether
// the descriptors of all processes could be read. Where the kernel does not say of which
// lines a request is, all who have any are candidates
// (torvalds/linux drivers/gpio/gpiolib-cdev.c, linereq_show_fdinfo).
func (x *examination) holders(chip string, offset int) (owners []lineOwner, complete bool) {
	complete = true
	for _, pid := range x.pids() {
		links, readable := x.requests(pid)
		complete = complete && readable
		if len(links) == 0 {
			continue
		}
		match, told := x.ofLine(pid, links, chip, offset)
		if !match {
			continue
		}
		owners = append(owners, x.lineOwner(pid, told))
	}
	if slices.ContainsFunc(owners, func(o lineOwner) bool { return o.sure }) {
		owners = slices.DeleteFunc(owners, func(o lineOwner) bool { return !o.sure })
	}
	return owners, complete
}

// requests are the descriptors of a process that are requests of lines.
func (x *examination) requests(pid int) (fds []string, readable bool) {
	if len(x.args(pid)) == 0 { // a kernel thread, or it is gone
		return nil, true
	}
	all := x.list(proc(pid, "fd"))
	for _, fd := range all {
		if target, _ := x.link(proc(pid, "fd/"+fd)); strings.HasPrefix(target, "anon_inode:") && strings.Contains(target, "gpio-") {
			fds = append(fds, fd)
		}
	}
	return fds, len(all) > 0
}

// ofLine says whether one of the requests may be of a line, and whether the kernel
// told.
func (x *examination) ofLine(pid int, fds []string, chip string, offset int) (match, told bool) {
	for _, fd := range fds {
		text, _ := x.read(proc(pid, "fdinfo/"+fd))
		onChip, lines := parseRequest(string(text))
		switch {
		case onChip == "":
			match = true
		case onChip == chip && slices.Contains(lines, offset):
			return true, true
		}
	}
	return match, false
}

// parseRequest reads what the kernel tells of a request; chip is "" if it is nothing.
func parseRequest(text string) (chip string, offsets []int) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		switch key {
		case "gpio-chip":
			chip = strings.TrimSpace(value)
		case "gpio-line":
			offsets = append(offsets, numbers(value)...)
		}
	}
	return chip, offsets
}

func (x *examination) lineOwner(pid int, sure bool) lineOwner {
	o := lineOwner{pid: pid, sure: sure}
	if args := x.args(pid); len(args) > 0 {
		o.program = path.Base(args[0])
	}
	text, _ := x.read(proc(pid, "cgroup"))
	for line := range strings.Lines(string(text)) {
		if unit := path.Base(strings.TrimSpace(line)); strings.HasSuffix(unit, ".service") {
			o.unit = unit
		}
	}
	return o
}
