package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestDeploymentChangesWhatIsSynchronized deploys configurations with other shadows: those
// that are added come to the cloud, those that are removed stay what they are there.
func TestDeploymentChangesWhatIsSynchronized(t *testing.T) {
	const lines = `
lines:
  lamp: {line: GPIO17, direction: output}
  knob: {line: GPIO5, direction: input}
`
	files := shortDir(t)
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(files, name)
		if err := os.WriteFile(path, []byte(lines+text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	before := file("before.yaml", "shadows: {main: {properties: {lights: {line: lamp}}}}\n")
	after := file("after.yaml", `
shadows:
  other: {name: other, properties: {lights: {line: lamp}}}
  pump: {thing: pump-7, name: panel, properties: {turned: {line: knob}}}
`)
	dir := shortDir(t)
	dev := startDev(t, dir, "--config", before)
	dev.says("cloud ", "MyGateway (classic) version 1: reported lights=false")
	expect := func(code int, args string, patterns ...string) {
		t.Helper()
		out, got := shadowctl(t, dir, strings.Fields(args)...)
		if got != code {
			t.Errorf("shadowctl %s: exit code %d, want %d; it printed\n%s", args, got, code, out)
		}
		for _, p := range patterns {
			if !regexp.MustCompile("(?m)" + p).MatchString(out) {
				t.Errorf("shadowctl %s: no %s in\n%s", args, p, out)
			}
		}
	}

	expect(0, "deploy "+after,
		`^io\.shadowgpio\.ShadowGpio: configuration deployed$`,
		`^MyGateway/other: synchronized with the cloud from now on$`,
		`^pump-7/panel: synchronized with the cloud from now on$`,
		`^MyGateway \(classic\): no longer synchronized with the cloud, once the component has withdrawn its reports; its documents stay on both sides$`,
		`^  "aws.greengrass.ShadowManager": \{"configurationUpdate": \{"merge": ".*coreThing.*other.*shadowDocumentsMap.*pump-7.*panel`)
	dev.says("cloud ", "MyGateway/other is synchronized from now on")
	expect(0, "set farewell=1 --core")                                         // as the component says it, in what it no longer has
	dev.says("cloud ", "MyGateway (classic) version ", ": desired farewell=1") // before or after the withdrawal
	dev.says("cloud ", "MyGateway (classic) is no longer synchronized")
	// The shadow manager overwrites what is desired before the first report.
	dev.says("cloud ", "MyGateway/other version 1: reported lights=")
	dev.says("cloud ", "pump-7/panel version 1: reported turned=")
	expect(0, "set --shadow other lights=true --wait 30s", "lights: done")
	expect(0, "list", "^other ")
	expect(0, "list --thing pump-7", "^panel ")
	awaitTrue(t, "the same on both sides", func() bool { _, code := shadowctl(t, dir, "compare"); return code == 0 })
	expect(0, "compare", `^MyGateway/other `, `^pump-7/panel `)

	// What is desired in a shadow that is no longer synchronized stays in the cloud, though
	// what came after it has arrived.
	expect(0, "set lights=true")
	expect(0, "set --shadow other lights=false --wait 30s", "lights: done")
	if out, _ := shadowctl(t, dir, "get", "--core"); !strings.Contains(out, "farewell") || regexp.MustCompile(`lights +true`).MatchString(out) {
		t.Errorf("the classic shadow of the device: %s", out)
	}

	// The hand knows the labels of what is deployed.
	expect(0, "press knob")
	dev.says("cloud ", "pump-7/panel", "reported turned=true")

	// A deployment that is refused changes nothing, one without other shadows says nothing.
	expect(1, "deploy "+file("bad.yaml", "shadows: {third: {name: third, properties: {lights: {line: nothing}}}}\n"), `want the label of a line, got "nothing"`)
	expect(0, "compare", `^MyGateway/other `, `^pump-7/panel `)
	if out, code := shadowctl(t, dir, "deploy", after); code != 0 || strings.Contains(out, "synchronized") {
		t.Errorf("the same again: exit code %d\n%s", code, out)
	}

	// The next dev goes on with what is deployed.
	dev.signal(syscall.SIGINT)
	dev.ends()
	dev = startDev(t, dir)
	dev.says("core ", componentName+" is RUNNING")
	expect(0, "set --shadow other lights=true --wait 30s", "lights: done")
	expect(0, "deploy "+before, `^MyGateway \(classic\): synchronized with the cloud from now on$`, `^MyGateway/other: no longer`, `^pump-7/panel: no longer`)
	expect(0, "set lights=false --wait 30s", "lights: done")
	dev.signal(syscall.SIGINT)
	dev.ends()
}
