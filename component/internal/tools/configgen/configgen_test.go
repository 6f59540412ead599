package configgen_test

import (
	"flag"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/tools/configgen"
	"github.com/shadowgpio/shadowgpio/gpio"
)

var generations = flag.Int("configurations", 200, "how many seeds TestSteps plays")

const stepsPerSeed = 20

// TestSteps plays many seeds. Each configuration has to be valid, each step has to name
// all that it changes, and each kind of property and of step has to occur often enough.
func TestSteps(t *testing.T) {
	kinds, steps := map[config.Kind]int{}, map[string]int{}
	sections := map[string]int{}
	for seed := range uint64(*generations) {
		g := configgen.New(seed)
		before := parse(t, seed, g)
		for n := range stepsPerSeed {
			text := g.Text()
			step := g.Step()
			after := parse(t, seed, g)
			steps[step.Kind]++
			if err := isTrue(step, before, after); err != nil {
				t.Fatalf("seed %d, step %d, %s (%s): %v\nbefore:\n%s\nafter:\n%s", seed, n, step.Text, step.Kind, err, text, g.Text())
			}
			count(kinds, sections, after)
			before = after
		}
	}
	total := *generations * stepsPerSeed
	for kind := config.Level; kind <= config.Schedule; kind++ {
		if least := total / 10; kinds[kind] < least {
			t.Errorf("properties of kind %v in %d of %d configurations, want %d at least", kind, kinds[kind], total, least)
		}
	}
	for _, kind := range configgen.StepKinds() {
		if least := total / 500; steps[kind] < least {
			t.Errorf("%d steps %q of %d, want %d at least", steps[kind], kind, total, least)
		}
	}
	for _, what := range needed {
		if least := total / 60; sections[what] < least {
			t.Errorf("%s in %d of %d configurations, want %d at least", what, sections[what], total, least)
		}
	}
	t.Logf("%d configurations: kinds %v, steps %v, with %v", total, kinds, steps, sections)
}

func parse(t *testing.T, seed uint64, g *configgen.Generator) *config.Config {
	t.Helper()
	cfg, err := config.Parse([]byte(g.Text()), configgen.Device)
	if err != nil {
		t.Fatalf("seed %d: %v\n%s", seed, err, g.Text())
	}
	return cfg
}

// needed is what configurations have to have often enough.
var needed = []string{
	"active-low input", "active-low output", "bias", "drive", "debounce", "delay", "start on", "stop off", "failsafe", "minOn", "minOff", "maxOn",
	"offset on a chip", "one name on two chips", "interlock", "dead time", "toggle", "set", "reset", "two controls on one input", "alarm on a line",
	"alarm on a property", "alarm above", "alarm below", "alarm equal", "alarm with a setting", "hysteresis", "for", "latched", "alarm with an output", "cleared: keep",
	"two shadows", "two things", "named shadow", "classic shadow", "status", "cloudWins", "holdsUntilNextDesired", "words", "object setting",
}

// count notes which kinds and which parts a configuration has, each once.
func count(kinds map[config.Kind]int, sections map[string]int, cfg *config.Config) {
	hasKind, has := map[config.Kind]bool{}, map[string]bool{}
	names := map[string]int{}
	for _, l := range cfg.Lines {
		if l.Ref.Chip != "" {
			names[l.Ref.Line]++
		}
		has["active-low "+l.Direction.String()] = has["active-low "+l.Direction.String()] || l.ActiveLow
		has["bias"] = has["bias"] || l.Bias != gpio.BiasAsIs
		has["drive"] = has["drive"] || l.Drive != gpio.PushPull
		has["debounce"] = has["debounce"] || l.Debounce > 0
		has["delay"] = has["delay"] || l.OnDelay > 0 || l.OffDelay > 0
		has["start on"] = has["start on"] || l.Start == config.StartOn
		has["stop off"] = has["stop off"] || l.Stop == config.StopOff
		has["failsafe"] = has["failsafe"] || l.Failsafe != nil
		has["minOn"], has["minOff"], has["maxOn"] = has["minOn"] || l.MinOn > 0, has["minOff"] || l.MinOff > 0, has["maxOn"] || l.MaxOn > 0
		has["offset on a chip"] = has["offset on a chip"] || l.Ref.Chip != "" && len(l.Ref.Line) == 1
	}
	for _, n := range names {
		has["one name on two chips"] = has["one name on two chips"] || n > 1
	}
	for _, i := range cfg.Interlocks {
		has["interlock"], has["dead time"] = true, has["dead time"] || i.DeadTime > 0
	}
	inputs := map[string]int{}
	for _, c := range cfg.Controls {
		has[c.Action.String()] = true
		inputs[c.Input]++
		has["two controls on one input"] = has["two controls on one input"] || inputs[c.Input] > 1
	}
	for _, a := range cfg.Alarms {
		has["alarm on a line"], has["alarm on a property"] = has["alarm on a line"] || a.Line != "", has["alarm on a property"] || a.Line == ""
		has["alarm "+a.Test.String()] = true
		has["alarm with a setting"] = has["alarm with a setting"] || a.Setting != config.Path{}
		has["hysteresis"], has["for"] = has["hysteresis"] || a.Margin > 0, has["for"] || a.For > 0
		has["latched"], has["alarm with an output"] = has["latched"] || a.Latched, has["alarm with an output"] || a.Output != ""
		has["cleared: keep"] = has["cleared: keep"] || a.Keep
	}
	things := map[string]bool{}
	for _, s := range cfg.Shadows {
		things[s.ID.Thing] = true
		has["named shadow"], has["classic shadow"] = has["named shadow"] || s.ID.Name != "", has["classic shadow"] || s.ID.Name == ""
		has["status"] = has["status"] || s.Status
		for _, p := range s.Properties {
			hasKind[p.Kind] = true
			has[p.Override.String()] = true
			has["words"] = has["words"] || p.Values != config.Values{}
			has["object setting"] = has["object setting"] || p.Domain.Type == config.ObjectValue
		}
	}
	has["two shadows"], has["two things"] = len(cfg.Shadows) > 1, len(things) > 1
	for kind := range hasKind {
		kinds[kind]++
	}
	for what, there := range has {
		if there {
			sections[what]++
		}
	}
}

// aboutNothing are the steps that change only how things are called or written.
var aboutNothing = []string{
	"relabel line", "relabel shadow", "relabel interlock", "relabel control", "relabel alarm", "swap labels", "write otherwise", "change the process",
}

// isTrue compares two configurations by the identities of their lines and properties:
// all that a step does not name has to be the same.
func isTrue(step configgen.Step, before, after *config.Config) error {
	if slices.Contains(aboutNothing, step.Kind) && len(step.Lines)+len(step.Properties) > 0 {
		return fmt.Errorf("want it to be about nothing, got %v %v", step.Lines, step.Properties)
	}
	a, b := linesOf(before), linesOf(after)
	for _, ref := range step.Lines {
		delete(a, ref)
		delete(b, ref)
	}
	for ref := range union(a, b) {
		if !reflect.DeepEqual(a[ref], b[ref]) {
			return fmt.Errorf("line %v changed\n%+v\n%+v", ref, a[ref], b[ref])
		}
	}
	p, q := propertiesOf(before), propertiesOf(after)
	for _, id := range step.Properties {
		delete(p, id)
		delete(q, id)
	}
	for id := range union(p, q) {
		if !reflect.DeepEqual(p[id], q[id]) {
			return fmt.Errorf("property %v changed\n%+v\n%+v", id, p[id], q[id])
		}
	}
	return nil
}

func union[K comparable, V any](a, b map[K]V) map[K]bool {
	all := map[K]bool{}
	for k := range a {
		all[k] = true
	}
	for k := range b {
		all[k] = true
	}
	return all
}

// lineView is a line, and what acts on it, without labels.
type lineView struct {
	config.Line
	Locked   []string // the other lines of its interlock
	DeadTime string
	Driver   string   // the property that drives it
	Switched []string // controls, alarms and schedules
}

func linesOf(cfg *config.Config) map[gpio.Ref]lineView {
	views := map[gpio.Ref]lineView{}
	for label, l := range cfg.Lines {
		v := lineView{Line: l}
		for _, i := range cfg.Interlocks {
			if slices.Contains(i.Lines, label) {
				v.Locked, v.DeadTime = refsOf(cfg, i.Lines), i.DeadTime.String()
			}
		}
		for _, c := range cfg.Controls {
			if c.Output == label {
				v.Switched = append(v.Switched, fmt.Sprint(cfg.Lines[c.Input].Ref, c.Edge, c.Action))
			}
		}
		for _, a := range cfg.Alarms {
			if a.Output == label {
				v.Switched = append(v.Switched, alarmView(cfg, a))
			}
		}
		for _, s := range cfg.Shadows {
			for key, p := range s.Properties {
				id := fmt.Sprint(s.ID, key, p.Kind)
				if p.Kind == config.Schedule && p.Drives == label {
					v.Switched = append(v.Switched, id)
				} else if p.Output && slices.Contains(p.Lines(), label) {
					v.Driver = id
				}
			}
		}
		slices.Sort(v.Switched)
		views[l.Ref] = v
	}
	return views
}

func refsOf(cfg *config.Config, labels []string) (refs []string) {
	for _, label := range labels {
		refs = append(refs, cfg.Lines[label].Ref.String())
	}
	slices.Sort(refs)
	return refs
}

// alarmView is an alarm without labels.
func alarmView(cfg *config.Config, a config.Alarm) string {
	source := func(path config.Path) string {
		if path == (config.Path{}) {
			return ""
		}
		s := cfg.Shadows[path.Shadow]
		return fmt.Sprint(s.ID, path.Key, s.Properties[path.Key].Kind)
	}
	return strings.Join([]string{
		cfg.Lines[a.Line].Ref.String(), source(a.Property), a.Test.String(), fmt.Sprint(a.Limit), source(a.Setting), fmt.Sprint(a.Margin, a.For, a.Latched),
		cfg.Lines[a.Output].Ref.String(), fmt.Sprint(a.Set, a.Keep),
	}, "|")
}

// propertyView is a property without labels.
type propertyView struct {
	config.Property
	Lines []string
	Words []string // of a pattern
	Alarm string
}

func propertiesOf(cfg *config.Config) map[configgen.PropertyID]propertyView {
	views := map[configgen.PropertyID]propertyView{}
	for _, s := range cfg.Shadows {
		if s.Status {
			views[configgen.PropertyID{Shadow: s.ID, Key: shadow.StatusKey}] = propertyView{}
		}
		for key, p := range s.Properties {
			v := propertyView{Property: p, Lines: refsOf(cfg, p.Lines())}
			if p.Kind == config.Schedule {
				v.Lines = refsOf(cfg, []string{p.Drives})
			}
			for word, states := range p.Patterns {
				var on []string
				for label, state := range states {
					on = append(on, fmt.Sprint(cfg.Lines[label].Ref, state))
				}
				slices.Sort(on)
				v.Words = append(v.Words, fmt.Sprint(word, on))
			}
			slices.Sort(v.Words)
			if p.Kind == config.Flag {
				v.Alarm = alarmView(cfg, cfg.Alarms[p.Alarm])
			}
			v.Property.Line, v.Property.Drives, v.Property.Alarm, v.Property.Patterns = "", "", "", nil
			views[configgen.PropertyID{Shadow: s.ID, Key: key, Kind: p.Kind}] = v
		}
	}
	return views
}

// TestSameSeed proves that a seed gives the same texts and steps each time, and that
// YAML and JSON say the same.
func TestSameSeed(t *testing.T) {
	for seed := range uint64(50) {
		a, b := configgen.New(seed), configgen.New(seed)
		for range stepsPerSeed {
			if a.Text() != b.Text() {
				t.Fatalf("seed %d: two texts\n%s\n%s", seed, a.Text(), b.Text())
			}
			fromJSON, err := config.Parse([]byte(a.JSON()), configgen.Device)
			if err != nil {
				t.Fatalf("seed %d: %v\n%s", seed, err, a.JSON())
			}
			if cfg := parse(t, seed, a); !reflect.DeepEqual(cfg, fromJSON) {
				t.Fatalf("seed %d: YAML and JSON differ\n%s\n%s", seed, a.Text(), a.JSON())
			}
			if x, y := a.Step(), b.Step(); !reflect.DeepEqual(x, y) {
				t.Fatalf("seed %d: two steps %+v %+v", seed, x, y)
			}
		}
	}
}
