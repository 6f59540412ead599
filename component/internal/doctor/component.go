package doctor

import (
	"cmp"
	"fmt"
	"path"
	"strconv"
)

// component finds the running component, and where and as whom it works.
func (x *examination) component() {
	ownDir := x.Cwd
	x.copied = x.copies(x.Self)
	if len(x.copied) > 0 {
		// The elder one may be left over from a nucleus that is gone.
		x.running = &x.copied[len(x.copied)-1]
	}
	dir := cmp.Or(x.Dir, x.runningDir(), x.defaultDir())
	x.Dir = (process{dir: ownDir}).at(dir)
	x.file = (process{dir: ownDir}).at(x.Config)
	if base := path.Base(x.workDir()); base != "." && path.Base(path.Dir(x.workDir())) == "work" {
		x.name = base
	}
	x.identify()
	x.presence()
	if len(x.copied) > 1 {
		x.twoCopies()
	}
	if x.running != nil && x.file == "" {
		x.file = x.running.configFile()
	}
}

func (x *examination) runningDir() string {
	if x.running == nil {
		return ""
	}
	return x.running.dir
}

// defaultDir is the component's work directory in Greengrass, or the present one
// where this process was given what a component is given.
func (x *examination) defaultDir() string {
	if x.Getenv("SVCUID") != "" {
		return x.Cwd
	}
	return path.Join(x.Root, "work", ComponentName)
}

// identify says whom the component runs as, with the groups in force.
func (x *examination) identify() {
	var known bool
	switch {
	case x.running != nil && x.running.uid >= 0:
		x.who, known = x.user(strconv.Itoa(x.running.uid))
		x.who.uid, x.groups = x.running.uid, x.running.groups
	case x.User != "":
		if x.who, known = x.user(x.User); !known {
			x.report("user", UserUnknown, fmt.Sprintf("there is no user %q", x.User), "the user that components run as, usually ggc_user",
				"getent passwd ggc_user gg_component")
		}
	default:
		x.who, known = x.user(strconv.Itoa(x.likelyUID()))
	}
	if !known {
		x.who.uid = x.likelyUID()
		x.who.name = strconv.Itoa(x.who.uid)
	}
	if x.groups == nil && x.self() {
		x.groups = x.Groups
	}
	if x.groups == nil {
		x.groups = x.who.groups
	}
}

// likelyUID is the owner of the work directory, or the nucleus's usual user, or we.
func (x *examination) likelyUID() int {
	if x.running != nil && x.running.uid >= 0 {
		return x.running.uid
	}
	if info, err := x.stat(x.workDir()); err == nil {
		if uid, _, ok := owner(info); ok {
			return uid
		}
	}
	for _, name := range []string{"ggc_user", "gg_component"} {
		if u, ok := x.user(name); ok {
			return u.uid
		}
	}
	return x.UID
}

func (x *examination) presence() {
	if x.running == nil {
		log := path.Join(x.Root, "logs", x.name+".log")
		x.report("component", ComponentAway, fmt.Sprintf("it does not run, or cannot be seen; judging for user %s and %s", x.who.name, x.workDir()),
			"a process \"shadowgpio run\", started by the nucleus",
			script(x.cli("component details --name %q", x.name), "sudo tail -n 50 "+log))
		return
	}
	if x.running.env == nil {
		x.ok("component", "process %d of user %s; its environment shows only to root and to that user", x.running.pid, x.who.name)
		return
	}
	x.ok("component", "process %d of user %s in %s", x.running.pid, x.who.name, x.workDir())
}

// twoCopies finds a component that outlived its nucleus: the next nucleus starts
// another, and both want the lines.
func (x *examination) twoCopies() {
	newest := x.copied[len(x.copied)-1]
	for _, old := range x.copied[:len(x.copied)-1] {
		switch {
		case old.dir == "" || newest.dir == "":
			x.skip("copies", "processes %d and %d both run; where they work shows only to root and to their user", old.pid, newest.pid)
		case old.dir != newest.dir:
			x.ok("copies", "process %d is another component, in %s", old.pid, old.dir)
		default:
			x.report("copies", Copies, fmt.Sprintf("processes %d and %d both run in %s; %d is the elder", old.pid, newest.pid, old.dir, old.pid),
				"one process for one work directory", fmt.Sprintf("sudo kill %d", old.pid))
		}
	}
}
