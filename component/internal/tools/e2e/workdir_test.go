package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/control"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/workdir"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

// What the work directory goes through: a second run, disks that fail, damage.

const memoryConfig = `
lines:
  bell: {line: LAMP, direction: output}
  fan:  {line: FAN, direction: output}
  door: {line: DOOR, direction: input}
shadows:
  main:
    status: true
    properties:
      bell:  {line: bell, pulse: 3s}
      fan:   {line: fan}
      n:     {line: door, count: rising}
      limit: {setting: number, min: 0, max: 100, default: 40}
`

// memory is a running component of that configuration, which remembers a count and a
// setting.
func memory(t *testing.T) (*rig, *process) {
	t.Helper()
	r := newRig(t, memoryConfig)
	r.simulate()
	r.serve()
	p := r.start()
	r.reported("", `{"n":0,"limit":40,"fan":false}`)
	v := r.desire("", `{"n":7,"limit":61,"fan":true}`)
	r.answered("", v, `{"n":7,"limit":61,"fan":true}`)
	r.remembers("count, setting and output", func(s state.State) bool {
		return counted(s) == 7 && fmt.Sprint(s.Properties[thing+"//limit#setting"].Setting) == "61" && s.Outputs["FAN"]
	})
	return r, p
}

// counted is the count that a state has, -1 for none.
func counted(s state.State) int64 {
	if n := s.Properties[thing+"//n#count"].Count; n != nil {
		return *n
	}
	return -1
}

// file is the path of a file of the work directory.
func (r *rig) file(name string) string { return filepath.Join(r.work(), name) }

// listing is the work directory with the text of its files. The journal is left out:
// it grows with each change of a line.
func (r *rig) listing() string {
	r.t.Helper()
	entries, err := os.ReadDir(r.work())
	if err != nil {
		r.t.Fatal(err)
	}
	var all strings.Builder
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			r.t.Fatal(err)
		}
		inode := info.Sys().(*syscall.Stat_t).Ino
		text := ""
		if info.Mode().IsRegular() && !strings.HasPrefix(e.Name(), "journal") {
			content, err := os.ReadFile(r.file(e.Name()))
			if err != nil {
				r.t.Fatal(err)
			}
			text = string(content)
		}
		fmt.Fprintln(&all, e.Name(), inode, info.Mode(), text)
	}
	return all.String()
}

// pid is the process that answers on the control socket.
func (r *rig) pid() int {
	r.t.Helper()
	c, err := control.Dial(r.file(control.SocketName))
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	status, err := c.Status()
	if err != nil {
		r.t.Fatal(err)
	}
	return status.PID
}

// TestSecondRunTouchesNothing starts a second run in the directory of a running
// component, by hand with another component's token and by default.
func TestSecondRunTouchesNothing(t *testing.T) {
	r, first := memory(t)
	r.held("bell", "fan")
	before := r.listing()
	pid := fmt.Sprint("process ", first.cmd.Process.Pid, " ")
	untouched := func() {
		t.Helper()
		if after := r.listing(); after != before {
			t.Errorf("the directory is\n%s\nbefore\n%s", after, before)
		}
		if got := r.pid(); got != first.cmd.Process.Pid {
			t.Errorf("process %d answers on the socket, want %d", got, first.cmd.Process.Pid)
		}
	}
	own := append(r.environment(), "SVCUID="+r.core.IssueToken("my.own.Component"))
	second := run(t, r.work(), own, "run", "--if-busy", "end")
	if code := second.ends(); code != 7 {
		t.Errorf("exit code %d, want 7", code)
	}
	second.says("another run has the work directory; this one ends", pid, r.work(), "since 20")
	untouched()

	second = run(t, r.work(), own, "run")
	second.says("another run has the work directory; waiting for its end", pid)
	untouched()
	second.signal(syscall.SIGTERM)
	if code := second.ends(); code != 0 {
		t.Errorf("exit code %d of one that waits and is asked to end, want 0", code)
	}
	untouched()

	first.signal(syscall.SIGTERM)
	first.ends()
	first = r.start()
	first.says("shadow read")
	r.reported("", `{"n":7,"limit":61}`)
}

// TestSuccessorWaitsForAnOrphan: the nucleus crashed, and its successor starts the
// component before the one that it left behind knows.
func TestSuccessorWaitsForAnOrphan(t *testing.T) {
	r, orphan := memory(t)
	r.held("bell", "fan")
	moves := r.moves(fanOffset)
	r.stopCore()
	orphan.says("shadow is out of reach")
	r.token = "NEWTOKENNEWTOKEN"
	successor := r.start()
	successor.says("another run has the work directory; waiting for its end", fmt.Sprint("process ", orphan.cmd.Process.Pid, " "))
	before := r.listing()
	if got := r.pid(); got != orphan.cmd.Process.Pid {
		t.Errorf("process %d answers on the socket, want the orphan", got)
	}
	r.newCore(filepath.Join(r.dir, "config.yaml"))
	v := r.desire("", `{"limit":62}`)
	if after := r.listing(); after != before {
		t.Errorf("the directory is\n%s\nbefore\n%s", after, before)
	}
	r.serve()
	if code := orphan.ends(); code != 1 {
		t.Errorf("exit code %d of the orphan, want 1", code)
	}
	successor.says("line goes on as it was held", "line=fan")
	r.answered("", v, `{"limit":62,"n":7,"fan":true}`)
	if got := moves.all(); len(got) != 0 {
		t.Errorf("the fan moved %v", got)
	}
	if owner, ok := workdir.ReadOwner(r.work()); !ok || owner.PID != successor.cmd.Process.Pid {
		t.Errorf("the note names %+v", owner)
	}
}

// TestKilledRunLeavesNoLock: the holder, which it started, is left alone with its
// outputs and has no lock.
func TestKilledRunLeavesNoLock(t *testing.T) {
	r, p := memory(t)
	r.held("bell", "fan")
	p.signal(syscall.SIGKILL)
	p.ends()
	next := run(t, r.work(), r.environment(), "run", "--if-busy", "end")
	next.says("line goes on as it was held", "line=fan")
	r.held("bell", "fan")
}

// TestRunWithoutATokenMakesWay: a run whose token was never accepted would wait for
// the nucleus for ever, and its successor for it.
func TestRunWithoutATokenMakesWay(t *testing.T) {
	r := newRig(t, houseConfig)
	r.simulate()
	r.serve()
	first := r.start("SVCUID=ZZZZZZZZZZZZZZZZ")
	first.says("the nucleus refuses this component")
	second := r.start()
	if code := first.ends(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	first.says("another run waits for the work directory")
	second.says("shadow does not exist; it is created")
}

func TestRunWithoutAWorkDirectory(t *testing.T) {
	r := newRig(t, houseConfig)
	r.simulate()
	r.serve()
	p := run(t, r.work(), r.environment(), "run", "--state-dir", "missing")
	if code := p.ends(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	p.says("no work directory; create it, or choose another with --state-dir")
}

// hide has reading a file of the work directory fail with an input/output error:
// page 0 of a process is not mapped. back mends it.
func (r *rig) hide(name string) (back func()) {
	r.t.Helper()
	path := r.file(name)
	check := func(err error) {
		if err != nil {
			r.t.Fatal(err)
		}
	}
	check(os.Rename(path, path+".hidden"))
	check(os.Symlink("/proc/self/mem", path))
	return func() {
		r.t.Helper()
		if target, err := os.Readlink(path); target != "/proc/self/mem" {
			r.t.Errorf("%s was touched: %q, %v", name, target, err)
		}
		check(os.Rename(path+".hidden", path))
	}
}

// faults waits until reported.status.faults has a member, or none of that name.
func (r *rig) faults(name, text string) {
	r.t.Helper()
	var last string
	_, ok := r.events.wait(func(e devcore.Event) bool {
		if e.Kind != devcore.ShadowUpdated || e.Shadow != "" {
			return false
		}
		last = string(e.Document)
		return faultIn(r.t, e, name) == text
	})
	if !ok {
		r.t.Fatalf("the fault of %s never was %q; the last document is %s", name, text, last)
	}
}

// faultIn is a member of reported.status.faults, "" for none.
func faultIn(t *testing.T, e devcore.Event, name string) string {
	t.Helper()
	var doc struct {
		State struct {
			Reported struct {
				Status struct{ Faults map[string]string }
			}
		}
	}
	if err := json.Unmarshal(e.Document, &doc); err != nil {
		t.Fatal(err)
	}
	return doc.State.Reported.Status.Faults[name]
}

// TestStateThatCannotBeRead has the state file fail at a start that finds a pulse
// desired which an earlier run has begun. It is not pulsed again, the file stays as it
// is, and counts and settings are there when it can be read.
func TestStateThatCannotBeRead(t *testing.T) {
	r, p := memory(t)
	r.held("bell", "fan")
	bell, fan := r.moves(lampOffset), r.moves(fanOffset)
	pulse := r.desire("", `{"bell":true}`)
	await(t, bell, 1)
	p.signal(syscall.SIGKILL)
	p.ends()
	back := r.hide(state.FileName)
	p = r.start()
	p.says("level=ERROR", "state file not read; it is left alone", "input/output error")
	r.faults("state", "not read: input/output error")
	e := r.answered("", pulse, `{"ack":{"bell":{"code":500}}}`)
	if got := desired(t, e); got == nil {
		t.Errorf("the pulse is not desired any more: %s", e.Document)
	}
	back()
	p.says("state file can be read again; starting again with it")
	e = r.answered("", e.Version, `{"n":7,"limit":61,"fan":true,"ack":{"bell":{"code":500,"reason":"the pulse was interrupted by a restart"}}}`)
	if text := faultIn(t, e, "state"); text != "" {
		r.faults("state", "")
	}
	if got := bell.all(); len(got) != 2 {
		t.Errorf("the bell moved %v, want one pulse", got)
	}
	if got := fan.all(); len(got) != 0 {
		t.Errorf("the fan moved %v", got)
	}
	v := r.desire("", `{"limit":62}`)
	r.answered("", v, `{"limit":62}`)
	r.remembers("what was there, and what is new", func(s state.State) bool {
		return counted(s) == 7 && fmt.Sprint(s.Properties[thing+"//limit#setting"].Setting) == "62" && s.Outputs["FAN"]
	})
	if !p.running() {
		t.Error("the component ended")
	}
}

// TestStateThatIsMovedAway: somebody who moves the file away wants to go on without.
func TestStateThatIsMovedAway(t *testing.T) {
	r, p := memory(t)
	p.signal(syscall.SIGTERM)
	p.ends()
	text := `{"format":99,"outputs":{}}`
	if err := os.WriteFile(r.file(state.FileName), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p = r.start()
	p.says("state file not read; it is left alone", "a newer version of the component wrote it (format 99")
	v := r.desire("", `{"limit":62}`)
	r.answered("", v, `{"limit":62}`)
	p.says("state not saved; retrying", "left alone")
	if got, err := os.ReadFile(r.file(state.FileName)); string(got) != text {
		t.Errorf("the file has %q, %v", got, err)
	}
	if err := os.Remove(r.file(state.FileName)); err != nil {
		t.Fatal(err)
	}
	p.says("state file holds nothing any more; the state is saved again")
	p.signal(syscall.SIGTERM)
	p.ends()
	r.remembers("what is new", func(s state.State) bool { return fmt.Sprint(s.Properties[thing+"//limit#setting"].Setting) == "62" })
}

// TestDamageCostsTheEntry has one count damaged, and then the end of the file.
func TestDamageCostsTheEntry(t *testing.T) {
	r, p := memory(t)
	p.signal(syscall.SIGTERM)
	p.ends()
	text, err := os.ReadFile(r.file(state.FileName))
	if err != nil {
		t.Fatal(err)
	}
	damaged := strings.Replace(string(text), `"gw//n#count":{"read":true,"count":7`, `"gw//n#count":{"read":true,"count":-7`, 1)
	if damaged == string(text) {
		t.Fatalf("no count in %s", text)
	}
	if err := os.WriteFile(r.file(state.FileName), []byte(damaged), 0o600); err != nil {
		t.Fatal(err)
	}
	p = r.start()
	p.says("level=WARN", "entry of the state file is damaged and left out", `gw//n#count`, "want 0 to 9007199254740992, got -7")
	r.reported("", `{"limit":61,"fan":true}`)
	p.signal(syscall.SIGTERM)
	p.ends()

	cut := strings.Index(string(text), `,"shadows"`)
	if cut < 0 {
		t.Fatalf("no shadows in %s", text)
	}
	if err := os.WriteFile(r.file(state.FileName), text[:cut+10], 0o600); err != nil {
		t.Fatal(err)
	}
	p = r.start()
	p.says("level=ERROR", "state file is broken and set aside; what could be read of it is used", "state.json.2", "the text is cut short")
	r.remembers("what was before the cut", func(s state.State) bool { return counted(s) == 7 && s.Outputs["FAN"] })
	aside, err := filepath.Glob(r.file(state.FileName + ".2*"))
	if err != nil || len(aside) != 1 {
		t.Errorf("set aside: %v, %v", aside, err)
	}
}

// TestEmptyStateIsSaid: a file without text, as a power cut leaves it, is no file
// that nobody wrote.
func TestEmptyStateIsSaid(t *testing.T) {
	r := newRig(t, houseConfig)
	r.simulate()
	r.serve()
	if err := os.WriteFile(r.file(state.FileName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := r.start()
	p.says("level=ERROR", "state file is broken and set aside", "entries=0")
	r.reported("", `{"lights":"off"}`)
}

// TestConfigurationThatCannotBeRead has the kept configuration fail while the nucleus
// is away, and then found again.
func TestConfigurationThatCannotBeRead(t *testing.T) {
	r, p := memory(t)
	p.signal(syscall.SIGTERM)
	p.ends()
	back := r.hide("configuration.json")
	r.stopCore()
	p = r.start()
	p.says("last good configuration not read", "input/output error")
	back()
	p.says("msg=line line=fan")
	r.serve()
	r.faults("configuration", "")
}

// TestDiskThatIsFullShows fills a real disk: nothing is saved, and the status says so
// until there is room.
func TestDiskThatIsFullShows(t *testing.T) {
	r := newRig(t, memoryConfig)
	r.simulate()
	r.serve()
	tmpfs(t, r.work())
	p := r.start()
	r.reported("", `{"n":0}`)
	awaitFile(t, r.file(state.FileName), `"gw//n#count":{`)
	fill, err := os.Create(r.file("fill"))
	if err != nil {
		t.Fatal(err)
	}
	defer fill.Close()
	for err == nil {
		_, err = fill.Write(make([]byte, 4096))
	}
	moves := r.moves(lampOffset)
	v := r.desire("", `{"bell":true,"limit":61}`)
	r.answered("", v, `{"limit":61,"ack":{"bell":{"code":500}}}`)
	r.faults("state", "not saved: no space left on device")
	if status := r.shadowgpio("status"); !strings.Contains(status, "disk: state not saved: no space left on device") {
		t.Errorf("status prints\n%s", status)
	}
	if got := moves.all(); len(got) != 0 {
		t.Errorf("the bell moved %v though that could not be remembered", got)
	}
	if err := os.Remove(fill.Name()); err != nil {
		t.Fatal(err)
	}
	fill.Close()
	p.signal(syscall.SIGTERM) // what could not be saved is saved at the end
	p.ends()
	r.remembers("the setting", func(s state.State) bool { return fmt.Sprint(s.Properties[thing+"//limit#setting"].Setting) == "61" })
	p = r.start()
	p.says("shadow read")
	e := r.reported("", `{"status":{"running":true}}`)
	if text := faultIn(t, e, "state"); text != "" {
		r.faults("state", "")
	}
}

// tmpfs mounts a file system of 64 kB on a directory.
func tmpfs(t *testing.T, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a file system")
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("this machine does not let root mount a file system: ", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// shadowgpio is what a command prints that asks the running component.
func (r *rig) shadowgpio(args ...string) string {
	r.t.Helper()
	p := run(r.t, r.work(), r.environment(), args...)
	p.ends()
	return p.log.String()
}
