package e2e

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/control"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/holder"
)

// Lines do not wait for what hangs: a disk, the holder, a client.

// hang has every open in a directory wait, by whomever, until release is called or the test
// ends: fanotify(7) asks for a permission that nobody gives.
func hang(t *testing.T, dir string) (release func()) {
	t.Helper()
	fd, err := unix.FanotifyInit(unix.FAN_CLASS_CONTENT|unix.FAN_CLOEXEC, unix.O_RDONLY)
	if err == nil {
		err = unix.FanotifyMark(fd, unix.FAN_MARK_ADD, unix.FAN_OPEN_PERM|unix.FAN_EVENT_ON_CHILD|unix.FAN_ONDIR, unix.AT_FDCWD, dir)
	}
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) {
		t.Skipf("this needs root, and a kernel with permission events: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() { unix.Close(fd) })
	t.Cleanup(release)
	return release
}

const hungConfig = `
lines:
  lamp:   {line: LAMP, direction: output}
  fan:    {line: FAN, direction: output, failsafe: {after: 1s, set: on}, maxOn: 2s}
  button: {line: DOOR, direction: input}
controls:
  lamp: {input: button, output: lamp, action: toggle}
shadows:
  main: {properties: {pressed: {line: button}, fan: {line: fan}}}
`

// endsInTime asks for the end, and requires that it comes before a nucleus would kill.
func endsInTime(t *testing.T, p *process) {
	t.Helper()
	// A nucleus kills after 5 s.
	kill := time.AfterFunc(slowdown*4900*time.Millisecond, func() { p.cmd.Process.Kill() })
	defer kill.Stop()
	p.signal(syscall.SIGTERM)
	if code := p.ends(); code != 0 {
		t.Errorf("exit code %d, want 0 before the nucleus kills", code)
	}
}

// TestDiskThatHangs has the work directory hang while the component runs. Buttons, longest
// times and fail-safe states go on, the control socket answers, and a stop comes to an end.
func TestDiskThatHangs(t *testing.T) {
	t.Parallel()
	r := newRig(t, hungConfig)
	r.simulate()
	r.serve()
	p := r.start()
	r.reported("", `{"pressed":false,"fan":false}`)
	r.held("fan", "lamp")
	lamp, fan := r.moves(lampOffset), r.moves(fanOffset)
	hang(t, r.work())

	const presses = 20
	for n := range presses {
		r.press(doorOffset)
		await(t, lamp, n+1)
	}
	r.desire("", `{"fan":true}`)
	await(t, fan, 2) // on, and off after its longest time
	c, err := control.Dial(filepath.Join(r.work(), control.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Status(); err != nil {
		t.Error(err)
	}
	if entries, err := c.Journal(100); err != nil || len(entries) < presses {
		t.Errorf("the journal shows %d changes, %v; want %d and more", len(entries), err, presses)
	}
	if err := r.deploy(strings.Replace(hungConfig, "maxOn: 2s", "maxOn: 1h", 1)); err != nil {
		t.Fatal(err)
	}
	p.says("configuration changes")
	r.stopCore()
	await(t, fan, 3) // its fail-safe state
	endsInTime(t, p)
}

// TestDiskThatHangsAtTheStart starts the component on a disk that does not answer. Lines
// are late then, and work.
func TestDiskThatHangsAtTheStart(t *testing.T) {
	t.Parallel()
	r := newRig(t, hungConfig)
	r.simulate()
	r.serve()
	lamp := r.moves(lampOffset)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "run")
	cmd.Dir, cmd.Env = r.work(), append(environ(), r.environment()...)
	hang(t, r.work())
	p := start(t, cmd)
	p.says("work directory is not locked")
	r.reported("", `{"pressed":false}`)
	r.press(doorOffset)
	await(t, lamp, 1)
	endsInTime(t, p)
}

// TestStuckClientsOfTheControlSocket has clients that ask and do not read.
func TestStuckClientsOfTheControlSocket(t *testing.T) {
	t.Parallel()
	r := newRig(t, hungConfig)
	r.simulate()
	r.serve()
	p := r.start()
	r.reported("", `{"pressed":false}`)
	path := filepath.Join(r.work(), control.SocketName)
	for range 20 {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetWriteDeadline(time.Now().Add(time.Second))
		conn.Write([]byte(strings.Repeat("{\"op\":\"status\"}\n", 500) + "{\"op\":\"watch\"}\n")) // as much as it takes
	}
	lamp := r.moves(lampOffset)
	for n := range 100 {
		r.press(doorOffset)
		await(t, lamp, n+1)
	}
	endsInTime(t, p)
}

// holderPID is the process that listens on the holder's socket.
func (r *rig) holderPID() int {
	r.t.Helper()
	conn, err := net.Dial("unixpacket", filepath.Join(r.work(), holder.SocketName))
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		r.t.Fatal(err)
	}
	var peer *unix.Ucred
	raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err != nil {
		r.t.Fatal(err)
	}
	return int(peer.Pid)
}

const beatConfig = `
lines:
  lamp:  {line: LAMP, direction: output}
  fan:   {line: FAN, direction: output}
  five:  {line: 5, chip: board, direction: output}
  six:   {line: 6, chip: board, direction: output}
  seven: {line: 7, chip: board, direction: output}
shadows:
  main:
    properties:
      beat: {line: lamp, blink: {on: 20ms, off: 20ms}}
      fan: {line: fan}
`

// TestLinesBeatWhileTheHolderHangs stops the holder, and deploys a configuration that has
// fewer outputs. A line that beats keeps its time, and what is gone is free in the end.
func TestLinesBeatWhileTheHolderHangs(t *testing.T) {
	r := newRig(t, beatConfig)
	r.simulate()
	r.serve()
	p := r.start()
	r.reported("", `{"fan":false}`)
	r.held("fan", "five", "lamp", "seven", "six")
	changes := r.chip.Watch(t.Context())
	r.desire("", `{"beat":true,"fan":true}`)
	r.reported("", `{"fan":true}`)

	pid := r.holderPID()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(pid, syscall.SIGCONT) })
	smaller := strings.Join(strings.SplitAfter(beatConfig, "\n")[:3], "") + "shadows: {main: {properties: {beat: {line: lamp, blink: {on: 20ms, off: 20ms}}}}}\n"
	if err := r.deploy(smaller); err != nil {
		t.Fatal(err)
	}
	p.says("configuration changes")
	var last time.Time
	var longest time.Duration
	for beats := 0; beats < 50; { // what came so far, and two seconds more
		select {
		case c := <-changes:
			if c.Offset != lampOffset {
				continue
			}
			if !last.IsZero() {
				longest = max(longest, c.Time.Sub(last))
			}
			last = c.Time
			if len(changes) == 0 {
				beats++
			}
		case <-time.After(patience):
			t.Fatal("the lamp does not beat")
		}
	}
	// A wait for the holder was a second and more; a loaded machine is late, too.
	if longest > 700*time.Millisecond {
		t.Errorf("the lamp stood still for %v", longest)
	}
	awaitTrue(t, "lines that are free", func() bool {
		infos, err := r.chip.LineInfos(chipName)
		if err != nil {
			t.Fatal(err)
		}
		return !infos[fanOffset].Used && !infos[5].Used && !infos[6].Used && !infos[7].Used
	})
}

// TestSocketsComeBack deletes both sockets of a running component.
func TestSocketsComeBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, houseConfig)
	r.simulate()
	r.serve()
	p := r.start()
	v := r.desire("room", `{"fan":true}`)
	r.answered("room", v, `{"fan":true,"ack":{"fan":{"code":200}}}`)
	r.held("fan", "lamp")
	for _, name := range []string{control.SocketName, holder.SocketName} {
		if err := os.Remove(filepath.Join(r.work(), name)); err != nil {
			t.Fatal(err)
		}
	}
	r.held("fan", "lamp") // which asks the control socket
	lamp := r.moves(lampOffset)
	p.cmd.Process.Kill()
	<-p.done
	p = r.start()
	p.says("line goes on as it was held", "line=fan")
	v = r.desire("", `{"lights":"on"}`)
	r.answered("", v, `{"lights":"on","ack":{"lights":{"code":200}}}`)
	await(t, lamp, 1)
}
