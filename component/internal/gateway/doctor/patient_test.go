package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

const (
	thing    = "gw"
	theToken = "KEEPTHISSECRET00"
	workDir  = "/greengrass/v2/work/io.shadowgpio.ShadowGpio"
	socket   = "/greengrass/v2/ipc.socket"
	pid      = 812
	gpioGID  = 997
)

// patient is a machine where everything is well, with a root directory of real
// files, a development core that enforces policies, and a simulated chip. Tests break
// one thing.
type patient struct {
	t       *testing.T
	root    string
	board   *sim.Sim
	core    *devcore.Core
	stop    func() // of the core's socket
	machine Machine
	options Options
	uid     int
	gid     int // of the chip's device
	events  []devcore.Event
}

// house is that of the component, without its policies.
var house = map[string]any{
	"lines": map[string]any{
		"lamp": map[string]any{"line": "LAMP", "direction": "output"},
		"door": map[string]any{"line": "DOOR", "direction": "input"},
	},
	"shadows": map[string]any{
		"main": map[string]any{"properties": map[string]any{"lights": map[string]any{"line": "lamp"}}},
		"room": map[string]any{"name": "room", "properties": map[string]any{"door": map[string]any{"line": "door"}}},
	},
}

// entry is one thing that the component must be allowed.
type entry struct{ service, operation, resource string }

var entries = []entry{
	{shadowService, "aws.greengrass#GetThingShadow", "$aws/things/gw/shadow"},
	{shadowService, "aws.greengrass#UpdateThingShadow", "$aws/things/gw/shadow"},
	{pubsubService, "aws.greengrass#SubscribeToTopic", "$aws/things/gw/shadow/update/accepted"},
	{pubsubService, "aws.greengrass#SubscribeToTopic", "$aws/things/gw/shadow/delete/accepted"},
	{shadowService, "aws.greengrass#GetThingShadow", "$aws/things/gw/shadow/name/room"},
	{shadowService, "aws.greengrass#UpdateThingShadow", "$aws/things/gw/shadow/name/room"},
	{pubsubService, "aws.greengrass#SubscribeToTopic", "$aws/things/gw/shadow/name/room/update/accepted"},
	{pubsubService, "aws.greengrass#SubscribeToTopic", "$aws/things/gw/shadow/name/room/delete/accepted"},
}

// policies allow those of the entries.
func policies(entries []entry) map[string]any {
	services := map[string]any{shadowService: map[string]any{}, pubsubService: map[string]any{}}
	for i, e := range entries {
		if services[e.service] == nil {
			services[e.service] = map[string]any{}
		}
		services[e.service].(map[string]any)[fmt.Sprint("policy:", i)] = map[string]any{"operations": []string{e.operation}, "resources": []string{e.resource}}
	}
	return services
}

// with is a configuration with keys replaced.
func with(base map[string]any, keys map[string]any) map[string]any {
	result := map[string]any{}
	for _, m := range []map[string]any{base, keys} {
		for k, v := range m {
			result[k] = v
		}
	}
	return result
}

func newPatient(t *testing.T) *patient {
	t.Helper()
	root, err := os.MkdirTemp("", "doc") // short: there is a socket below
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	p := &patient{t: t, root: root, uid: os.Getuid(), gid: os.Getgid()}
	if p.uid == 0 {
		p.uid, p.gid = 1234, gpioGID
	}
	p.must(os.Chmod(root, 0o755))
	p.board, err = sim.New(sim.Chip{Label: "board", Lines: 6, Names: map[int]string{1: "LAMP", 2: "DOOR", 3: "TWICE", 4: "TWICE", 5: "LED"}, Hogs: map[int]sim.Hog{5: {Consumer: "led"}}})
	p.must(err)
	p.files()
	p.newCore()
	p.machine = Machine{
		Files: os.DirFS(root), Backend: p.board, Cwd: "/home/somebody", UID: os.Getuid(), Groups: []int{os.Getgid()},
		Getenv:       func(string) string { return "" },
		Dial:         p.dial,
		Space:        func(dir string) (Space, error) { return space(filepath.Join(root, dir)) },
		Try:          func(dir string) error { return try(filepath.Join(root, dir)) },
		Now:          time.Now,
		Built:        notBefore,
		Synchronised: func() (bool, error) { return true, nil },
	}
	return p
}

func (p *patient) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// files makes the tree of a gateway that is well.
func (p *patient) files() {
	p.write("/etc/passwd", fmt.Sprintf("root:x:0:0:root:/root:/bin/sh\nggc_user:x:%d:1234::/nonexistent:/bin/sh\n", p.uid))
	p.write("/etc/group", fmt.Sprintf("root:x:0:\nggc_group:x:1234:\ngpio:x:%d:ggc_user\n", p.gid))
	p.write("/etc/udev/rules.d/60-shadowgpio.rules", ruleText+"\n")
	p.write("/proc/sys/kernel/osrelease", "6.1.21-v8+\n")
	p.write("/sys/class/rtc/rtc0/name", "rtc\n")
	p.write("/dev/gpiochip0", "")
	p.own("/dev/gpiochip0", 0, p.gid, 0o660)
	p.write(workDir+"/state.json", `{"format":2,"outputs":{"GPIO17":true}}`)
	for _, file := range []string{workDir, workDir + "/state.json"} {
		p.own(file, p.uid, p.gid, 0o700)
	}
	p.component(pid, 1000, map[string]string{})
}

// component makes the component a running process; extra variables replace those
// of the nucleus, those that are "" are not there.
func (p *patient) component(pid, start int, extra map[string]string) {
	env := map[string]string{
		"AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT": socket,
		"SVCUID": theToken, "AWS_IOT_THING_NAME": thing, "GGC_VERSION": "2.12.6",
	}
	for k, v := range extra {
		env[k] = v
	}
	text := ""
	for k, v := range env {
		if v != "" {
			text += k + "=" + v + "\x00"
		}
	}
	p.process(pid, start, workDir, "/greengrass/v2/packages/artifacts/io.shadowgpio.ShadowGpio/1.0.0/shadowgpio-linux-arm64", "run")
	p.write(proc(pid, "environ"), text)
}

// process makes a process.
func (p *patient) process(pid, start int, dir string, args ...string) {
	p.write(proc(pid, "cmdline"), strings.Join(args, "\x00")+"\x00")
	p.write(proc(pid, "status"), fmt.Sprintf("Name:\tx\nUid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d\nGid:\t1234\t1234\t1234\t1234\nGroups:\t1234 %[2]d \n", p.uid, p.gid))
	p.write(proc(pid, "stat"), fmt.Sprintf("%d (a ) b) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 9 0 %d 1 1", pid, start))
	p.write(proc(pid, "environ"), "")
	p.write(proc(pid, "cgroup"), "0::/system.slice/greengrass.service\n")
	p.write(proc(pid, "fdinfo/0"), "pos:\t0\n")
	p.symlink("/dev/null", proc(pid, "fd/0"))
	p.symlink(dir, proc(pid, "cwd"))
}

func (p *patient) at(file string) string { return filepath.Join(p.root, file) }

func (p *patient) write(file, text string) {
	p.t.Helper()
	p.must(os.MkdirAll(filepath.Dir(p.at(file)), 0o755))
	p.must(os.WriteFile(p.at(file), []byte(text), 0o644))
}

func (p *patient) symlink(target, file string) {
	p.t.Helper()
	p.must(os.MkdirAll(filepath.Dir(p.at(file)), 0o755))
	p.must(os.Symlink(target, p.at(file)))
}

func (p *patient) remove(file string) {
	p.t.Helper()
	p.must(os.RemoveAll(p.at(file)))
}

// own gives a file to somebody, as far as this test may.
func (p *patient) own(file string, uid, gid int, mode fs.FileMode) {
	p.t.Helper()
	if os.Getuid() == 0 {
		p.must(os.Chown(p.at(file), uid, gid))
	}
	p.must(os.Chmod(p.at(file), mode))
}

// needRoot skips a test of what only root can break.
func (p *patient) needRoot() {
	p.t.Helper()
	if os.Getuid() != 0 {
		p.t.Skip("only root can give files to others")
	}
}

func (p *patient) newCore() { p.newCoreOf(devcore.Config{}) }

func (p *patient) newCoreOf(settings devcore.Config) {
	p.t.Helper()
	settings.ThingName, settings.EnforceAccessControl = thing, true
	settings.Observe = func(e devcore.Event) { p.events = append(p.events, e) }
	var err error
	p.core, err = devcore.New(settings)
	p.must(err)
	p.core.SetToken(ComponentName, theToken)
	p.configure(with(house, map[string]any{"accessControl": policies(entries)}))
	p.must(p.core.SetConfiguration(shadowService, map[string]any{"synchronize": map[string]any{"coreThing": map[string]any{"namedShadows": []string{"room"}}}}))
	p.serve(p.core.Serve)
	p.t.Cleanup(func() { p.core.Close() })
}

// serve has a server listen on the socket, in place of the one before.
func (p *patient) serve(run func(context.Context, net.Listener) error) {
	p.t.Helper()
	if p.stop != nil {
		p.stop()
	}
	listener, err := server.Listen(p.at(socket))
	p.must(err)
	p.must(os.Chmod(p.at(socket), 0o777))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx, listener) }()
	stopped := false
	p.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			p.t.Error(err)
		}
	}
	p.t.Cleanup(p.stop)
}

func (p *patient) configure(configuration map[string]any) {
	p.t.Helper()
	p.must(p.core.SetConfiguration(ComponentName, configuration))
}

func (p *patient) dial(ctx context.Context, socket string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "unix", p.at(socket))
}

// examine makes all checks. Whatever they find, the token is nowhere.
func (p *patient) examine() Report {
	p.t.Helper()
	report := Examine(p.t.Context(), p.machine, p.options)
	var text, asJSON bytes.Buffer
	p.must(report.WriteText(&text, true))
	p.must(report.WriteJSON(&asJSON))
	if strings.Contains(text.String()+asJSON.String(), theToken) {
		p.t.Errorf("the token shows in\n%s", text.String())
	}
	var decoded Report
	if err := json.Unmarshal(asJSON.Bytes(), &decoded); err != nil || !slices.Equal(decoded.Findings, report.Findings) {
		p.t.Errorf("JSON is another report: %v\n%s", err, asJSON.String())
	}
	return report
}

// wrong are the findings that something is wrong.
func wrong(r Report) (found []Finding) {
	for _, f := range r.Findings {
		if f.Status == Fault || f.Status == Warning {
			found = append(found, f)
		}
	}
	return found
}

func (r Report) String() string {
	var b strings.Builder
	r.WriteText(&b, false)
	return b.String()
}

// failing is a backend that fails in a way of its own.
type failing struct {
	gpio.Backend
	err error
}

func (f failing) Chips() ([]gpio.ChipInfo, error) { return nil, f.err }
