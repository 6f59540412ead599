package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

func TestNothingIsWrong(t *testing.T) {
	p := newPatient(t)
	report := p.examine()
	if found := wrong(report); found != nil || report.Count(NotChecked) != 0 || !report.Healthy() {
		t.Errorf("got\n%v", report)
	}
	if report.Count(OK) < 20 {
		t.Errorf("want a line for each check, got\n%v", report)
	}
}

// one is one thing that is broken, and what is to be found then.
type one struct {
	name  string
	kind  Kind
	harm  func(p *patient)
	found string // a part
	cure  string // a part
	also  []Kind // what follows from it
}

func TestEachFault(t *testing.T) {
	seen := map[Kind]bool{}
	for _, c := range slices.Concat(processFaults, chipFaults, lineFaults, workFaults, nucleusFaults, clockFaults) {
		seen[c.kind] = true
		t.Run(string(c.kind)+"/"+c.name, func(t *testing.T) {
			p := newPatient(t)
			c.harm(p)
			report := p.examine()
			kinds := map[Kind]bool{}
			var hit *Finding
			for _, f := range wrong(report) {
				kinds[f.Kind] = true
				if f.Kind == c.kind && strings.Contains(f.Found, c.found) && strings.Contains(f.Cure, c.cure) {
					hit = &f
				}
			}
			want := append([]Kind{c.kind}, c.also...)
			slices.Sort(want)
			if got := slices.Sorted(maps.Keys(kinds)); hit == nil || !slices.Equal(got, want) {
				t.Fatalf("found %q, want %q, with %q and the cure %q, in\n%v", got, want, c.found, c.cure, report)
			}
			if hit.Status != severity[c.kind] || hit.Want == "" || hit.Cure == "" {
				t.Errorf("want status %s, a wish and a cure, got %+v", severity[c.kind], *hit)
			}
		})
	}
	for kind := range severity {
		if !seen[kind] {
			t.Errorf("no test has a fault of the kind %s", kind)
		}
	}
}

var processFaults = []one{
	{"not there", ComponentAway, func(p *patient) { p.remove("/proc/812") }, "does not run", "component details", nil},
	{"of an unknown user", UserUnknown, func(p *patient) {
		p.remove("/proc/812")
		p.options.User = "gardener"
	}, `no user "gardener"`, "getent passwd", []Kind{ComponentAway}},
	{"elder one left over", Copies, func(p *patient) { p.component(900, 500, nil) }, "processes 900 and 812 both run", "sudo kill 900", nil},
	{"elder one that has the directory", Copies, func(p *patient) {
		p.component(900, 500, nil)
		p.write(workDir+"/lock", `{"pid":900,"since":"2026-11-30T08:00:00Z","program":"/shadowgpio"}`)
	}, "900 has the directory since 2026-11-30T08:00:00Z, the other waits for its end", "sudo kill 900", nil},
	{"without token", EnvironmentMissing, func(p *patient) { p.component2(map[string]string{"SVCUID": ""}) }, "SVCUID", "sudo", nil},
	{"without socket", EnvironmentMissing, func(p *patient) {
		p.component2(map[string]string{"AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT": ""})
	}, "AWS_GG_NUCLEUS", "sudo", nil},
}

// component2 has the component run with another environment.
func (p *patient) component2(env map[string]string) {
	p.remove("/proc/812")
	p.component(pid, 1000, env)
}

var chipFaults = []one{
	{"4.19", KernelOld, func(p *patient) { p.write("/proc/sys/kernel/osrelease", "4.19.0") }, "4.19.0", "upgrade", nil},
	{"5.4", KernelOld, func(p *patient) { p.write("/proc/sys/kernel/osrelease", "5.4.0-90-generic") }, "5.4.0", "upgrade", nil},
	{"at all", ChipNone, (*patient).noChip, "the kernel has no GPIO chip", "dmesg", nil},
	{"in a container", ChipNone, func(p *patient) {
		p.noChip()
		p.write("/sys/bus/gpio/devices/gpiochip0/x", "")
	}, "gpiochip0, and /dev has no", "--device", nil},
	{"broken", ChipFailed, func(p *patient) {
		p.machine.Backend = failing{p.board, &gpio.OpError{Op: "open", Chip: "gpiochip0", Err: syscall.EIO}}
	}, "input/output error", "dmesg", nil},
	{"by a cgroup", ChipBlocked, func(p *patient) {
		p.machine.UID = p.uid
		p.machine.Backend = failing{p.board, errors.Join(&gpio.OpError{Op: "open", Chip: "gpiochip0", Err: syscall.EPERM})}
	}, "the kernel refuses it", "dmesg", nil},
	{"user not in it", ChipGroup, func(p *patient) {
		p.needRoot()
		p.write("/etc/group", fmt.Sprintf("gpio:x:%d:pi\n", gpioGID))
		p.alone()
	}, "closed to ggc_user (user 0, group gpio, mode 0660)", "usermod -aG gpio ggc_user", nil},
	{"process before it", ChipStale, func(p *patient) {
		p.needRoot()
		p.alone()
	}, "its process was started before that", "component restart", nil},
	{"of the rule", GroupMissing, func(p *patient) {
		p.needRoot()
		p.own("/dev/gpiochip0", 0, 0, 0o600)
		p.write("/etc/group", "root:x:0:\n")
	}, "group gpio, which does not exist", "groupadd -f -r gpio", nil},
	{"no rule", UdevMissing, func(p *patient) {
		p.needRoot()
		p.own("/dev/gpiochip0", 0, 0, 0o600)
		p.write("/etc/udev/rules.d/60-shadowgpio.rules", "# "+ruleText+"\nSUBSYSTEM==\"spidev\", GROUP=\"gpio\"\n")
	}, "no udev rule", "tee /etc/udev/rules.d/60-shadowgpio.rules", nil},
	{"rule not applied", UdevUnmatched, func(p *patient) {
		p.needRoot()
		p.own("/dev/gpiochip0", 0, 0, 0o600)
	}, "60-shadowgpio.rules wants group gpio, mode 0660", "udevadm trigger", nil},
	{"given by hand", UdevVolatile, func(p *patient) {
		p.needRoot()
		p.remove("/etc/udev/rules.d/60-shadowgpio.rules")
	}, "no udev rule makes it so", "tee /etc/udev", nil},
}

func (p *patient) noChip() {
	p.remove("/dev/gpiochip0")
	p.must(p.board.Unplug("gpiochip0"))
}

// alone has the component's process in no group but its own.
func (p *patient) alone() {
	p.write("/proc/812/status", fmt.Sprintf("Uid:\t%[1]d\t%[1]d\nGid:\t1234\t1234\nGroups:\t1234\n", p.uid))
}

// line has the configuration name another line.
func line(ref map[string]any) func(*patient) {
	return func(p *patient) {
		ref["direction"] = "input"
		lines := with(house["lines"].(map[string]any), map[string]any{"door": ref})
		p.configure(with(house, map[string]any{"lines": lines, "accessControl": policies(entries)}))
	}
}

var lineFaults = []one{
	{"name", LineMissing, line(map[string]any{"line": "GATE"}), "no such line", "shadowgpio lines", nil},
	{"offset", LineMissing, line(map[string]any{"chip": "board", "line": "77"}), "offsets are 0 to 5", "shadowgpio lines", nil},
	{"label", ChipMissing, line(map[string]any{"chip": "gpiochip9", "line": "DOOR"}), "no such chip", "shadowgpio lines", nil},
	{"two of a name", LineAmbiguous, line(map[string]any{"line": "TWICE"}), "gpiochip0 offset 3 and gpiochip0 offset 4", "TWICE", nil},
	{"by a process that the kernel names", LineBusy, func(p *patient) {
		p.take("LED reader")
		p.holds(700, "gpio-chip:\tgpiochip0\ngpio-line:\t2\n")
		p.holds(701, "gpio-chip:\tgpiochip0\ngpio-line:\t3\n")
	}, `held by "LED reader", by process 700 (python3, unit reader.service)`, "systemctl disable --now reader.service", nil},
	{"by one of two processes", LineBusy, func(p *patient) {
		p.take("LED reader")
		p.holds(700, "pos:\t0\n")
		p.holds(701, "pos:\t0\n")
		p.write("/proc/701/cgroup", "0::/user.slice/session-1.scope\n")
	}, "perhaps by process 700 (python3, unit reader.service) or process 701 (python3)", "sudo kill 701", nil},
	{"by the kernel", LineBusy, line(map[string]any{"line": "LED"}), `held by "led"; no process has it`, "debug/gpio", nil},
	{"by a process that does not show", LineBusy, func(p *patient) {
		p.take("LED reader")
		p.write("/proc/700/cmdline", "python3\x00")
	}, "shows only to root", "sudo shadowgpio doctor", nil},
}

// take holds the door's line.
func (p *patient) take(consumer string) {
	held, err := p.board.Request("gpiochip0", consumer, []gpio.LineConfig{{Offset: 2, Direction: gpio.Input}})
	p.must(err)
	p.t.Cleanup(func() { held.Close() })
}

// TestRootIsNotSentToRoot has no chip: what root does not see, root shows nobody.
func TestRootIsNotSentToRoot(t *testing.T) {
	for uid, want := range map[int]bool{0: false, 1000: true} {
		p := newPatient(t)
		p.noChip()
		p.machine.UID = uid
		report := p.examine()
		if got := strings.Contains(fmt.Sprint(report), "sudo shadowgpio doctor"); got != want {
			t.Errorf("user %d is sent to root: %v, want %v, in\n%v", uid, got, want, report)
		}
	}
}

// holds makes a process that has a request of lines, with what the kernel says of it.
func (p *patient) holds(pid int, fdinfo string) {
	p.process(pid, 1, "/", "/usr/bin/python3", "reader.py")
	p.symlink("anon_inode:gpio-line", proc(pid, "fd/7"))
	p.write(proc(pid, "fdinfo/7"), fdinfo)
	p.write(proc(pid, "cgroup"), "0::/system.slice/reader.service\n")
}

var workFaults = []one{
	{"deployed", ConfigurationFault, func(p *patient) {
		p.configure(with(house, map[string]any{"lnes": 1, "accessControl": policies(entries)}))
	}, `did you mean "lines"?`, "shadowgpio check", nil},
	{"directory", WorkMissing, func(p *patient) { p.remove(workDir) }, "is no directory", "ls -ld", nil},
	{"of root", WorkOwner, func(p *patient) {
		p.needRoot()
		p.own(workDir, 0, 0, 0o700)
	}, "closed to ggc_user (user 0", "chown -R ggc_user: " + workDir, nil},
	{"tmpfs", DiskFull, func(p *patient) {
		p.tmpfs("size=64k")
		p.fill()
	}, "bytes are free for", "df -h", nil},
	{"of files", DiskFull, func(p *patient) { p.tmpfs("nr_inodes=4") }, "files more fit", "df -i", nil},
	{"over the quota", DiskFull, func(p *patient) { p.failTry(syscall.EDQUOT) }, "quota", "df -h", nil},
	{"nearly", DiskLow, func(p *patient) { p.tmpfs("size=1m") }, "kB are free", "df -h", nil},
	{"tmpfs", DiskReadOnly, func(p *patient) {
		p.tmpfs("size=64m")
		p.must(unix.Mount("", p.at(workDir), "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	}, "mounted read-only", "remount,rw", nil},
	{"at the try", DiskReadOnly, func(p *patient) { p.failTry(syscall.EROFS) }, "mounted read-only", "remount,rw", nil},
	{"broken", DiskFailed, func(p *patient) { p.failTry(syscall.EIO) }, "input/output error", "dmesg", nil},
	{"of root", StateUnreadable, func(p *patient) {
		p.needRoot()
		p.own(workDir+"/state.json", 0, 0, 0o600)
	}, "state.json is closed to ggc_user", "chown -R ggc_user:", nil},
	{"directory", StateUnreadable, func(p *patient) {
		p.remove(workDir + "/state.json")
		p.must(os.Mkdir(p.at(workDir+"/state.json"), 0o755))
	}, "got a directory", "mv", nil},
	{"pipe", StateUnreadable, func(p *patient) {
		p.remove(workDir + "/state.json")
		p.must(syscall.Mkfifo(p.at(workDir+"/state.json"), 0o600))
		p.own(workDir+"/state.json", p.uid, p.gid, 0o600)
	}, "want a regular file, got a named pipe", "mv", nil},
	{"half", StateBroken, func(p *patient) { p.write(workDir+"/state.json", `{"format":1,"outp`) }, "is broken: the text is cut short", "cp ", nil},
	{"of a newer version", StateNewer, func(p *patient) { p.write(workDir+"/state.json", `{"format":99}`) }, "a newer version of the component wrote it (format 99", "mv ", nil},
	{"one entry", StateDamaged, func(p *patient) {
		p.write(workDir+"/state.json", `{"format":2,"properties":{"gw//n#count":{"count":-1}}}`)
	}, `properties["gw//n#count"]: count: want 0 to`, "cp ", nil},
	{"earlier", StateAside, func(p *patient) { p.write(workDir+"/state.json.20260101T000000.000", "{") }, "set aside", "rm ", nil},
}

// tmpfs mounts a file system on the work directory.
func (p *patient) tmpfs(options string) {
	p.t.Helper()
	p.needRoot()
	if err := unix.Mount("tmpfs", p.at(workDir), "tmpfs", 0, options); err != nil {
		p.t.Skip("mounting is not allowed here: ", err)
	}
	p.t.Cleanup(func() { p.must(unix.Unmount(p.at(workDir), unix.MNT_DETACH)) })
	p.own(workDir, p.uid, p.gid, 0o700)
}

// fill writes until the disk is full.
func (p *patient) fill() {
	file, err := os.Create(filepath.Join(p.at(workDir), "ballast"))
	p.must(err)
	defer file.Close()
	for err == nil {
		_, err = file.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		p.t.Fatal(err)
	}
}

// failTry has this process be of the component's user, and its writing fail.
func (p *patient) failTry(err error) {
	p.machine.UID = p.uid
	p.machine.Try = func(dir string) error { return &os.PathError{Op: "write", Path: dir, Err: err} }
}

var nucleusFaults = []one{
	{"2.5", NucleusOld, func(p *patient) { p.component2(map[string]string{"GGC_VERSION": "2.5.6"}) }, "nucleus 2.5.6", "aws.greengrass.Nucleus", nil},
	{"stopped", SocketMissing, func(p *patient) {
		p.stop()
		p.remove(socket)
	}, "does not exist", "systemctl start greengrass", nil},
	{"file", SocketKind, func(p *patient) {
		p.stop()
		p.remove(socket)
		p.write(socket, "")
	}, "is no socket", "mv ", nil},
	{"crashed", SocketRefused, func(p *patient) {
		p.stop()
		p.remove(socket)
		p.abandon()
	}, "nobody listens", "systemctl restart greengrass", nil},
	{"crashed, without token", SocketRefused, func(p *patient) {
		p.stop()
		p.remove(socket)
		p.abandon()
		p.component2(map[string]string{"SVCUID": ""})
	}, "nobody listens", "systemctl restart greengrass", []Kind{EnvironmentMissing}},
	{"by its mode", SocketDenied, func(p *patient) {
		p.needRoot()
		p.own(socket, 0, 0, 0o600)
	}, "/ipc.socket is closed to ggc_user", "systemctl restart greengrass", nil},
	{"by a directory", SocketDenied, func(p *patient) {
		p.needRoot()
		p.own("/greengrass", 0, 0, 0o700)
	}, "/greengrass is closed to ggc_user", "chmod a+x /greengrass", nil},
	{"another service", NucleusMute, func(p *patient) {
		p.serve(p.says("HTTP/1.1 400 Bad Request\r\n\r\n"))
	}, "does not answer as a nucleus does", "ss -xlp", nil},
	{"of an earlier run, lite", TokenRefused, func(p *patient) { p.serve(p.says("")) }, "so nucleus lite refuses", "component restart", nil},
	{"of an earlier run", TokenRefused, func(p *patient) { p.core.SetToken(ComponentName, "ANOTHER000000000") }, "made by an earlier run", "component restart", nil},
	{"all", AccessDenied, func(p *patient) { p.configure(with(house, map[string]any{"accessControl": map[string]any{}})) },
		"aws.greengrass#SubscribeToTopic on $aws/things/gw/shadow/name/room/delete/accepted", "MERGE", nil},
	{"by a mistake", AccessMalformed, func(p *patient) {
		all := policies(entries)
		all[pubsubService].(map[string]any)["x"] = map[string]any{"operation": []string{"*"}, "resources": []string{"*"}}
		p.configure(with(house, map[string]any{"accessControl": all}))
	}, `unknown property "operation"`, "reset", []Kind{AccessDenied}},
	{"not deployed", ShadowManagerMissing, (*patient).withoutShadows, "ShadowManager is not deployed", "aws.greengrass.ShadowManager=", nil},
	{"starting", ShadowFailed, func(p *patient) {
		rule, err := faults.ParseRule("UpdateThingShadow refuse code ServiceError message broken")
		p.must(err)
		p.core.Faults().Add(rule)
	}, "UpdateThingShadow: ServiceError: broken", "greengrass.log", nil},
	{"named one", ShadowUnsynced, func(p *patient) {
		p.must(p.core.SetConfiguration(shadowService, map[string]any{"synchronize": map[string]any{"coreThing": map[string]any{}}}))
	}, "gw/room is not synchronised", `coreThing`, nil},
	{"classic one", ShadowUnsynced, func(p *patient) {
		p.must(p.core.SetConfiguration(shadowService, map[string]any{"synchronize": map[string]any{
			"coreThing": map[string]any{"classic": "false", "namedShadows": []string{"room"}}}}))
	}, "gw (classic) is not synchronised", `classic`, nil},
	{"both", ShadowUnsynced, func(p *patient) { p.must(p.core.SetConfiguration(shadowService, map[string]any{})) }, "gw (classic) is not", "coreThing", nil},
	{"one way", ShadowUnsynced, func(p *patient) {
		p.must(p.core.SetConfiguration(shadowService, map[string]any{"synchronize": map[string]any{
			"direction": "deviceToCloud", "shadowDocumentsMap": map[string]any{"gw": map[string]any{}},
			"shadowDocuments": []any{map[string]any{"thingName": "gw", "namedShadows": []string{"room"}}}}}))
	}, "in one direction only: deviceToCloud", "betweenDeviceAndCloud", nil},
}

// says is a server that takes what comes, says something, and ends the connection.
func (p *patient) says(text string) func(context.Context, net.Listener) error {
	return func(ctx context.Context, l net.Listener) error {
		context.AfterFunc(ctx, func() { l.Close() })
		for {
			conn, err := l.Accept()
			if err != nil {
				return nil
			}
			conn.Read(make([]byte, 4096))
			io.WriteString(conn, text)
			conn.Close()
		}
	}
}

// abandon leaves a socket that nobody listens on.
func (p *patient) abandon() {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: p.at(socket), Net: "unix"})
	p.must(err)
	listener.SetUnlinkOnClose(false)
	listener.Close()
	p.must(os.Chmod(p.at(socket), 0o777))
}

// withoutShadows puts a nucleus in place that has no shadow manager.
func (p *patient) withoutShadows() {
	s, err := server.New(server.Config{Authenticate: func(token string) (string, bool) { return ComponentName, token == theToken }})
	p.must(err)
	s.HandleAbsent(model.GetThingShadow.Name, model.UpdateThingShadow.Name)
	server.Handle(s, model.GetConfiguration, func(*server.Call, *model.GetConfigurationRequest) (model.GetConfigurationResponse, error) {
		value, err := server.Marshal(house)
		return model.GetConfigurationResponse{ComponentName: ComponentName, Value: value}, err
	})
	p.serve(s.Serve)
}

var clockFaults = []one{
	{"1970", ClockUnset, func(p *patient) { p.at1970() }, "1970-01-01T00:00:30Z, before this program", "set-ntp", nil},
	{"behind the state", ClockBehind, func(p *patient) { p.later(-48 * time.Hour) }, "state.json is of", "set-ntp", nil},
	{"behind the cloud", ClockBehind, func(p *patient) {
		p.must(p.core.Shadows().Put(devcore.Row{Thing: thing, Shadow: "room", Version: 3, State: []byte(`{"desired":{"x":1}}`),
			Metadata: fmt.Appendf(nil, `{"desired":{"x":{"timestamp":%d}}}`, time.Now().Add(24*time.Hour).Unix())}))
	}, "shadow gw/room is of", "set-ntp", nil},
	{"by decades", ClockAhead, func(p *patient) { p.later(50 * 365 * 24 * time.Hour) }, "long after", "set-ntp", nil},
	{"by nobody", ClockUnsynced, func(p *patient) {
		p.machine.Synchronised = func() (bool, error) { return false, nil }
	}, "nobody keeps", "set-ntp", nil},
}

func (p *patient) at1970() { p.machine.Now = func() time.Time { return time.Unix(30, 0) } }

// later has the clock go wrong by d.
func (p *patient) later(d time.Duration) {
	p.machine.Now = func() time.Time { return time.Now().Add(d) }
}
