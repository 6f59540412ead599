package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/control"
	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
)

// What can be waited out is: three quick ends, and the nucleus calls a component broken.

// A nucleus that ended in disorder leaves its socket, where nobody listens.
func TestSocketThatRefuses(t *testing.T) {
	r := newRig(t, houseConfig)
	r.simulate()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: r.coreAt, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	p := r.start()
	p.says("level=WARN", "connection refused")
	r.serve()
	r.reported("", `{"lights":"off","locked":false}`)
	if !p.running() {
		t.Error("the component ended")
	}
}

// Without the shadow manager its operations are not known
// (aws-greengrass/aws-greengrass-nucleus src/main/java/com/aws/greengrass/ipc/common/ExceptionUtil.java);
// a deployment brings it later.
func TestShadowManagerThatIsDeployedLater(t *testing.T) {
	r := newRig(t, strings.Replace(houseConfig, "{line: LAMP, direction: output}", "{line: LAMP, direction: output, start: on}", 1))
	r.simulate()
	for _, operation := range []string{"GetThingShadow", "UpdateThingShadow"} {
		rule, err := faults.ParseRule(operation + ` refuse ServiceError message "Operation aws.greengrass#` + operation + ` is not supported by Greengrass"`)
		if err != nil {
			t.Fatal(err)
		}
		r.core.Faults().Add(rule)
	}
	r.serve()
	p := r.start()
	p.says("msg=line line=lamp value=on")
	p.says("shadow cannot be read; retrying", "is not supported by Greengrass")
	r.core.Faults().Clear()
	r.reported("", `{"lights":"on","locked":false}`)
	if !p.running() {
		t.Error("the component ended")
	}
}

// Nothing that the work directory holds ends the component: here all its files are
// directories, which cannot be read, written, or replaced.
func TestWorkDirectoryInDisorder(t *testing.T) {
	r := newRig(t, houseConfig)
	r.simulate()
	r.serve()
	for _, name := range []string{"state.json", "configuration.json", "journal.jsonl", control.SocketName} {
		if err := os.MkdirAll(filepath.Join(r.work(), name, "full"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	p := r.start()
	p.says("level=ERROR", "state file not read; it is left alone", "state.json", "got a directory")
	p.says("level=WARN", "configuration not kept for the next start")
	p.says("level=WARN", "journal not written")
	v := r.desire("", `{"lights":"on"}`)
	r.answered("", v, `{"lights":"on","locked":false,"ack":{"lights":{"code":200}}}`)
	p.says("level=ERROR", "state not saved; retrying")
	staysUntilAsked(t, p)
}

// TestStopThoughTheNucleusIsFrozen stops the component while the core is a process
// that takes nothing and answers nothing, and does not go away either.
func TestStopThoughTheNucleusIsFrozen(t *testing.T) {
	r := &rig{t: t, dir: shortDir(t), events: newJournal(), token: "FROZENFROZENFRO1"}
	r.coreAt, r.chipsAt = filepath.Join(r.dir, "ipc.socket"), filepath.Join(r.dir, "chips.socket")
	setup := coreSetup{filepath.Join(r.dir, "core"), r.coreAt, filepath.Join(r.dir, "config.yaml"), r.token}
	if err := os.WriteFile(setup.Config, []byte(houseConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(r.work(), 0o700); err != nil {
		t.Fatal(err)
	}
	r.simulate()
	core := startCore(t, setup, r.events.add)
	p := r.start()
	r.reported("", `{"lights":"off","locked":false}`)
	if _, err := core.call(order{Do: "update", Shadow: "room", Body: []byte(`{"state":{"desired":{"fan":true}}}`)}); err != nil {
		t.Fatal(err)
	}
	r.reported("room", `{"fan":true}`)

	freeze := core.cmd.Process
	if err := freeze.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGTERM)
	kill := time.AfterFunc(4*time.Second, func() { p.cmd.Process.Kill() }) // a nucleus would, after five
	defer kill.Stop()
	if code := p.ends(); code != 0 {
		t.Errorf("exit code %d, want 0 before the nucleus kills", code)
	}
	p.says("stopped before everything was reported")
	if r.level(fanOffset) {
		t.Error("the fan is high, want low as its stop state says")
	}
	awaitFile(t, filepath.Join(r.work(), "state.json"), `"FAN":true`) // as it was before the stop

	// The report that nobody took is made up for by the next start.
	if err := freeze.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	r.chip.SetPull(chipName, doorOffset, true)
	r.start().says("shadow read", "(classic)")
	r.reported("", `{"locked":true}`)
}
