package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/control"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/tools/configgen"
	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

var (
	deployStorms = flag.Int("deploystorms", 20, "how many storms of deployments")
	deployStorm  = flag.Uint64("deploystorm", 0, "play the storm of deployments of this `seed` only")
)

// TestDeploymentStorms deploys random configurations of all kinds to a running
// component, one after another, while values are requested, inputs move, the link is
// cut, shadows are deleted, and the component is killed. When all is well again:
//
//   - the component never ended by itself, and no deployment was rejected;
//   - every shadow is in step, and reports nothing that the configuration lacks;
//   - a shadow that the configuration no longer has reports nothing of the component's;
//   - each output is reported as its line is, and is as requested where it says so;
//   - of interlocked lines one at most is on;
//   - a kill and a new start change nothing of that.
func TestDeploymentStorms(t *testing.T) {
	first, n := uint64(1), *deployStorms
	if *deployStorm != 0 {
		first, n = *deployStorm, 1
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range *stormParallel {
		workers.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				seed := first + uint64(i) - 1
				t.Run(fmt.Sprint(seed), func(t *testing.T) { newDeployment(t, seed).play() })
			}
		})
	}
	workers.Wait()
}

// deploymentChips have all lines that configgen names.
var deploymentChips = []sim.Chip{
	{Label: "board", Lines: 16, Names: map[int]string{4: "OUT1", 5: "GPIO4", 6: "GPIO5", 7: "GPIO6", 8: "GPIO13", 9: "GPIO17", 10: "GPIO22", 11: "GPIO27"}},
	{Label: "second", Lines: 8, Names: map[int]string{2: "OUT1", 3: "OUT2"}},
	{Label: "expander", Lines: 12, Names: map[int]string{8: "OUT1", 9: "OUT2", 10: "IN1"}},
}

// deployment is one storm.
type deployment struct {
	t         *testing.T
	rig       *rig
	random    *rand.Rand
	generator *configgen.Generator
	cfg       *config.Config
	component *process
	linked    bool
	ever      map[shadow.ID]bool // shadows of all configurations
	lines     map[string]engine.LineView
	steps     []string
}

func newDeployment(t *testing.T, seed uint64) *deployment {
	d := &deployment{t: t, random: rand.New(rand.NewPCG(seed, 2)), generator: configgen.New(seed), ever: map[shadow.ID]bool{}}
	t.Cleanup(func() {
		if t.Failed() {
			for _, step := range d.steps {
				t.Log(step)
			}
			t.Logf("configuration:\n%s", d.generator.Text())
			t.Logf("again with: go test ./component/internal/tools/e2e -run TestDeploymentStorms -deploystorm %d", seed)
		}
	})
	d.rig = newRig(t, d.generator.Text())
	var err error
	if d.rig.chip, err = sim.New(deploymentChips...); err != nil {
		t.Fatal(err)
	}
	d.rig.serveChips()
	d.configured()
	d.link(true)
	d.start()
	return d
}

// configured takes note of the generator's present configuration.
func (d *deployment) configured() {
	d.t.Helper()
	cfg, err := config.Parse([]byte(d.generator.Text()), configgen.Device)
	if err != nil {
		d.t.Fatal(err)
	}
	d.cfg = cfg
	for _, s := range cfg.Shadows {
		d.ever[s.ID] = true
	}
}

func (d *deployment) note(format string, args ...any) {
	d.steps = append(d.steps, fmt.Sprintf(format, args...))
}

func (d *deployment) link(up bool) {
	if d.linked == up {
		return
	}
	d.note("link %v", up)
	if d.linked = up; up {
		d.rig.serve()
	} else {
		d.rig.stopCore()
	}
}

func (d *deployment) start() { d.component = d.rig.start() }

// end kills the component, which must still run.
func (d *deployment) end(sig syscall.Signal) {
	d.t.Helper()
	d.note("%v", sig)
	if !d.component.running() {
		d.t.Errorf("the component ended by itself with code %d", d.component.ends())
		return
	}
	d.component.signal(sig)
	d.component.ends()
}

func (d *deployment) play() {
	for range 14 {
		d.act()
		time.Sleep(time.Duration(d.random.IntN(120)) * time.Millisecond)
	}
	d.link(true)
	if !d.component.running() {
		d.t.Errorf("the component ended by itself with code %d", d.component.ends())
		d.start()
	}
	d.deploy() // once more: the last one may have met a component that was away
	d.rest()
	d.judge()
	before := d.documents()
	killed := d.random.IntN(2) == 0
	if killed {
		d.end(syscall.SIGKILL)
	} else {
		d.end(syscall.SIGTERM)
	}
	d.start()
	d.rest()
	d.judge()
	d.compare(before, d.documents(), killed)
}

func (d *deployment) act() {
	switch n := d.random.IntN(100); {
	case n < 40:
		step := d.generator.Step()
		d.note("deploy: %s", step.Text)
		d.configured()
		d.deploy()
	case n < 65:
		d.request()
	case n < 80:
		d.moveInput()
	case n < 88:
		d.end(syscall.SIGKILL)
		time.Sleep(time.Duration(d.random.IntN(100)) * time.Millisecond)
		d.start()
	case n < 92:
		d.end(syscall.SIGTERM)
		d.start()
	case n < 96:
		d.link(!d.linked)
	case n < 98:
		id := d.anyShadow()
		d.note("delete %s", id)
		d.rig.core.Shadows().Delete(id.Thing, id.Name) // it may not exist
	default:
		id := d.anyShadow()
		d.write(id, `{"state":{"reported":{"foreign":1}}}`)
	}
}

// deploy deploys the present configuration. All are valid.
func (d *deployment) deploy() {
	d.t.Helper()
	err := d.rig.core.Deploy(d.t.Context(), devcore.Deployment{
		Configurations:    map[string]devcore.ConfigurationChange{componentName: {Full: json.RawMessage(d.generator.JSON())}},
		ValidationTimeout: 2 * time.Second,
	})
	if err != nil && d.linked {
		d.note("deployment: %v", err) // a component that is away, or just starts, does not judge it
	}
}

// anyShadow is a shadow of any configuration so far.
func (d *deployment) anyShadow() shadow.ID {
	ids := slices.SortedFunc(maps.Keys(d.ever), func(a, b shadow.ID) int { return slices.Compare([]string{a.Thing, a.Name}, []string{b.Thing, b.Name}) })
	return ids[d.random.IntN(len(ids))]
}

func (d *deployment) write(id shadow.ID, document string) {
	d.t.Helper()
	_, err := d.rig.core.Shadows().Update(id.Thing, id.Name, []byte(document))
	d.note("%s: %s: %v", id, document, err)
}

// request requests some value of some property.
func (d *deployment) request() {
	labels := slices.Sorted(maps.Keys(d.cfg.Shadows))
	if len(labels) == 0 {
		return
	}
	s := d.cfg.Shadows[labels[d.random.IntN(len(labels))]]
	if len(s.Properties) == 0 {
		return
	}
	keys := slices.Sorted(maps.Keys(s.Properties))
	key := keys[d.random.IntN(len(keys))]
	requested := d.valueFor(s.Properties[key])
	if requested == nil && d.documents()[s.ID].State.Desired[key] == nil {
		return // withdrawing what nobody requested breaks a shadow for good (aws-greengrass/aws-greengrass-shadow-manager issue 212)
	}
	value, err := json.Marshal(requested)
	if err != nil {
		d.t.Fatal(err)
	}
	d.write(s.ID, fmt.Sprintf(`{"state":{"desired":{%q:%s}}}`, key, value))
}

// valueFor is a value that a property mostly takes.
func (d *deployment) valueFor(p config.Property) any {
	on := d.random.IntN(2) == 0
	switch {
	case d.random.IntN(10) == 0:
		return nil
	case d.random.IntN(10) == 0:
		return "nonsense"
	}
	switch p.Kind {
	case config.PWM, config.Count:
		return d.random.IntN(101)
	case config.Pattern:
		words := slices.Sorted(maps.Keys(p.Patterns))
		return words[d.random.IntN(len(words))]
	case config.Setting:
		if value, err := p.Initial(nil); err == nil && value != nil {
			return value
		}
		return d.random.IntN(10)
	case config.Flag:
		return false
	case config.Schedule:
		return map[string]any{"entries": []any{map[string]any{"at": "00:00", "set": on}}}
	}
	return p.Values.Value(on)
}

// moveInput moves an input of the present configuration.
func (d *deployment) moveInput() {
	for _, label := range slices.Sorted(maps.Keys(d.cfg.Lines)) {
		line := d.cfg.Lines[label]
		if line.Direction != gpio.Input || d.random.IntN(3) > 0 {
			continue
		}
		if address, err := gpio.Find(d.rig.chip, line.Ref); err == nil {
			d.note("move %s", label)
			d.rig.chip.SetPull(address.Chip.Name, address.Line.Offset, d.random.IntN(2) == 0)
		}
	}
}

// rest waits until nothing is to be reported, for half a second.
func (d *deployment) rest() {
	d.t.Helper()
	var status control.Status
	quiet := time.Time{}
	awaitTrue(d.t, "all shadows to be in step", func() bool {
		client, err := control.Dial(filepath.Join(d.rig.work(), control.SocketName))
		if err != nil {
			quiet = time.Time{}
			return false
		}
		defer client.Close()
		if status, err = client.Status(); err != nil || !d.inStep(status.Snapshot) {
			quiet = time.Time{}
			return false
		}
		if quiet.IsZero() {
			quiet = time.Now()
		}
		return time.Since(quiet) > 500*time.Millisecond
	})
	d.lines = status.Lines
}

func (d *deployment) inStep(s engine.Snapshot) bool {
	if len(s.Shadows) != len(d.cfg.Shadows) || len(s.Lines) != len(d.cfg.Lines) || len(s.Withdrawing) > 0 {
		return false
	}
	for label, view := range s.Shadows {
		cfg, ok := d.cfg.Shadows[label]
		if !ok || view.Sync != replica.InStep || view.Thing != cfg.ID.Thing || view.Name != cfg.ID.Name || !sameKeys(view, cfg) {
			return false
		}
	}
	waits := false
	for _, line := range s.Lines {
		if line.Fault != "" {
			return true // others may wait for it as long as it is there
		}
		waits = waits || line.Waiting != ""
	}
	return !waits
}

// sameKeys reports whether the properties are those of the configuration.
func sameKeys(view engine.ShadowView, cfg config.Shadow) bool {
	n := 0
	for key, p := range view.Properties {
		if p.Kind == "" {
			continue // desired, and no property
		}
		if c, ok := cfg.Properties[key]; !ok || c.Kind.String() != p.Kind {
			return false
		}
		n++
	}
	return n == len(cfg.Properties)
}

// document is a shadow as the core has it.
type document struct {
	State struct{ Desired, Reported map[string]any }
}

// documents are all shadows that there are.
func (d *deployment) documents() map[shadow.ID]document {
	all := map[shadow.ID]document{}
	for id := range d.ever {
		text, err := d.rig.core.Shadows().Get(id.Thing, id.Name)
		if err != nil {
			continue // it was deleted
		}
		var doc document
		if err := json.Unmarshal(text, &doc); err != nil {
			d.t.Fatal(err)
		}
		all[id] = doc
	}
	return all
}

func (d *deployment) judge() {
	d.t.Helper()
	configured := map[shadow.ID]config.Shadow{}
	for _, s := range d.cfg.Shadows {
		configured[s.ID] = s
	}
	for id, doc := range d.documents() {
		cfg := configured[id]
		acks, _ := doc.State.Reported[shadow.AckKey].(map[string]any)
		for key, value := range doc.State.Reported {
			p, ours := cfg.Properties[key]
			switch {
			case key == "foreign", (key == shadow.AckKey || key == shadow.SyncKey) && configured[id].Properties != nil, key == shadow.StatusKey && cfg.Status:
			case !ours && value != nil:
				d.t.Errorf("%s still reports %s: %v", id, key, value)
			case ours && p.Kind == config.Level && p.Output:
				d.judgeLevel(id, key, p, value, doc.State.Desired[key], acks[key])
			}
		}
	}
	for label, lock := range d.cfg.Interlocks {
		var on []string
		for _, line := range lock.Lines {
			if level, known := d.level(line); known && level {
				on = append(on, line)
			}
		}
		if len(on) > 1 {
			d.t.Errorf("interlock %s: %v are on", label, on)
		}
	}
}

func (d *deployment) judgeLevel(id shadow.ID, key string, p config.Property, reported, desired, ack any) {
	d.t.Helper()
	level, known := d.level(p.Line)
	if !known {
		return
	}
	if reported != p.Values.Value(level) {
		d.t.Errorf("%s: %s is reported as %v, line %s is %v", id, key, reported, p.Line, level)
	}
	answer, _ := shadow.ParseAck(ack)
	if on, err := p.Values.Line(desired); err == nil && answer.Code == shadow.Done && on != level {
		d.t.Errorf("%s: %s=%v is answered with 200, line %s is %v", id, key, desired, p.Line, level)
	}
}

// level is whether a line is on. known is false for a line that the component does
// not hold, such as one of a pattern over two chips.
func (d *deployment) level(label string) (on, known bool) {
	line := d.cfg.Lines[label]
	address, err := gpio.Find(d.rig.chip, line.Ref)
	if err != nil || d.lines[label].Fault != "" {
		return false, false
	}
	high, err := d.rig.chip.Level(address.Chip.Name, address.Line.Offset)
	return high != line.ActiveLow, err == nil
}

// compare checks that a kill and a new start changed nothing. What is measured goes
// on, and what starts in a state of its own does so.
func (d *deployment) compare(before, after map[shadow.ID]document, killed bool) {
	d.t.Helper()
	for _, s := range d.cfg.Shadows {
		for key, p := range s.Properties {
			switch p.Kind {
			case config.Count:
				if killed {
					continue // the last edges may be lost
				}
			case config.Setting:
			case config.Flag:
				if !d.cfg.Alarms[p.Alarm].Latched || before[s.ID].State.Reported[key] != true {
					continue // the value that it watches may be measured anew
				}
			case config.Level, config.Pattern, config.PWM, config.Blink:
				if slices.ContainsFunc(p.Lines(), d.startsAnew) {
					continue
				}
			default:
				continue
			}
			if a, b := before[s.ID].State.Reported[key], after[s.ID].State.Reported[key]; !shadow.Equal(a, b) {
				d.t.Errorf("%s: %s was reported as %v before a kill, %v after it", s.ID, key, a, b)
			}
		}
	}
}

// startsAnew reports whether a line may be something else after a start: by its start or stop
// state, its longest time, or an alarm, a control or a schedule that acts meanwhile.
func (d *deployment) startsAnew(label string) bool {
	line := d.cfg.Lines[label]
	if line.Direction == gpio.Input || line.Start != config.StartRestore || line.Stop != config.StopKeep || line.MaxOn > 0 || line.Failsafe != nil || d.cfg.HoldFor == 0 {
		return true
	}
	for _, a := range d.cfg.Alarms {
		if a.Output == label {
			return true
		}
	}
	for _, lock := range d.cfg.Interlocks {
		if slices.Contains(lock.Lines, label) {
			return true
		}
	}
	return false
}
