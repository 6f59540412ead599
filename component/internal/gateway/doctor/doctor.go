// Package doctor finds out why the component does not work on this machine. It
// looks at what the component needs, from the chip's permissions to each entry of
// its accessControl, and says of each what was found, what is wanted, and which
// line in a shell brings it about.
//
// # Whose eyes
//
// What counts is what the component may do, not the person who asks. So the checks
// look for the running component, take its user, groups, work directory and
// environment from /proc, and judge by those. Root may read all of that, the
// component's own user too. Modes are judged as the kernel does it, without
// capabilities and access control lists; where this process runs as the
// component's user, it tries as well.
//
// # Without side effects
//
// Nothing that a check does changes a line or a shadow. To learn whether an update
// of a shadow is allowed, one is sent that has no state: the shadow manager asks
// for the permission first and then refuses it for its form, whatever the shadow
// holds (aws-greengrass/aws-greengrass-shadow-manager
// src/main/java/com/aws/greengrass/shadowmanager/ipc/UpdateThingShadowRequestHandler.java,
// util/JsonUtil.java). An update with a version that conflicts would depend on what
// is stored: a shadow that does not exist takes version 1. The refusal leaves a line in
// the nucleus's log and a message on the shadow's topic update/rejected.
//
// Streams of which a component has one at most are left alone: the running
// component has them.
//
// The token is used, and appears in no finding.
package doctor

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
)

// ComponentName is the component where the nucleus does not say another.
const ComponentName = "io.shadowgpio.ShadowGpio"

// DefaultRoot is where Greengrass is usually installed.
const DefaultRoot = "/greengrass/v2"

// Options say where to look. The zero value looks for everything by itself.
type Options struct {
	User   string   // whom the component runs as, if it does not run; default the owner of Dir
	Config string   // a configuration file, instead of the component's
	Dir    string   // the work directory; default that of the running component, or the one below Root
	Root   string   // of Greengrass; default DefaultRoot
	Self   []string // how the program is started as shadowgpio; nil is by that name
}

// Examine makes all checks. It takes as long as the nucleus does to answer, which
// ctx bounds.
func Examine(ctx context.Context, m Machine, o Options) Report {
	x := &examination{Machine: m, Options: o, name: ComponentName}
	x.Root = cmp.Or(o.Root, DefaultRoot)
	x.component()
	x.kernel()
	open := x.chips()
	x.nucleus(ctx)
	x.configuration(ctx)
	if x.config != nil {
		x.lines(open)
		x.shadows(ctx)
	}
	x.work()
	x.clock()
	x.hangUp()
	return Report{x.findings}
}

// examination is one run of all checks. Each adds its findings; what one learns the
// later ones use.
type examination struct {
	Machine
	Options
	findings []Finding

	running *process // nil if it does not run
	who     user
	groups  []int // in force for the component
	name    string
	file    string // the configuration file that run was given, or Config
	config  *config.Config
	connection
	requested  int    // of the shadow manager
	policyText string // the component's accessControl as the nucleus has it
	stamps     stamps
}

func (x *examination) ok(check, format string, args ...any) {
	x.findings = append(x.findings, Finding{Check: check, Status: OK, Found: fmt.Sprintf(format, args...)})
}

func (x *examination) skip(check, format string, args ...any) {
	x.findings = append(x.findings, Finding{Check: check, Status: NotChecked, Found: fmt.Sprintf(format, args...)})
}

// report adds something that is wrong.
func (x *examination) report(check string, kind Kind, found, want, cure string) {
	x.findings = append(x.findings, Finding{check, severity[kind], kind, found, want, pasteable(cure)})
}

// getenv is a variable as the component has it.
func (x *examination) getenv(key string) string {
	if x.running != nil && x.running.env != nil {
		return x.running.env[key]
	}
	return x.Getenv(key)
}

// self says whether this process is of the component's user.
func (x *examination) self() bool { return x.UID == x.who.uid }

func (x *examination) workDir() string { return x.Dir }

// cli is a command line of the nucleus's local tool.
func (x *examination) cli(format string, args ...any) string {
	return "sudo " + path.Join(x.Root, "bin/greengrass-cli") + " " + fmt.Sprintf(format, args...)
}

// restart is the line that restarts the component.
func (x *examination) restart() string { return x.cli("component restart --names %q", x.name) }

// shellWord makes one word of a shell's command line, which a person pastes, of a name
// that others chose.
func shellWord(name string) string {
	if shellSafe.MatchString(name) {
		return name
	}
	return "'" + strings.ReplaceAll(string(printable.Text(name)), "'", `'\''`) + "'"
}

var shellSafe = regexp.MustCompile(`^[A-Za-z0-9@%+:,./_][A-Za-z0-9@%+=:,./_-]*$`)

// script joins the lines of a cure.
func script(lines ...string) string { return strings.Join(lines, lineEnd) }

// lineEnd ends a line of a cure until the cure is complete. No path, name or argument
// can contain it, so none of them adds a line that a person would paste.
const lineEnd = "\x00"

// pasteable is a cure as it is shown.
func pasteable(cure string) string {
	lines := strings.Split(cure, lineEnd)
	for i, line := range lines {
		lines[i] = string(printable.Text(line))
	}
	return strings.Join(lines, "\n")
}
