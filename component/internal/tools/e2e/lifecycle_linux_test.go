package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/procfs"

	"github.com/shadowgpio/shadowgpio/component/internal/tools/recipe"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

// The component as a nucleus starts it by the recipe: through sudo and a shell, as a
// user without privileges, in its work directory, with the nucleus's environment
// (aws-greengrass/aws-greengrass-nucleus
// src/main/java/com/aws/greengrass/lifecyclemanager/ShellRunner.java and
// util/platforms/unix/UnixPlatform.java). GPIO chips are the group gpio's.

const (
	componentUser  = "ggc_user"
	componentUID   = 64801
	componentGroup = "ggc_group" // of the user
	componentGID   = 64801
	gpioGroup      = "gpio"
	gpioGID        = 64802
	// artifactsVariable names the directory of built edge binaries. Without it the
	// test binary plays their part.
	artifactsVariable = "SHADOWGPIO_ARTIFACTS"
	// stopTime is how long the component may take to stop. A nucleus kills after 5 s.
	stopTime = 4 * time.Second
)

// TestRecipeLifecycle is the lifecycle on the simulated chip.
func TestRecipeLifecycle(t *testing.T) {
	i := newInstallation(t)
	i.simulate()
	i.install(ownProgram(t))
	if err := os.Chmod(i.chipsAt, 0o660); err != nil {
		t.Fatal(err)
	}
	i.give(i.chipsAt, 0, gpioGID)
	p := i.run()
	i.live(p, func() bool { return i.level(lampOffset) })
}

// TestKernelRecipeLifecycle is the lifecycle on the kernel's chip, which the user may
// use only once the udev rule's group and mode are set. The program is the edge
// binary, where one was built.
func TestKernelRecipeLifecycle(t *testing.T) {
	chip := newKernelChip(t)
	i := newInstallation(t)
	i.install(builtProgram(t, i.manifest))
	device := chip.DevPath()
	i.give(device, 0, 0)
	p := i.run()
	p.says("line failed; it is retried", "permission denied")
	i.give(device, 0, gpioGID)
	if err := os.Chmod(device, 0o660); err != nil {
		t.Fatal(err)
	}
	i.live(p, func() bool { return chip.high(lampOffset) })
}

// installation is the component on the disk of a core device.
type installation struct {
	*rig
	manifest recipe.Manifest
	program  string // that the manifest names
	workDir  string
}

func newInstallation(t *testing.T) *installation {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, to become another user as a nucleus does")
	}
	if _, err := exec.LookPath("sudo"); err != nil {
		t.Skip("needs sudo, which a nucleus starts components with")
	}
	r := loadRecipe(t)
	manifest, err := r.For("linux", architecture(t))
	if err != nil {
		t.Fatal(err)
	}
	i := &installation{
		rig:      newRecipeRig(t, r.Configuration.Default, houseConfig, devcore.Config{EnforceAccessControl: true}),
		manifest: manifest,
	}
	// What a nucleus has above the component's own directories, all may pass.
	if err := os.Chmod(i.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	artifacts := filepath.Join(i.dir, "packages", "artifacts", componentName, "1.0.0")
	i.program = filepath.Join(artifacts, filepath.Base(manifest.Artifacts[0].URI))
	i.workDir = filepath.Join(i.dir, "work", componentName)
	for dir, mode := range map[string]os.FileMode{artifacts: 0o755, i.workDir: 0o700, filepath.Dir(i.workDir): 0o755} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
	}
	i.give(i.workDir, componentUID, gpioGID)
	i.serve()
	return i
}

// architecture is this machine's in the words of a nucleus.
func architecture(t *testing.T) string {
	switch runtime.GOARCH {
	case "arm64":
		return "aarch64"
	case "amd64", "arm":
		return runtime.GOARCH
	}
	t.Skipf("the recipe has nothing for %s", runtime.GOARCH)
	return ""
}

// ownProgram is this test binary, which plays the edge binary on the simulated chip.
func ownProgram(t *testing.T) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// builtProgram is the edge binary, if there is one.
func builtProgram(t *testing.T, m recipe.Manifest) string {
	dir := os.Getenv(artifactsVariable)
	if dir == "" {
		return ownProgram(t)
	}
	return filepath.Join(dir, filepath.Base(m.Artifacts[0].URI))
}

// install copies a program to where the nucleus has downloaded the artifact, with
// the mode that the recipe's permissions mean.
func (i *installation) install(program string) {
	i.t.Helper()
	if p := i.manifest.Artifacts[0].Permission; p.Read != "OWNER" || p.Execute != "OWNER" {
		i.t.Fatalf("permissions %+v, want both OWNER", p)
	}
	from, err := os.Open(program)
	if err != nil {
		i.t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(i.program, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		i.t.Fatal(err)
	}
	_, err = io.Copy(to, from)
	if e := to.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Chmod(i.program, 0o550)
	}
	if err != nil {
		i.t.Fatal(err)
	}
	i.give(i.program, componentUID, gpioGID)
}

func (i *installation) give(path string, uid, gid int) {
	i.t.Helper()
	if err := os.Chown(path, uid, gid); err != nil {
		i.t.Fatal(err)
	}
}

// run starts the recipe's run script as a nucleus does. The user and the groups are
// there for it alone, in a mount namespace of its own.
func (i *installation) run() *process {
	i.t.Helper()
	users := i.file("passwd", fmt.Sprintf("root:x:0:0:root:/root:/bin/sh\n%s:x:%d:%d::%s:/usr/sbin/nologin\n",
		componentUser, componentUID, componentGID, i.dir))
	groups := i.file("group", fmt.Sprintf("root:x:0:\n%s:x:%d:\n%s:x:%d:\n", componentGroup, componentGID, gpioGroup, gpioGID))
	script := strings.ReplaceAll(i.manifest.Lifecycle.Run.Script, "{artifacts:path}", filepath.Dir(i.program))
	const withUsers = `mount --bind "$1" /etc/passwd && mount --bind "$2" /etc/group && shift 2 && exec "$@"`
	cmd := exec.Command("unshare", "--mount", "--", "sh", "-c", withUsers, "sh", users, groups,
		"sudo", "-n", "-E", "-H", "-u", componentUser, "-g", gpioGroup, "--", "sh", "-c", script)
	cmd.Dir = i.workDir
	cmd.Env = append(i.environment(),
		"PATH="+os.Getenv("PATH"),
		"GORACE=atexit_sleep_ms=0",
		"AWS_REGION=eu-central-1",
		"AWS_DEFAULT_REGION=eu-central-1",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN="+i.token,
		"GGC_VERSION=2.15.0",
		"GG_ROOT_CA_PATH="+filepath.Join(i.dir, "rootCA.pem"),
	)
	p := start(i.t, cmd)
	i.t.Cleanup(func() { // whoever lost its sudo, and the holder
		for _, left := range i.processes() {
			syscall.Kill(left.PID, syscall.SIGKILL)
		}
	})
	return p
}

// processes are those of the installed program.
func (i *installation) processes() (found procfs.Procs) {
	all, err := procfs.AllProcs()
	if err != nil {
		i.t.Fatal(err)
	}
	for _, candidate := range all {
		if exe, err := candidate.Executable(); err == nil && exe == i.program {
			found = append(found, candidate)
		}
	}
	return found
}

// file makes a file that everybody may read.
func (i *installation) file(name, text string) string {
	i.t.Helper()
	path := filepath.Join(i.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		i.t.Fatal(err)
	}
	return path
}

// live takes the component from its first report to its end.
func (i *installation) live(p *process, lamp func() bool) {
	t := i.t
	t.Helper()
	i.reported("", `{"lights":"off","locked":false}`)
	component := i.component(p)
	i.unprivileged(component)
	for _, desired := range []string{"on", "off"} {
		v := i.desire("", fmt.Sprintf(`{"lights":%q}`, desired))
		i.answered("", v, fmt.Sprintf(`{"lights":%q,"ack":{"lights":{"code":200,"version":%d}}}`, desired, v))
		if got := lamp(); got != (desired == "on") {
			t.Errorf("after %s the lamp is high: %v", desired, got)
		}
	}

	// The nucleus signals all below its child, then the child
	// (util/platforms/unix/UnixPlatform.java, killProcessAndChildren).
	kill := time.AfterFunc(stopTime, func() { syscall.Kill(component.PID, syscall.SIGKILL) })
	defer kill.Stop()
	if err := syscall.Kill(component.PID, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.ends(); code != 0 {
		t.Errorf("exit code %d, want 0, %v after SIGTERM at the latest", code, stopTime)
	}
	i.fitsTheLog(p.log.String())
}

// component is the process that the nucleus's child has become or started. No shell
// may be left in between.
func (i *installation) component(p *process) procfs.Proc {
	t := i.t
	t.Helper()
	for _, candidate := range i.processes() {
		if stat, err := candidate.Stat(); err == nil && stat.PPID == p.cmd.Process.Pid {
			return candidate
		}
	}
	t.Fatalf("no process of %s is a child of sudo's", i.program)
	return procfs.Proc{}
}

// unprivileged checks whom and where the component is.
func (i *installation) unprivileged(component procfs.Proc) {
	t := i.t
	t.Helper()
	status, err := component.NewStatus()
	if err != nil {
		t.Fatal(err)
	}
	for what, ids := range map[string][2][4]uint64{
		"user":  {status.UIDs, {componentUID, componentUID, componentUID, componentUID}},
		"group": {status.GIDs, {gpioGID, gpioGID, gpioGID, gpioGID}},
	} {
		if ids[0] != ids[1] {
			t.Errorf("the component's %s is %v, want %v", what, ids[0], ids[1])
		}
	}
	// What else the kernel would let it do. sudo gives it the groups of the user, too.
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", component.PID))
	if err != nil {
		t.Fatal(err)
	}
	rights := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		rights[name] = strings.TrimSpace(value)
	}
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
		if strings.Trim(rights[set], "0") != "" || rights[set] == "" {
			t.Errorf("the component's capabilities %s are %q, want none", set, rights[set])
		}
	}
	for _, group := range strings.Fields(rights["Groups"]) {
		if group != fmt.Sprint(gpioGID) && group != fmt.Sprint(componentGID) {
			t.Errorf("the component is in group %s, want %s and %s alone", group, gpioGroup, componentGroup)
		}
	}
	if dir, err := component.Cwd(); err != nil || dir != i.workDir {
		t.Errorf("the component's working directory is %s, %v, want %s", dir, err, i.workDir)
	}
}

// fitsTheLog checks what the nucleus copies into its log line by line, and that
// nothing there was entrusted to the component alone.
func (i *installation) fitsTheLog(log string) {
	t := i.t
	t.Helper()
	if !strings.Contains(log, "msg=\"shadowgpio starts\"") {
		t.Errorf("the log is not that of the component:\n%s", log)
	}
	if strings.ContainsAny(log, "\x1b\r") {
		t.Errorf("the log has control characters: %q", log)
	}
	for line := range strings.Lines(log) {
		// sudo may tell of a host whose name is not known.
		if !strings.HasPrefix(line, "level=") && !strings.HasPrefix(line, "sudo: ") {
			t.Errorf("line of the log: want level= first, got %q", line)
		}
	}
	if strings.Contains(log, i.token) {
		t.Error("the log has the token")
	}
}
