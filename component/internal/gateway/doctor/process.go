package doctor

import (
	"bytes"
	"path"
	"slices"
	"strconv"
	"strings"
)

// process is a running process, as far as /proc shows it to us.
type process struct {
	pid    int
	args   []string
	dir    string            // its working directory; "" when not shown
	env    map[string]string // nil when not shown
	uid    int
	groups []int  // all that are in force
	start  uint64 // in clock ticks since boot
}

// copies are the processes that run the component, the elder first. self is how the
// program is started as shadowgpio, nil for the usual.
func (m Machine) copies(self []string) (found []process) {
	for _, pid := range m.pids() {
		args := m.args(pid)
		if isRun(args, self) {
			found = append(found, m.process(pid, args))
		}
	}
	slices.SortStableFunc(found, func(a, b process) int { return int(int64(a.start) - int64(b.start)) })
	return found
}

// isRun says whether a command line is that of the component's run command.
func isRun(args, self []string) bool {
	if len(args) == 0 {
		return false
	}
	if self == nil {
		return strings.HasPrefix(path.Base(args[0]), "shadowgpio") && len(args) > 1 && args[1] == "run"
	}
	n := len(self)
	return len(args) >= n && path.Base(args[0]) == path.Base(self[0]) && slices.Equal(args[1:n], self[1:]) &&
		(len(args) == n || args[n] == "run")
}

func (m Machine) pids() (pids []int) {
	for _, entry := range m.list("/proc") {
		if pid, err := strconv.Atoi(entry); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// proc is a path below /proc/PID.
func proc(pid int, rest string) string { return "/proc/" + strconv.Itoa(pid) + "/" + rest }

func (m Machine) args(pid int) []string {
	text, _ := m.read(proc(pid, "cmdline"))
	if len(text) == 0 { // a kernel thread, or it is gone
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
}

func (m Machine) process(pid int, args []string) process {
	p := process{pid: pid, args: args, uid: -1}
	p.dir, _ = m.link(proc(pid, "cwd"))
	if text, err := m.read(proc(pid, "environ")); err == nil && len(text) > 0 {
		p.env = map[string]string{}
		for variable := range bytes.SplitSeq(text, []byte{0}) {
			key, value, _ := strings.Cut(string(variable), "=")
			p.env[key] = value
		}
	}
	p.readStatus(m)
	p.start = m.started(pid)
	return p
}

// readStatus takes the effective user and the groups.
func (p *process) readStatus(m Machine) {
	text, _ := m.read(proc(p.pid, "status"))
	for line := range strings.Lines(string(text)) {
		key, rest, _ := strings.Cut(line, ":")
		numbers := numbers(rest)
		switch {
		case key == "Uid" && len(numbers) > 1:
			p.uid = numbers[1]
		case key == "Gid" && len(numbers) > 1:
			p.groups = append(p.groups, numbers[1])
		case key == "Groups":
			p.groups = append(p.groups, numbers...)
		}
	}
}

func numbers(text string) (all []int) {
	for field := range strings.FieldsSeq(text) {
		if n, err := strconv.Atoi(field); err == nil {
			all = append(all, n)
		}
	}
	return all
}

// started is when a process began; 0 when not shown. The name before the numbers is
// in parentheses and may hold anything.
func (m Machine) started(pid int) uint64 {
	text, _ := m.read(proc(pid, "stat"))
	_, rest, _ := strings.Cut(string(text[bytes.LastIndexByte(text, ')')+1:]), " ")
	fields := strings.Fields(rest)
	const startTime = 19 // field 22 of proc(5), counted from the state, field 3
	if len(fields) <= startTime {
		return 0
	}
	ticks, _ := strconv.ParseUint(fields[startTime], 10, 64)
	return ticks
}

// configFile is what run was given with --config, "" if it was not.
func (p process) configFile() string {
	for i, arg := range p.args {
		flag, value, inline := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if !strings.HasPrefix(arg, "-") || flag != "config" {
			continue
		}
		if !inline && i+1 < len(p.args) {
			value = p.args[i+1]
		}
		return p.at(value)
	}
	return ""
}

// at is a path as the process sees it.
func (p process) at(file string) string {
	switch {
	case file == "":
		return ""
	case path.IsAbs(file):
		return path.Clean(file)
	}
	return path.Join(p.dir, file)
}
