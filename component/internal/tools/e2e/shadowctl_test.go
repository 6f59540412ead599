package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/pki"
)

// TestShadowctlScripts types the commands of testdata/shadowctl, each file beside a
// shadowctl dev of its own; see [TestScripts] for what there is besides the commands
// of testscript. $HTTP, $HTTPS and $MQTT are its cloud, $CA, $CERTIFICATE and $KEY files.
func TestShadowctlScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/shadowctl/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts: ", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			dir := shortDir(t)
			dev := startDev(t, dir)
			t.Cleanup(func() { // after the scripts, which run beside each other
				dev.signal(syscall.SIGINT)
				dev.ends()
			})
			dev.says("cloud ", "MyGateway (classic) version 1")
			dev.says("cloud ", "MyGateway/workshop version 1")
			at := contactOf(t, dir).Cloud
			authority, err := pki.Open(filepath.Join(dir, "cloud", cloud.CertificatesDir))
			if err != nil {
				t.Fatal(err)
			}
			pair, err := authority.Client("application")
			if err != nil {
				t.Fatal(err)
			}
			testscript.Run(t, testscript.Params{
				Files:               []string{file},
				RequireExplicitExec: true,
				Setup: func(env *testscript.Env) error {
					for name, value := range map[string]string{
						"SHADOWGPIO_DEV_DIR": dir, "GORACE": "atexit_sleep_ms=0",
						"HTTP": at.HTTP, "HTTPS": at.HTTPS, "MQTT": at.MQTT,
						"CA": at.CA, "CERTIFICATE": pair.Certificate, "KEY": pair.Key,
					} {
						env.Setenv(name, value)
					}
					return nil
				},
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"code": code, "until": until, "until-stdout": untilStdout,
				},
			})
		})
	}
}

// devContact is the part of shadowctl dev's contact file that tests read.
type devContact struct {
	Cloud struct{ MQTT, HTTPS, HTTP, CA string }
}

func contactOf(t *testing.T, dir string) (c devContact) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "contact.json"))
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestWatchAndInteractive plays the application in two terminals.
func TestWatchAndInteractive(t *testing.T) {
	dir := shortDir(t)
	dev := startDev(t, dir)
	dev.says("cloud ", "MyGateway (classic) version 1")
	env := []string{roleVariable + "=shadowctl", "SHADOWGPIO_DEV_DIR=" + dir}
	watch := run(t, dir, env, "watch", "--show", "documents,delta,accepted,rejected,presence")
	watch.says("watching $aws/things/MyGateway/shadow/+/+")
	programs := run(t, dir, env, "watch", "--json")
	programs.says(`watching`)

	person := run(t, dir, env, "interactive")
	person.types("get")
	person.says("PROPERTY", "DESIRED", "REPORTED", "ANSWER")
	person.types("lights=on")
	person.says("documents", "reported lights: off → on")
	person.types("lights=blue")
	person.says("ack lights: 400 want \"off\" or \"on\", got \"blue\"")
	person.types("lights={\"a\": 1}")
	person.says(`desired lights: blue → {"a":1}`)
	person.types("shadow room")
	person.says("shadow MyGateway/room")
	person.types("fan=true")
	person.says("MyGateway/room", "reported fan: false → true")
	person.types("nonsense")
	person.says(`want PROPERTY=VALUE, got "nonsense"; help tells what can be typed`)
	person.types("help")
	person.says("go to a named shadow")

	watch.says("delta", "MyGateway (classic)", "lights=on")
	watch.says("documents", "desired lights: - → on")
	watch.says("accepted", "reported ack.lights=200", "lights=on")
	programs.says(`"kind":"documents"`, `"section":"reported","key":"lights","old":"off","new":"on"`)
	if out, code := shadowctl(t, dir, "get", "--mqtt", "--shadow", "nobody"); code != 1 || !strings.Contains(out, "404") {
		t.Errorf("exit code %d: %s", code, out)
	}
	watch.says("rejected", "MyGateway/nobody", "get: 404")
	shadowctl(t, dir, "delete", "--shadow", "room")
	watch.says("MyGateway/room", "deleted")
	shadowctl(t, dir, "link", "down")
	watch.says("presence", "MyGateway", "disconnected")
	shadowctl(t, dir, "link", "up")
	watch.says("presence", "MyGateway", "connected")

	person.types("quit")
	for name, p := range map[string]*process{"interactive": person, "watch": watch, "watch --json": programs} {
		if p != person {
			p.signal(syscall.SIGINT)
		}
		if code := p.ends(); code != 0 {
			t.Errorf("%s: exit code %d, want 0", name, code)
		}
	}
	dev.signal(syscall.SIGINT)
	dev.ends()
}
