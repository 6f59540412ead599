package e2e

import (
	"syscall"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable/printabletest"
)

// TestHostileKeys requests a property with a hostile name and value, and reads what the
// programs print that show changes as they happen.
func TestHostileKeys(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	dev := startDev(t, dir)
	dev.says("cloud ", "MyGateway (classic) version 1")
	watch := run(t, dir, []string{roleVariable + "=shadowctl", "SHADOWGPIO_DEV_DIR=" + dir}, "watch", "--show", "documents,delta,accepted,rejected,presence")
	watch.says("watching ")
	person := run(t, dir, []string{roleVariable + "=shadowctl", "SHADOWGPIO_DEV_DIR=" + dir}, "interactive")
	person.says("PROPERTY", "ANSWER")

	key := "x\x1b[2J\u202e\a\u009b31m\n" + printabletest.Forged
	person.types(`x=1`) // proves that its input is read
	person.says("documents", "desired x")
	if out, code := shadowctl(t, dir, "set", key+"="+key); code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	shown := string(printable.Text(key))
	dev.says("cloud ", shown)
	dev.says("shadow ", shown, "ack.")
	dev.says("component", printabletest.Forged)
	watch.says("documents", "desired "+shown)
	watch.says("delta", shown+"=")
	watch.says("accepted", "ack."+shown)
	person.says("documents", "desired "+shown)
	for _, p := range []*process{watch, person, dev} {
		if raw := printabletest.Raw(p.log.String()); raw != "" {
			t.Errorf("%q printed %s:\n%q", p.cmd.Args[1:], raw, p.log.String())
		}
		p.signal(syscall.SIGINT)
		p.ends()
	}
}
