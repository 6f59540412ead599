// Package scripts has the tests of the scripts that are run by hand.
package scripts

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const component = "io.shadowgpio.ShadowGpio"

// byHand are the scripts that people call, as opposed to those that tests call.
var byHand = []string{
	"build.sh", "collect-debug.sh", "gdk-build.sh", "kernel.sh", "local-deploy.sh", "project.sh", "setup-gateway.sh", "test.sh",
}

func TestUsage(t *testing.T) {
	for _, script := range byHand {
		out, code := run(t, nil, "./"+script, "--help")
		if code != 0 || !strings.Contains(out, "usage: "+script) {
			t.Errorf("%s --help: exit code %d, it printed\n%s", script, code, out)
		}
	}
}

// TestDeploymentIsDescribed holds DEPLOYMENT.md to what there is: the scripts that it
// calls with their options, and a place for each configuration.
func TestDeploymentIsDescribed(t *testing.T) {
	text, err := os.ReadFile("../component/docs/operate/DEPLOYMENT.md")
	if err != nil {
		t.Fatal(err)
	}
	calls := regexp.MustCompile(`scripts/([a-z-]+\.sh)((?: --[a-z]+(?: [^ -][^ ]*)?)*)`).FindAllStringSubmatch(string(text), -1)
	if len(calls) < 5 {
		t.Fatalf("calls of scripts: %q", calls)
	}
	for _, call := range calls {
		usage, code := run(t, nil, "./"+call[1], "--help")
		if code != 0 {
			t.Errorf("%s: exit code %d", call[1], code)
		}
		for _, option := range regexp.MustCompile("--[a-z]+").FindAllString(call[2], -1) {
			if !strings.Contains(usage, option) {
				t.Errorf("%s has no option %s", call[1], option)
			}
		}
	}
	configurations, err := filepath.Glob("../recipes/local/*.json")
	if err != nil || len(configurations) == 0 {
		t.Fatal("no configurations: ", err)
	}
	for _, file := range configurations {
		if link := "](../../" + filepath.ToSlash(file) + ")"; !strings.Contains(string(text), link) {
			t.Errorf("%s is not described", file)
		}
	}
}

func TestWrongArguments(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"./build.sh", "--arch", "riscv64"}, 2, "--arch: want one of amd64 arm64 arm, got 'riscv64'"},
		{[]string{"./build.sh", "--out"}, 2, "--out: want a directory"},
		{[]string{"./build.sh", "all"}, 2, "unexpected argument 'all'"},
		{[]string{"./gdk-build.sh", "--fast"}, 2, "unexpected argument '--fast'"},
		{[]string{"./project.sh"}, 2, "usage:"},
		{[]string{"./local-deploy.sh", "--user"}, 2, "--user: want a value"},
		{[]string{"./local-deploy.sh", "now"}, 2, "unexpected argument 'now'"},
		{[]string{"./local-deploy.sh", "--build", "/nonexistent"}, 1, "want /nonexistent/recipes/recipe.yaml"},
		{[]string{"./setup-gateway.sh", "--group", "a b"}, 2, "--group: want a name of letters"},
		{[]string{"./setup-gateway.sh", "--dry-run", "--user", "nobody-of-that-name"}, 1, "want a user nobody-of-that-name, got none"},
		{[]string{"./collect-debug.sh", "--lines", "many"}, 2, "--lines: want a number, got 'many'"},
		{[]string{"./collect-debug.sh", "--root"}, 2, "--root: want a value"},
	} {
		out, code := run(t, nil, c.args[0], c.args[1:]...)
		if code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%v: exit code %d, want %d, and it printed, without %q:\n%s", c.args, code, c.code, c.want, out)
		}
	}
}

// TestVersionComesFromOnePlace lets project.sh read configurations that are not what
// it takes.
func TestVersionComesFromOnePlace(t *testing.T) {
	text, err := os.ReadFile("../gdk-config.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ what, old, new, want string }{
		{"version", `"version": "`, `"version": "9.8.7-dev.1", "was": "`, "want [0-9]+"}, // two members on a line
		{"version", `"1.0.0"`, `"NEXT_PATCH"`, "got 'NEXT_PATCH'"},
		{"version", `"1.0.0"`, `"2.3.4-dev.1"`, "2.3.4-dev.1\n"},
		{"author", `"ShadowGPIO"`, `"a/b"`, "got 'a/b'"},
		{"name", component, "com.example.Other", "com.example.Other\n"},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "gdk-config.json"), strings.Replace(string(text), c.old, c.new, 1), 0o644)
		script, err := os.ReadFile("project.sh")
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "scripts/project.sh"), string(script), 0o755)
		out, code := run(t, nil, filepath.Join(dir, "scripts/project.sh"), c.what)
		if !strings.Contains(out, c.want) || (code == 0) != strings.HasSuffix(c.want, "\n") {
			t.Errorf("%s with %s: exit code %d, it printed, without %q: %s", c.what, c.new, code, c.want, out)
		}
	}
}

// gateway is a directory with a greengrass-cli that notes what it is asked, and the
// output of a build.
type gateway struct{ root, build string }

func newGateway(t *testing.T, status string) gateway {
	t.Helper()
	g := gateway{root: filepath.Join(t.TempDir(), "v2"), build: t.TempDir()}
	write(t, filepath.Join(g.root, "bin/greengrass-cli"), fmt.Sprintf(`#!/bin/sh
printf '%%s|' "$@" >>%[1]s/asked
echo >>%[1]s/asked
case "$1 $2" in
  'deployment create')
    find "$4" "$6" -type f | sed "s|^$(dirname "$4")/||" | sort >%[1]s/deployed
    echo 'Local deployment submitted! Deployment Id: 1234' ;;
  'deployment status') printf '1234: %%s\nCreated on: today\n' %[2]s ;;
  'component details') [ ! -e %[1]s/details ] || cat %[1]s/details ;;
esac
`, g.root, status), 0o755)
	write(t, filepath.Join(g.build, "recipes/recipe.yaml"), "ComponentName: "+component+"\nComponentVersion: \"1.0.0\"\n", 0o644)
	write(t, filepath.Join(g.build, "recipes/e2e_test_recipe.yaml"), "ComponentName: "+component+"\n", 0o644)
	write(t, filepath.Join(g.build, "artifacts", component, "1.0.0/shadowgpio-linux-arm"), "program", 0o755)
	return g
}

func (g gateway) deploy(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	return run(t, nil, "./local-deploy.sh", append([]string{"--root", g.root, "--build", g.build}, args...)...)
}

// asked are the commands that greengrass-cli was given.
func (g gateway) asked(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(g.root, "asked"))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "|\n"), "|\n")
}

func TestLocalDeploy(t *testing.T) {
	g := newGateway(t, "SUCCEEDED")
	config := filepath.Join(t.TempDir(), "config.json")
	write(t, config, `{"x": {"MERGE": {}}}`, 0o644)
	out, code := g.deploy(t, "--user", "someone:gpio", "--config", config)
	if code != 0 || !strings.Contains(out, "1234: SUCCEEDED") {
		t.Fatalf("exit code %d, it printed\n%s", code, out)
	}
	asked := g.asked(t)
	for _, want := range []string{
		"|--merge|" + component + "=1.0.0|", "|--runWith|" + component + ":posixUser=someone:gpio|", `|--update-config|{"x": {"MERGE": {}}}`,
	} {
		if !slices.ContainsFunc(asked, func(s string) bool {
			return strings.HasPrefix(s, "deployment|create|") && strings.Contains(s+"|", want)
		}) {
			t.Errorf("no deployment with %s was asked for, but %q", want, asked)
		}
	}
	if slices.Contains(asked, "component|restart|--names|"+component) {
		t.Error("a component that is new was restarted")
	}
	// What else gdk leaves beside the recipe would be taken for one.
	deployed, err := os.ReadFile(filepath.Join(g.root, "deployed"))
	want := "artifacts/" + component + "/1.0.0/shadowgpio-linux-arm\nrecipes/" + component + "-1.0.0.yaml\n"
	if err != nil || string(deployed) != want {
		t.Errorf("deployed\n%s%v, want\n%s", deployed, err, want)
	}
}

func TestLocalDeployRestartsTheSameVersion(t *testing.T) {
	for version, restarted := range map[string]bool{"1.0.0": true, "0.9.0": false, "1.0.0-dev": false} {
		g := newGateway(t, "SUCCEEDED")
		write(t, filepath.Join(g.root, "details"), "Component Name: x\n    Version: "+version+"\n", 0o644)
		if out, code := g.deploy(t); code != 0 {
			t.Fatalf("exit code %d, it printed\n%s", code, out)
		}
		if got := slices.Contains(g.asked(t), "component|restart|--names|"+component); got != restarted {
			t.Errorf("over version %s: restarted %v, want %v", version, got, restarted)
		}
	}
}

func TestLocalDeployTellsOfFailure(t *testing.T) {
	if out, code := newGateway(t, "FAILED").deploy(t); code != 1 || !strings.Contains(out, "the deployment has failed") {
		t.Errorf("exit code %d, it printed\n%s", code, out)
	}
	g := newGateway(t, "IN_PROGRESS")
	out, code := run(t, []string{"SHADOWGPIO_DEPLOY_SECONDS=0"}, "./local-deploy.sh", "--root", g.root, "--build", g.build)
	if code != 1 || !strings.Contains(out, "has not ended within 0 s: 1234: IN_PROGRESS") {
		t.Errorf("exit code %d, it printed\n%s", code, out)
	}
}

func TestLocalDeployDryRun(t *testing.T) {
	g := newGateway(t, "SUCCEEDED")
	out, code := g.deploy(t, "--dry-run")
	if code != 0 || !strings.Contains(out, "deployment create") || len(g.asked(t)) > 0 {
		t.Errorf("exit code %d, asked %q, it printed\n%s", code, g.asked(t), out)
	}
}

// TestSetupGateway sets up a gateway whose /etc is a copy, in a mount namespace of its
// own, twice.
func TestSetupGateway(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to have an /etc of its own")
	}
	etc := filepath.Join(t.TempDir(), "etc")
	if out, code := run(t, nil, "cp", "-a", "/etc", etc); code != 0 {
		t.Fatal(out)
	}
	udev := t.TempDir()
	write(t, filepath.Join(udev, "udevadm"), "#!/bin/sh\necho \"udevadm $*\" >>"+udev+"/asked\n", 0o755)
	setup := func(args ...string) (string, int) {
		script := append([]string{"--mount", "--", "sh", "-c", `mount --bind "$1" /etc && shift && exec "$@"`, "sh", etc}, args...)
		return run(t, []string{"PATH=" + udev + ":" + os.Getenv("PATH")}, "unshare", script...)
	}
	const group = "sgpiotest"
	if out, code := setup("useradd", "--system", "sgpiouser"); code != 0 {
		t.Fatal(out)
	}
	call := []string{"./setup-gateway.sh", "--user", "sgpiouser", "--group", group}

	dry, code := setup(append(call, "--dry-run")...)
	if _, err := os.Stat(filepath.Join(etc, "udev/rules.d/60-shadowgpio.rules")); code != 0 || err == nil {
		t.Errorf("dry run: exit code %d, rule written: %v\n%s", code, err == nil, dry)
	}
	first, code := setup(call...)
	if code != 0 {
		t.Fatalf("exit code %d, it printed\n%s", code, first)
	}
	if planned := strings.ReplaceAll(dry, "nothing was done; ", ""); planned != first {
		t.Errorf("the dry run told\n%s\nwhat was done is\n%s", dry, first)
	}
	rule, err := os.ReadFile(filepath.Join(etc, "udev/rules.d/60-shadowgpio.rules"))
	if err != nil || !strings.Contains(string(rule), `GROUP="`+group+`", MODE="0660"`) {
		t.Errorf("rule %q, %v", rule, err)
	}
	if out, _ := setup("id", "-nG", "sgpiouser"); !slices.Contains(strings.Fields(out), group) {
		t.Errorf("groups of the user: %s, want %s among them", out, group)
	}
	asked, err := os.ReadFile(filepath.Join(udev, "asked"))
	if want := "udevadm control --reload\nudevadm trigger --subsystem-match=gpio\n"; err != nil || string(asked) != want {
		t.Errorf("udev was asked %q, %v, want %q", asked, err, want)
	}
	if out, code := setup(call...); code != 0 || strings.Contains(out, "+ ") || !strings.Contains(out, "all is so already") {
		t.Errorf("second time: exit code %d, it printed\n%s", code, out)
	}
}

// TestCollectDebugHidesSecrets has the script run over logs that tell too much.
func TestCollectDebugHidesSecrets(t *testing.T) {
	root := t.TempDir()
	const token = "QX7ZK2M9PL4WV8TB"
	write(t, filepath.Join(root, "logs", component+".log"), strings.Join([]string{
		"[INFO] level=INFO msg=line line=lamp value=on {currentState=RUNNING}",
		"SVCUID=" + token + ", AWS_CONTAINER_AUTHORIZATION_TOKEN: " + token,
		`{"authToken": "` + token + `", "next": 1}`,
		"Authorization: Bearer " + token,
		"aws_secret_access_key = " + token,
		"AKIA" + token + " was used",
		"-----BEGIN RSA PRIVATE KEY-----", token, "-----END RSA PRIVATE KEY-----",
		"after the key",
		"",
	}, "\n"), 0o600)
	program := keepRunning(t, filepath.Join(root, "packages/artifacts", component, "1.0.0/shadowgpio-linux-amd64"), "SVCUID=R4ND0MT0KENVALUE")
	write(t, filepath.Join(root, "logs/greengrass.log"), "whoever logs R4ND0MT0KENVALUE in passing\n", 0o600)

	// The newest program is asked. It answers with what it was asked, and a token.
	newest := filepath.Join(root, "packages/artifacts", component, "1.0.1/shadowgpio-linux-amd64")
	write(t, newest, "#!/bin/sh\necho \"asked for $*, of $SHADOWGPIO_CONTROL; token=R4ND0MT0KENVALUE\"\n", 0o755)
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(newest, later, later); err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(root, "work", component)
	write(t, filepath.Join(work, "configuration.json"), `{"lines":{"lamp":{"line":"GPIO17"}}}`, 0o600)

	out, code := run(t, nil, "./collect-debug.sh", "--root", root)
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, secret := range []string{token, "R4ND0MT0KENVALUE"} {
		if strings.Contains(out, secret) {
			t.Errorf("%s is shown:\n%s", secret, out)
		}
	}
	for _, want := range []string{
		"line=lamp value=on", `, "next": 1}`, "was used", "after the key", "whoever logs [redacted] in passing",
		fmt.Sprintf("== process %d\n", program), "== GPIO chips", `{"lamp":{"line":"GPIO17"}}`,
		"asked for version", "asked for status --journal 50, of " + work + "/control.socket", "asked for lines",
		"asked for doctor --root " + root + " --dir " + work,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not shown:\n%s", want, out)
		}
	}
}

// keepRunning copies a program that waits to a path, runs it and returns its process.
func keepRunning(t *testing.T, path string, env ...string) int {
	t.Helper()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, string(text), 0o755)
	cmd := exec.Command(path, "600")
	cmd.Env = env
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd.Process.Pid
}

func write(t *testing.T, file, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// run runs a program and returns what it printed and its exit code.
func run(t *testing.T, env []string, program string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}
