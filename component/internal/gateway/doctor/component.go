package doctor

import (
	"cmp"
	"fmt"
	"path"
	"strconv"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/workdir"
)

// component finds the running component, and where and as whom it works.
func (x *examination) component() {
	here := process{dir: x.Cwd}
	x.Dir, x.file = here.at(x.Dir), here.at(x.Config)
	all := x.copies(x.Self)
	for i := range all {
		// The younger one was started by the nucleus that runs now.
		if x.Dir == "" || all[i].dir == x.Dir {
			x.running = &all[i]
		}
	}
	x.Dir = cmp.Or(x.Dir, x.runningDir(), x.defaultDir())
	if base := path.Base(x.workDir()); base != "." && path.Base(path.Dir(x.workDir())) == "work" {
		x.name = base
	}
	x.identify()
	x.presence()
	x.others(all)
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
	uid := x.likelyUID()
	if u, ok := x.user(x.User); ok && x.running == nil {
		uid = u.uid
	} else if x.User != "" && !ok {
		x.report("user", UserUnknown, fmt.Sprintf("there is no user %q", x.User), "the user that components run as, usually ggc_user",
			"getent passwd ggc_user gg_component")
	}
	var known bool
	if x.who, known = x.user(strconv.Itoa(uid)); !known {
		x.who = user{name: strconv.Itoa(uid), uid: uid}
	}
	switch {
	case x.running != nil && x.running.groups != nil:
		x.groups = x.running.groups
	case x.self():
		x.groups = x.Groups
	default:
		x.groups = x.who.groups
	}
}

// likelyUID is the running component's user, or the owner of the work directory, or the nucleus's usual user, or we.
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

// others finds a component that outlived its nucleus: the next nucleus starts
// another, which waits for the work directory.
func (x *examination) others(all []process) {
	owner, known := x.owner()
	for _, p := range all {
		switch {
		case x.running == nil || p.pid == x.running.pid:
		case p.dir == "" || x.running.dir == "":
			x.skip("copies", "processes %d and %d both run; where they work shows only to root and to their user", p.pid, x.running.pid)
		case p.dir != x.running.dir:
			x.ok("copies", "process %d is another component, in %s; to examine it: --dir %[2]s", p.pid, p.dir)
		default:
			found := fmt.Sprintf("processes %d and %d both run in %s; %[1]d is the elder", p.pid, x.running.pid, p.dir)
			if known {
				found += fmt.Sprintf("; %d has the directory since %s, the other waits for its end", owner.PID, owner.Since.Format(time.RFC3339))
			}
			x.report("copies", Copies, found, "one process for one work directory", fmt.Sprintf("sudo kill %d", p.pid))
		}
	}
	if known {
		x.ok("lock", "process %d has %s since %s", owner.PID, x.workDir(), owner.Since.Format(time.RFC3339))
	}
}

// owner is the process that has the work directory, as far as is known.
func (x *examination) owner() (workdir.Owner, bool) {
	text, err := x.read(path.Join(x.workDir(), workdir.NoteName))
	if err != nil {
		return workdir.Owner{}, false
	}
	owner, ok := workdir.ParseNote(text)
	return owner, ok && x.args(owner.PID) != nil
}
