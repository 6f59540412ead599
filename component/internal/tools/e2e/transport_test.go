package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/shadows"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

// overTopics is a core device whose component reaches the shadows by the topics of
// AWS IoT Core alone, and an application on the other side.
func overTopics(t *testing.T, settings devcore.Config, config string, service shadows.Config) (*rig, *remoteApplication) {
	t.Helper()
	c := startCloud(t, service)
	r := newRig(t, config)
	r.core.Close()
	// Not in the directory of the one before: a process that starts beside us has its lock
	// for a moment.
	settings.Dir, settings.ThingName, settings.Observe = filepath.Join(r.dir, "topics"), thing, r.events.add
	settings.Broker = c.Broker.CoreDevice(thing)
	var err error
	r.core, err = devcore.New(settings)
	if err == nil {
		err = r.core.LoadConfiguration(componentName, filepath.Join(r.dir, "config.yaml"))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.core.Close() })
	r.core.SetToken(componentName, r.token)
	r.simulate()
	r.serve()
	return r, &remoteApplication{t: t, cloud: c}
}

// setInput moves the input.
func (r *rig) setInput(down bool) {
	r.t.Helper()
	if err := r.chip.SetPull(chipName, doorOffset, down); err != nil {
		r.t.Fatal(err)
	}
}

// toggledConfig is houseConfig with a button that toggles the lamp.
const toggledConfig = `
lines:
  lamp:   {line: LAMP, direction: output}
  fan:    {line: FAN, direction: output, stop: "off"}
  button: {line: DOOR, direction: input}
controls:
  lamp: {input: button, output: lamp, action: toggle}
shadows:
  main:
    status: true
    properties:
      lights: {line: lamp, values: {"on": on, "off": off}}
      pressed: {line: button}
  room:
    name: room
    properties:
      fan: {line: fan}
`

// TestTopicsOfTheCloudBehaveAsTheShadowManager: the second way to the shadows, on
// nucleus lite, which has no other, and on a classic nucleus that is told to use it.
func TestTopicsOfTheCloudBehaveAsTheShadowManager(t *testing.T) {
	for name, c := range map[string]struct {
		settings devcore.Config
		config   string
	}{
		"lite":    {devcore.Config{Lite: true}, toggledConfig},
		"classic": {devcore.Config{}, "transport: iotCore\n" + toggledConfig},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, app := overTopics(t, c.settings, c.config, shadows.Config{})
			p := r.start()

			// It creates the shadow with what is so.
			app.sees(`{"lights":"off","pressed":false,"status":{"running":true}}`)

			// Desired, done, read back and answered; a refused value is answered and stays.
			app.desire(`{"lights":"on"}`)
			app.sees(`{"lights":"on","ack":{"lights":{"code":200}}}`)
			if !r.level(lampOffset) {
				t.Error("the application sees the light on, the line is low")
			}
			app.desire(`{"lights":"blue","horn":1}`)
			app.sees(`{"lights":"on","ack":{"lights":{"code":400},"horn":{"code":404}}}`)

			// A local change is desired, too, with the version that it was made against.
			app.desire(`{"lights":"on","horn":null}`)
			app.sees(`{"ack":{"lights":{"code":200}}}`)
			r.setInput(true)
			app.sees(`{"lights":"off","pressed":true}`)
			awaitTrue(t, "the light desired off by the button", func() bool { return app.desired("lights") == "off" })
			r.setInput(false)

			// Deleted and made again.
			app.call("DELETE", "")
			app.sees(`{"lights":"off","pressed":false}`)

			// The link goes while both sides change.
			r.core.SetLink(false)
			app.desire(`{"lights":"on"}`)
			r.setInput(true)
			p.says("retrying")
			if app.reported("pressed") != false {
				t.Error("a report went over a link that is cut")
			}
			r.core.SetLink(true)
			app.sees(`{"pressed":true}`)
			awaitTrue(t, "the lamp as the application sees and desires it", func() bool {
				return app.reported("lights") == app.desired("lights") && r.level(lampOffset) == (app.reported("lights") == "on")
			})

			// The nucleus goes and comes back, as does the component.
			r.core.Restart(0)
			app.desire(`{"lights":"off"}`)
			app.sees(`{"lights":"off","ack":{"lights":{"code":200}}}`)
			p.signal(syscall.SIGTERM)
			if code := p.ends(); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
			app.sees(`{"status":{"running":false}}`)
			app.desire(`{"lights":"on"}`)
			r.start()
			app.sees(`{"lights":"on","status":{"running":true},"ack":{"lights":{"code":200}}}`)

			if n := r.requests(); n > 0 {
				t.Errorf("%d requests to the shadow manager, want none", n)
			}
		})
	}
}

// TestShadowThatNucleusLiteCannotTake stays out of reach, with the reason, before a
// message about it ends the connection of the nucleus. The others are in step.
func TestShadowThatNucleusLiteCannotTake(t *testing.T) {
	var properties strings.Builder
	for i := range 30 {
		fmt.Fprintf(&properties, "      a-property-with-a-long-name-%d: {setting: number}\n", i)
	}
	r, app := overTopics(t, devcore.Config{Lite: true}, houseConfig+"  large:\n    name: large\n    properties:\n"+properties.String(), shadows.Config{})
	p := r.start()
	p.says("shadow is out of reach", "gw/large", "nucleus lite")
	app.sees(`{"lights":"off"}`)
	large := &remoteApplication{t: t, cloud: app.cloud, shadow: "large"}
	if got := large.stored(); got != nil {
		t.Errorf("the shadow was made: %v", got)
	}
	// With less in it, it is in reach.
	if err := r.deploy(houseConfig + "  large: {name: large, properties: {limit: {setting: number, default: 5}}}\n"); err != nil {
		t.Fatal(err)
	}
	large.sees(`{"limit":5}`)
}

// TestTransportIsChangedLive goes from the shadow manager to the topics, by a change of
// the configuration alone.
func TestTransportIsChangedLive(t *testing.T) {
	r, app := overTopics(t, devcore.Config{}, houseConfig, shadows.Config{})
	p := r.start()
	r.reported("", `{"lights":"off"}`)
	if err := r.deploy("transport: iotCore\n" + houseConfig); err != nil {
		t.Fatal(err)
	}
	app.sees(`{"lights":"off"}`)
	app.desire(`{"lights":"on"}`)
	app.sees(`{"lights":"on"}`)
	if !p.running() {
		t.Error("the component ended")
	}
}
