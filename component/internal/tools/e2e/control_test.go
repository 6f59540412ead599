package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// ctlRun is a command, its exit code, and what it prints.
type ctlRun struct {
	args  []string
	code  int
	wants []string
}

func runAll(t *testing.T, dir string, runs []ctlRun) {
	t.Helper()
	for _, c := range runs {
		out, code := shadowctl(t, dir, c.args...)
		if code != c.code {
			t.Errorf("shadowctl %q: exit code %d, want %d; it printed\n%s", c.args, code, c.code, out)
		}
		for _, want := range c.wants {
			if !strings.Contains(out, want) {
				t.Errorf("shadowctl %q: no %q in\n%s", c.args, want, out)
			}
		}
	}
}

// TestDevFaults makes the core fail by a script and by commands.
func TestDevFaults(t *testing.T) {
	dir := shortDir(t)
	script := filepath.Join(dir, "faults.yaml")
	text := "seed: 7\nrules: [UpdateThingShadow refuse ServiceError message scripted component shadowctl times 1]\nsteps: [{at: 1ms, add: [DeleteThingShadow throttle]}]\n"
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	dev := startDev(t, dir, "--faults", script)
	dev.says("fault ", "rules in force: 1, steps to come: 1, seed 7")
	dev.says("fault ", "rule 2 added: DeleteThingShadow throttle")
	dev.says("MyGateway (classic) version 1")
	runAll(t, dir, []ctlRun{
		{[]string{"set", "lights=on", "--core"}, 1, []string{"update shadow MyGateway (classic): 500 scripted (ServiceError)"}},
		{[]string{"set", "lights=on", "--wait", "30s", "--core"}, 0, []string{"lights: done (200)"}},
		{[]string{"fault", "add", "GetThingShadow", "refuse", "ConflictError", "message", "a b c", "component", "shadow*", "times", "1"}, 0,
			[]string{`rule 3: GetThingShadow refuse ConflictError message "a b c" component shadow* times 1`}},
		{[]string{"get", "--core"}, 1, []string{"409 a b c (ConflictError)"}},
		{[]string{"get", "--core"}, 0, nil},
		{[]string{"fault", "add", "{operation: GetThingShadow, component: shadowctl, do: drop}"}, 0, []string{"rule 4"}},
		{[]string{"get", "--core"}, 1, []string{"outcome unknown"}},
		{[]string{"fault", "list"}, 0, []string{"NUMBER", "3        3         1", "4        1         1        GetThingShadow drop component shadowctl", "seed 7"}},
		{[]string{"fault", "list", "--json"}, 0, []string{`"seed": 7`, `"faults": 1`}},
		{[]string{"fault", "clear", "4", "2"}, 0, []string{"rules cleared: 2"}},
		{[]string{"fault", "clear", "4"}, 1, []string{"numbers of rules in force"}},
		{[]string{"get", "--core"}, 0, nil},
		{[]string{"fault", "clear"}, 0, []string{"rules cleared: 2"}},
		{[]string{"fault", "add", "UpdateThingShadow dely 2s"}, 2, []string{`got "dely"; did you mean "delay"?`}},
		{[]string{"fault", "add"}, 2, []string{"want a RULE, got 0 arguments"}},
		{[]string{"fault", "add", "-h"}, 0, []string{"UpdateThingShadow delay 2s times 3", "notReady"}},
		{[]string{"fault", "clear", "x"}, 2, []string{`got "x"`}},
		{[]string{"fault", "frob"}, 2, []string{`unknown command "frob"`}},
	})
	dev.says("fault ", "rule 4: GetThingShadow on MyGateway, for shadowctl: not executed, its connection dropped")
	dev.signal(syscall.SIGINT)
	dev.ends()
	if _, err := os.Lstat(filepath.Join(dir, "control.socket")); !os.IsNotExist(err) {
		t.Errorf("control.socket is still there: %v", err)
	}
	runAll(t, dir, []ctlRun{
		{[]string{"fault", "list"}, 1, []string{"start one with shadowctl dev"}},
		{[]string{"dev", "--faults", "/no/such/file"}, 1, []string{"no such file"}},
	})
	if err := os.WriteFile(script, []byte("rules: [GetThingShadow drp]"), 0o600); err != nil {
		t.Fatal(err)
	}
	runAll(t, dir, []ctlRun{{[]string{"dev", "--faults", script}, 1, []string{`line 1: rules[0].do`, `did you mean "drop"?`}}})
}

// TestDevCoreRestarts has the core go away and come back. What was desired
// meanwhile is what the lines are in the end.
func TestDevCoreRestarts(t *testing.T) {
	dir := shortDir(t)
	dev := startDev(t, dir)
	dev.says("MyGateway (classic) version 1")
	pid := componentPID(t, dev)
	runAll(t, dir, []ctlRun{
		{[]string{"core", "restart", "--away", "10ms"}, 0, []string{"away for 10ms"}},
		{[]string{"core", "restart", "--away", "-1s"}, 2, []string{"--away: want a duration"}},
		{[]string{"core", "frob"}, 2, nil},
	})
	dev.says("core ", "restarts, away for 10ms")
	dev.says("core ", componentName+" disconnected")
	awaitTrue(t, "the core is back", func() bool {
		_, code := shadowctl(t, dir, "set", "lights=on", "--wait", "10s")
		return code == 0
	})
	dev.says("line ", "GPIO17 is high")
	if err := syscall.Kill(pid, 0); err != nil {
		t.Errorf("the component's process %d has ended: %v", pid, err)
	}
}

func TestDevLinkComponentsDeployments(t *testing.T) {
	dir := shortDir(t)
	dev := startDev(t, dir)
	dev.says("MyGateway (classic) version 1")
	pid := componentPID(t, dev)
	config := filepath.Join(dir, "new.yaml")
	if err := os.WriteFile(config, []byte(`{thingName: "", shadows: {main: {properties: {horn: {line: lamp}}}}, lines: {lamp: {line: GPIO17, direction: output}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	runAll(t, dir, []ctlRun{
		{[]string{"link", "status"}, 0, []string{"link up"}},
		{[]string{"link", "down"}, 0, []string{"link down"}},
		{[]string{"link", "status"}, 0, []string{"link down"}},
		{[]string{"link", "up"}, 0, []string{"link up"}},
		{[]string{"link", "sideways"}, 2, []string{`unknown command "sideways"`}},
		{[]string{"component", "list"}, 0, []string{componentName, "RUNNING"}},
		{[]string{"component", "pause"}, 0, []string{"pause requested"}},
		{[]string{"component", "list", "--json"}, 0, []string{`"paused": true`}},
		{[]string{"component", "resume", componentName}, 0, nil},
		{[]string{"component", "restart", "nobody"}, 1, []string{`want a component of this core, ` + componentName + `, got "nobody"`}},
		{[]string{"deploy", config, "--restart"}, 0, []string{"configuration deployed"}},
		{[]string{"deploy", "/no/such/file"}, 1, []string{"no such file"}},
		{[]string{"deploy", config, "--reset", "/lines"}, 2, []string{"--reset wants --merge"}},
		{[]string{"deploy"}, 2, nil},
	})
	dev.says("core ", "deployment done")
	if next := componentPID(t, dev, pid); next == pid {
		t.Errorf("the component was not restarted")
	}
	dev.says("reported horn=")
	runAll(t, dir, []ctlRun{{[]string{"component", "stop"}, 0, nil}})
	awaitTrue(t, "the component is stopped", func() bool {
		out, _ := shadowctl(t, dir, "component", "list")
		return strings.Contains(out, "FINISHED")
	})
}

// TestDevDeploymentIsRefused deploys to a component that finds the configuration bad.
func TestDevDeploymentIsRefused(t *testing.T) {
	dir := shortDir(t)
	dev := startDev(t, dir)
	_, token, _ := strings.Cut(dev.says("export SVCUID="), "SVCUID=")
	token, _, _ = strings.Cut(token, " ")
	conn, err := ipc.Dial(t.Context(), ipc.Config{Socket: filepath.Join(dir, "ipc.socket"), Token: ipc.Token(token)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	proposals, err := conn.SubscribeToValidateConfigurationUpdates(t.Context(), model.SubscribeToValidateConfigurationUpdatesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "new.yaml")
	if err := os.WriteFile(config, []byte("speed: 7"), 0o600); err != nil {
		t.Fatal(err)
	}
	judge := func(status model.ConfigurationValidityStatus) {
		proposal := (<-proposals.Events()).ValidateConfigurationUpdateEvent
		if proposal == nil || string(proposal.Configuration) != `{"speed":7}` {
			t.Errorf("proposed %+v", proposal)
			return
		}
		report := model.ConfigurationValidityReport{Status: status, DeploymentID: proposal.DeploymentID, Message: "too fast"}
		if _, err := conn.SendConfigurationValidityReport(t.Context(), model.SendConfigurationValidityReportRequest{ConfigurationValidityReport: report}); err != nil {
			t.Error(err)
		}
	}
	for _, c := range []struct {
		status model.ConfigurationValidityStatus
		run    ctlRun
		value  string
	}{
		{model.ConfigurationRejected, ctlRun{[]string{"deploy", config, "--component", "my.own.Component"}, 1, []string{"too fast"}}, `{}`},
		{model.ConfigurationAccepted, ctlRun{[]string{"deploy", config, "--component", "my.own.Component"}, 0, []string{"configuration deployed"}}, `{"speed":7}`},
	} {
		var judging sync.WaitGroup
		judging.Go(func() { judge(c.status) })
		runAll(t, dir, []ctlRun{c.run})
		judging.Wait()
		if got, err := conn.GetConfiguration(t.Context(), model.GetConfigurationRequest{}); err != nil || string(got.Value) != c.value {
			t.Errorf("%s: configuration %s, %v, want %s", c.status, got.Value, err, c.value)
		}
	}
	runAll(t, dir, []ctlRun{{[]string{"deploy", config, "--merge", "--reset", "/speed", "--component", "my.own.Component", "--skip-notify"}, 0, nil}})
	if err := os.WriteFile(config, []byte("speed: 8"), 0o600); err != nil {
		t.Fatal(err)
	}
	runAll(t, dir, []ctlRun{{[]string{"deploy", config, "--component", "my.own.Component", "--wait", "100ms"}, 3, []string{"not done in 100ms and was called off"}}})
}
