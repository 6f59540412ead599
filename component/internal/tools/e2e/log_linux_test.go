package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/control"
)

const unreadConfig = `
logLevel: debug
lines:
  lamp:   {line: LAMP, direction: output}
  fan:    {line: FAN, direction: output, failsafe: {after: 1s, set: on}}
  beat:   {line: 5, chip: board, direction: output}
  button: {line: DOOR, direction: input}
controls:
  lamp: {input: button, output: lamp, action: toggle}
shadows:
  main: {properties: {pressed: {line: button}, beat: {line: beat, blink: {on: 10ms, off: 10ms}}}}
`

// TestLinesDoNotWaitForTheLog gives the component a pipe for its log that nobody
// reads, as a nucleus that hangs would, until it is full; then the reader dies, as a
// nucleus that is killed does. Buttons and fail-safe states go on.
func TestLinesDoNotWaitForTheLog(t *testing.T) {
	r := newRig(t, unreadConfig)
	r.simulate()
	r.serve()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(write.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "run")
	cmd.Dir, cmd.Env = r.work(), append(environ(), r.environment()...)
	cmd.Stdout, cmd.Stderr = write, write
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { cmd.Process.Kill(); <-ended })
	r.reported("", `{"pressed":false}`)

	lamp, fan := r.moves(lampOffset), r.moves(fanOffset)
	r.desire("", `{"beat":true}`) // each beat is a line of log
	client, err := control.Dial(filepath.Join(r.work(), control.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	presses := 0
	for dropped := int64(0); dropped == 0; {
		for range 10 {
			r.press(doorOffset)
			presses++
			await(t, lamp, presses)
		}
		status, err := client.Status()
		if err != nil {
			t.Fatal(err)
		}
		dropped = status.LogDropped
	}
	read.Close()
	for n := range 5 {
		r.press(doorOffset)
		await(t, lamp, presses+n+1)
	}
	r.stopCore()
	await(t, fan, 1)
	if !fan.all()[0] {
		t.Error("the fan moved to off, want its fail-safe state on")
	}
	r.press(doorOffset)
	await(t, lamp, presses+6)
	select {
	case err := <-ended:
		ended <- err
		t.Errorf("the component ended: %v", err)
	default:
	}
}
