package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestPulsesAndTheSynchronization desires pulses in the cloud and cuts the link, restarts
// the core or kills the component in them. Each is carried out once, at the chip, and in
// the end neither side desires it any more.
func TestPulsesAndTheSynchronization(t *testing.T) {
	t.Parallel()
	const config = `
lines:
  bell: {line: GPIO17, direction: output}
  lamp: {line: GPIO18, direction: output}
shadows: {door: {name: door, properties: {bell: {line: bell, pulse: 1500ms}, lamp: {line: lamp}}}}
`
	for _, c := range []struct {
		name  string
		press string
		then  []string // in the pulse, or before it where offline
		kill  bool
		late  bool // it is desired without a link
	}{
		{name: "link down, another key desired", press: "true", then: []string{"link down", "set --shadow door lamp=true", "WAIT", "link up"}},
		{name: "link down", press: "true", then: []string{"link down", "WAIT", "link up"}},
		{name: "link flaps", press: "true", then: []string{"link down", "set --shadow door lamp=true", "link up", "link down", "link up"}},
		{name: "core restarts, another key desired", press: "true", then: []string{"core restart", "set --shadow door lamp=true"}},
		{name: "component is killed, another key desired", press: "true", then: []string{"set --shadow door lamp=true"}, kill: true},
		{name: "with an ID, desired again", press: `{"id":"one"}`, then: []string{"link down", `set --shadow door bell={"id":"one"}`, "WAIT", "link up"}},
		{name: "desired without a link", press: "true", late: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := shortDir(t)
			file := filepath.Join(dir, "configuration.yaml")
			if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			dev := startDev(t, dir, "--config", file)
			dev.says("cloud ", "MyGateway/door version 1")
			component := componentPID(t, dev)
			run := func(command string) {
				t.Helper()
				if out, code := shadowctl(t, dir, strings.Fields(command)...); code != 0 {
					t.Fatalf("shadowctl %s: exit code %d, it printed\n%s", command, code, out)
				}
			}
			pulses := func() int { return strings.Count(dev.log.String(), "GPIO17 is high") }
			over := func() bool {
				out, code := shadowctl(t, dir, "get", "--shadow", "door", "--json")
				return code == 0 && !regexp.MustCompile(`"desired":\s*\{[^}]*"bell"`).MatchString(out) && strings.Contains(out, `"code": 200`) || strings.Contains(out, `"code": 500`)
			}
			if c.late {
				run("link down")
			}
			run("set --shadow door bell=" + c.press)
			if c.late {
				run("link up")
			}
			dev.says("line ", "GPIO17 is high")
			for _, command := range c.then {
				if command == "WAIT" {
					dev.says("line ", "GPIO17 is low")
					continue
				}
				run(command)
			}
			if c.kill {
				if err := syscall.Kill(component, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
				componentPID(t, dev, component)
			}
			awaitTrue(t, "neither side desires the pulse", func() bool {
				_, code := shadowctl(t, dir, "compare")
				return code == 0 && over()
			})
			// A change that goes through both sides ends what is on its way.
			run("set --shadow door lamp=true --wait 30s")
			run("set --shadow door lamp=false --wait 30s")
			if n := pulses(); n != 1 {
				t.Errorf("%d pulses, want 1:\n%s", n, dev.log)
			}
			// Desired once more, it is another one.
			run("set --shadow door bell=" + strings.Replace(c.press, "one", "two", 1))
			awaitTrue(t, "a second pulse", func() bool { return pulses() == 2 })
		})
	}
}

// TestReportsReachTheCloud changes two properties so closely that the synchronization
// takes the report of the first for known to the cloud.
func TestReportsReachTheCloud(t *testing.T) {
	t.Parallel()
	const config = `
lines:
  a: {line: GPIO17, direction: output}
  b: {line: GPIO18, direction: output}
shadows: {main: {properties: {a: {line: a}, b: {line: b}}}}
`
	dir := shortDir(t)
	file := filepath.Join(dir, "configuration.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	dev := startDev(t, dir, "--config", file)
	dev.says("cloud ", "MyGateway (classic) version 1")
	run := func(command string) {
		t.Helper()
		if out, code := shadowctl(t, dir, strings.Fields(command)...); code != 0 {
			t.Errorf("shadowctl %s: exit code %d, it printed\n%s", command, code, out)
		}
	}
	run("set a=true b=true --wait 30s")
	run("link slow 300ms")
	run("set a=false")
	dev.says("line ", "GPIO17 is low") // its report waits for the link
	run("set b=false")
	dev.says("line ", "GPIO18 is low")
	run("link slow 0s")
	awaitTrue(t, "cloud and device agree", func() bool { _, code := shadowctl(t, dir, "compare"); return code == 0 })
	if out, _ := shadowctl(t, dir, "get"); strings.Contains(out, "true") {
		t.Errorf("the cloud has\n%s", out)
	}
}
