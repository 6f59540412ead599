package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/holder"
)

// shadowctl runs one command to its end.
func shadowctl(t *testing.T, dir string, args ...string) (output string, code int) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(environ(), roleVariable+"=shadowctl", "SHADOWGPIO_DEV_DIR="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func startDev(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	return run(t, dir, []string{roleVariable + "=shadowctl", "SHADOWGPIO_DEV_DIR=" + dir}, append([]string{"dev"}, args...)...)
}

// TestDevShowsDeviceAndCloud cuts the link and sees both sides go their own ways.
func TestDevShowsDeviceAndCloud(t *testing.T) {
	dir := shortDir(t)
	dev := startDev(t, dir)
	dev.says("aws --endpoint-url http://127.0.0.1:", "iot-data get-thing-shadow --thing-name MyGateway")
	dev.says("cloud ", "MyGateway (classic) version 1: reported lights=off")
	awaitTrue(t, "the same on both sides", func() bool { _, code := shadowctl(t, dir, "compare"); return code == 0 })
	shadowctl(t, dir, "link", "down")
	if out, code := shadowctl(t, dir, "set", "lights=on", "--wait", "30s", "--core"); code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	out, code := shadowctl(t, dir, "compare")
	if code != 1 || !regexp.MustCompile(`lights +on +on +- +off +differs`).MatchString(out) {
		t.Errorf("with the link cut: exit code %d\n%s", code, out)
	}
	shadowctl(t, dir, "link", "up")
	dev.says("cloud ", "MyGateway (classic) version 2: desired lights=on")
	awaitTrue(t, "the same on both sides again", func() bool { _, code := shadowctl(t, dir, "compare"); return code == 0 })
	dev.signal(syscall.SIGINT)
	if code := dev.ends(); code != 0 {
		t.Errorf("exit code %d after ^C, want 0", code)
	}
}

// TestDevLite is a nucleus lite, whose component is told to use no transport.
func TestDevLite(t *testing.T) {
	dir := shortDir(t)
	dev := startDev(t, dir, "--lite")
	dev.says("ShadowGPIO development core (nucleus lite), thing MyGateway")
	dev.says("cloud ", "MyGateway (classic) version 1: reported lights=off")
	if out, code := shadowctl(t, dir, "set", "lights=on", "--wait", "30s"); code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
	dev.says("line ", "GPIO17 is high")
	shadowctl(t, dir, "link", "down")
	shadowctl(t, dir, "set", "lights=off")
	shadowctl(t, dir, "link", "up")
	shadowctl(t, dir, "press", "door") // its report shows what was missed, which only looking now and then would find
	dev.says("line ", "GPIO17 is low")
	if out, code := shadowctl(t, dir, "get", "--core"); code != 1 || !strings.Contains(out, "(ServiceError)") {
		t.Errorf("of a shadow manager that is not there: exit code %d, %s", code, out)
	}
	dev.signal(syscall.SIGINT)
	dev.ends()
}

// TestDev is the README's first command and what it says to try.
func TestDev(t *testing.T) {
	dir := shortDir(t)
	dev := startDev(t, dir)
	dev.says("shadow", "MyGateway (classic) version 1: reported lights=off locked=false, by "+componentName)
	dev.says("MyGateway/room version 1: reported fan=false motion=false")
	pid := componentPID(t, dev)

	for _, c := range []struct {
		args  string
		code  int
		wants []string
	}{
		{"set lights=on --wait 30s", 0, []string{"desired in shadow MyGateway (classic), version 2", "lights: done (200)"}},
		{"get", 0, []string{"PROPERTY", "DESIRED", "REPORTED", "ANSWER", "on", "200 at version 2"}},
		{"get --json", 0, []string{`"lights": "on"`, `"metadata"`}},
		{"set lights=on --wait 30s", 0, []string{"lights: done (200)"}},
		{"set lights=blue horn=1 --wait 30s", 4, []string{`lights: refused (400): want "off" or "on", got "blue"`, "horn: refused (404): no such property"}},
		{"set lights=off --wait 30s --mqtt --json", 0, []string{`"outcome": "done"`, `"code": 200`}},
		{"set lights=on --wait 30s --core", 0, []string{"lights: done (200)"}},
		{"set lights=null", 0, []string{"desired in shadow MyGateway (classic)"}},
		{"set fan=true --shadow room --wait 30s", 0, []string{"fan: done (200)"}},
		{"set x=1 --shadow nobody --wait 300ms", 3, []string{"x: unanswered"}},
		{"get --core", 0, []string{"lights", "locked"}},
		{"get --core --mqtt", 1, []string{"--core goes with none of"}},
		{"list", 0, []string{"SHADOW", "(classic)", "room", "workshop"}},
		{"list --json", 0, []string{`"shadow": "room"`}},
		{"get extra", 2, []string{`unexpected argument "extra"`}},
		{"watch --show everything", 2, []string{`--show: want some of`, `got "everything"`}},
		{"get --shadow unheard-of", 1, []string{"get shadow MyGateway/unheard-of: 404 No shadow exists with name"}},
		{"set lights", 2, []string{`want PROPERTY=VALUE, got "lights"`}},
		{"press door", 0, nil},
		{"press nothing", 1, []string{"nothing", "no such line; want its name, its offset, or a label of the configuration: bell, button, door"}},
		{"set lights=on --wait -1s", 2, []string{"--wait: want 0s or more, got -1s"}},
		{"hold motion soon", 2, []string{`want a duration such as 2s, got "soon"`}},
		{"hold motion 50ms", 0, nil},
		{"bounce GPIO23", 0, nil},
		{"press 23", 0, nil},
		{"release 23", 0, nil},
		{"certificate my-lamp", 0, []string{"ca ", "ca.pem", "my-lamp.pem", "my-lamp.key"}},
		{"certificate ../x", 2, []string{"name of a certificate: want 1 to 128"}},
		{"link slow 1ms", 0, nil},
		{"link slow soon", 2, []string{`link slow: want a DURATION from 0s to 1m0s, got "soon"`}},
		{"delete --shadow room", 0, []string{"shadow MyGateway/room deleted"}},
		{"dev", 1, []string{"another shadowctl dev uses"}},
		{"frobnicate", 2, []string{`unknown command "frobnicate"`}},
		{"help", 0, []string{"Device shadows, in the cloud or in shadowctl dev:", "Development, with shadowctl dev:", "bounce"}},
	} {
		out, code := shadowctl(t, dir, strings.Fields(c.args)...)
		if code != c.code {
			t.Errorf("shadowctl %s: exit code %d, want %d; it printed\n%s", c.args, code, c.code, out)
		}
		for _, want := range c.wants {
			if !strings.Contains(out, want) {
				t.Errorf("shadowctl %s: no %q in\n%s", c.args, want, out)
			}
		}
	}
	dev.says("line ", "GPIO17 is high, driven by shadowgpio lamp")
	dev.says("line ", "GPIO27 is low, by hand")
	dev.says("reported", "locked=true")
	dev.says("after", "changes more")

	dev.signal(syscall.SIGINT)
	if code := dev.ends(); code != 0 {
		t.Errorf("exit code %d after ^C, want 0", code)
	}
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("the component's process %d is still there: %v", pid, err)
	}
	for _, name := range []string{"ipc.socket", "chips.socket", "contact.json"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
	if conn, err := net.Dial("unixpacket", filepath.Join(dir, "work", holder.SocketName)); err == nil {
		conn.Close()
		t.Error("the holder of the outputs is still there")
	}
	if out, code := shadowctl(t, dir, "get"); code != 1 || !strings.Contains(out, "want --thing NAME") {
		t.Errorf("get without a core: %d, %s", code, out)
	}
}

var startedLine = regexp.MustCompile(`started, process (\d+)`)

// componentPID waits for a start of the component that is none of the earlier ones.
func componentPID(t *testing.T, dev *process, earlier ...int) (pid int) {
	t.Helper()
	_, ok := dev.log.wait(func(line string) bool {
		found := startedLine.FindStringSubmatch(line)
		if found == nil {
			return false
		}
		pid, _ = strconv.Atoi(found[1])
		return !slices.Contains(earlier, pid)
	})
	if !ok {
		t.Fatalf("the component was not started again; log\n%s", dev.log)
	}
	return pid
}

// TestDevRestartsAComponentWhateverItDiedOf ends the component in all ways from outside,
// more often than a nucleus forgives.
func TestDevRestartsAComponentWhateverItDiedOf(t *testing.T) {
	dir := shortDir(t)
	dev := startDev(t, dir)
	dev.says("MyGateway (classic) version 1")
	var pids []int
	for _, c := range []struct {
		sig  syscall.Signal
		says string
	}{
		{syscall.SIGKILL, "ended with signal: killed; started again in "},
		{syscall.SIGTERM, "ended with exit status 0, where a nucleus leaves it FINISHED; started again in "},
		{syscall.SIGHUP, "started again in "},
		{syscall.SIGKILL, "ended with signal: killed; started again in "},
	} {
		if signal.Ignored(c.sig) { // as by nohup
			continue
		}
		pid := componentPID(t, dev, pids...)
		awaitTrue(t, "a running component", func() bool {
			return strings.Count(dev.log.String(), "io.shadowgpio.ShadowGpio is RUNNING") > len(pids)
		})
		if err := syscall.Kill(pid, c.sig); err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
		dev.says(c.says)
	}
	componentPID(t, dev, pids...)
	if out, code := shadowctl(t, dir, "set", "lights=on", "--wait", "30s"); code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
	shadowctl(t, dir, "component", "stop")
	awaitTrue(t, "a stopped component", func() bool {
		out, _ := shadowctl(t, dir, "component", "list")
		return strings.Contains(out, "FINISHED")
	})
	dev.signal(syscall.SIGTERM)
	if code := dev.ends(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// TestDevAndABrokenComponent breaks the component's work directory, and mends it.
func TestDevAndABrokenComponent(t *testing.T) {
	dir := shortDir(t)
	dev := startDev(t, dir)
	dev.says("MyGateway (classic) version 1")
	pid := componentPID(t, dev)
	work := filepath.Join(dir, "work")
	if err := os.Rename(work, work+".kept"); err != nil { // no process can be started in it
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	dev.says("not started", "after 3 failures in its start a nucleus leaves it BROKEN. Mend the cause, then: shadowctl component restart")
	if err := os.Rename(work+".kept", work); err != nil {
		t.Fatal(err)
	}
	shadowctl(t, dir, "component", "restart")
	dev.says("started again after a request")
	componentPID(t, dev, pid)
	if out, code := shadowctl(t, dir, "set", "lights=on", "--wait", "30s"); code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
	dev.signal(syscall.SIGTERM)
	dev.ends()
}

// TestDevEndsWithItsTerminal closes the terminal of dev, which then ends in order.
func TestDevEndsWithItsTerminal(t *testing.T) {
	if signal.Ignored(syscall.SIGHUP) {
		t.Skip("whoever runs the tests has SIGHUP ignored, as nohup does")
	}
	dir := shortDir(t)
	dev := startDev(t, dir)
	dev.says("MyGateway (classic) version 1")
	pid := componentPID(t, dev)
	dev.signal(syscall.SIGHUP)
	if code := dev.ends(); code != 0 {
		t.Errorf("exit code %d after SIGHUP, want 0", code)
	}
	awaitEnd(t, pid)
	if _, err := os.Lstat(filepath.Join(dir, "contact.json")); !os.IsNotExist(err) {
		t.Errorf("the contact is still there: %v", err)
	}
}

// TestDevWhoseOutputIsHeld stops reading what dev prints. Its parts go on.
func TestDevWhoseOutputIsHeld(t *testing.T) {
	dir := shortDir(t)
	_, output := startRead(t, dir, "dev")
	readUntil(t, output, "MyGateway/workshop version 1: reported", "cloud ")
	for i := range 40 { // dev prints each twice; a pipe takes 64 KiB
		if out, code := shadowctl(t, dir, "set", fmt.Sprintf("note=%d%s", i, strings.Repeat("x", 3000))); code != 0 {
			t.Fatalf("exit code %d: %s", code, out)
		}
	}
	if out, code := shadowctl(t, dir, "set", "lights=on", "--wait", "30s"); code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
}

func TestDevKilledTakesTheComponentWithIt(t *testing.T) {
	dir := shortDir(t)
	dev := startDev(t, dir)
	dev.says("MyGateway (classic) version 1")
	pid := componentPID(t, dev)
	dev.signal(syscall.SIGKILL)
	dev.ends()
	awaitEnd(t, pid)
	// What it left behind is in nobody's way.
	dev = startDev(t, dir)
	dev.says("shadow read")
	dev.signal(syscall.SIGTERM)
	dev.ends()
}

func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	// A process that is not our child can only be asked after.
	awaitTrue(t, "end of the component", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH || zombie(pid) })
}

// zombie reports whether a process has ended and only waits to be buried.
func zombie(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func TestDevRefusesWhatCannotStart(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("lines: {lamp: {line: X, direction: output, drvie: push-pull}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"dev", "--config", bad}, 1, `did you mean "drive"?`},
		{[]string{"dev", "--config", "/no/such/file"}, 1, "no such file"},
		{[]string{"dev", "--chip", "gpiochip0"}, 2, "--lamp LINE and --door LINE"},
		{[]string{"dev", "now"}, 2, `unexpected argument "now"`},
		{[]string{"dev", "--bogus"}, 2, "bogus"},
	} {
		dir := shortDir(t)
		out, code := shadowctl(t, dir, c.args...)
		if code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("shadowctl %v: exit code %d, want %d, and %q in\n%s", c.args, code, c.code, c.want, out)
		}
		if text, err := os.ReadFile(filepath.Join(dir, "config.yaml")); err == nil {
			t.Errorf("shadowctl %v keeps the configuration\n%s", c.args, text)
		}
	}
}
