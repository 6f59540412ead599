package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

const withSiren = `
lines:
  siren: {line: A, direction: output}
  spare: {line: B, direction: output}
  tank:  {line: T, direction: input}
alarms:
  full: {line: tank, output: siren}
shadows:
  main:
    properties:
      siren: {line: siren}
`

// raisedSiren is a siren that its alarm turned on.
func raisedSiren(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, withSiren, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":1,"state":{}}`)
	r.edge("tank", true)
	r.pass(time.Second)
	if !r.lines["siren"] {
		t.Fatal("the alarm does not drive the siren")
	}
	return r
}

// A siren that was turned off stays off when labels change.
func TestRelabelingDoesNotRepeatAnAlarm(t *testing.T) {
	for name, labels := range map[string][]string{
		"another label": {"siren:", "horn:", "output: siren", "output: horn", "line: siren", "line: horn"},
		"swapped":       {"  siren: {line: A", "  spare: {line: A", "  spare: {line: B", "  siren: {line: B", "output: siren", "output: spare", "line: siren", "line: spare"},
	} {
		r := raisedSiren(t)
		r.accepted("main", r.shadows["main"].replica.View().Version+1, `{"siren":false}`, `{"siren":{"timestamp":1700000005}}`)
		r.pass(time.Second)
		if r.lines["siren"] {
			t.Fatal("the siren was not turned off")
		}
		r.sets = nil
		text := strings.NewReplacer(labels...).Replace(withSiren)
		text = strings.Replace(text, "      horn:", "      siren:", 1)
		text = strings.Replace(text, "      spare:", "      siren:", 1)
		r.configure(text)
		r.pass(time.Second)
		if len(r.sets) > 0 {
			t.Errorf("%s: written %v", name, r.sets)
		}
	}
}

// A raised alarm drives the line that its output has become.
func TestRaisedAlarmDrivesTheLineThatItsOutputBecame(t *testing.T) {
	r := raisedSiren(t)
	r.sets, r.lines = nil, map[string]bool{"tank": true}
	r.configure(strings.NewReplacer("  siren: {line: A", "  siren: {line: N").Replace(withSiren))
	r.pass(time.Second)
	if !r.lines["siren"] {
		t.Error("the siren on its new line is off while the alarm is raised")
	}
}

// What two alarms watch may be the same: a relabeling does not mix them up.
func TestAlarmsOfOneValueAreToldApart(t *testing.T) {
	const text = `
lines: {meter: {line: M, direction: input}}
alarms:
  warm: {property: main/n, above: 1}
  hot:  {property: main/n, above: 5, latched: true}
shadows:
  main:
    properties:
      n:    {line: meter, count: rising}
      warm: {alarm: warm}
      hot:  {alarm: hot}
`
	const same = `
lines: {tank: {line: T, direction: input}, siren: {line: S, direction: output}}
alarms:
  warm: {line: tank, output: siren}
  hot:  {line: tank, latched: true}
`
	r := newRig(t, same, state.State{})
	r.step(Start{})
	r.edge("tank", true)
	r.edge("tank", false)
	r.pass(time.Second)
	r.sets = nil
	r.configure(strings.NewReplacer("warm:", "hot:", "hot:", "warm:").Replace(same))
	if r.pass(time.Second); len(r.sets) > 0 {
		t.Errorf("two alarms of one line swapped their labels: written %v", r.sets)
	}
	swapped := strings.NewReplacer("  warm: {property: main/n, above: 1}", "  hot: {property: main/n, above: 1}",
		"  hot:  {property: main/n, above: 5", "  warm:  {property: main/n, above: 5", "{alarm: warm}", "{alarm: hot}", "{alarm: hot}", "{alarm: warm}").Replace(text)
	others := strings.NewReplacer("  warm: {property", "  a: {property", "  hot:  {property", "  b:  {property", "{alarm: warm}", "{alarm: a}", "{alarm: hot}", "{alarm: b}").Replace(text)
	for name, changed := range map[string]string{"swapped": swapped, "both relabeled": others} {
		for turns, want := range map[int]string{3: "true false", 7: "true true"} {
			r := newRig(t, text, state.State{})
			r.step(Start{})
			r.step(shadowLive{"main"})
			r.fetched("main", `{"version":1,"state":{}}`)
			for range turns {
				r.edge("meter", true)
				r.edge("meter", false)
			}
			r.pass(2 * time.Second)
			r.desired(r.shadows["main"].replica.View().Version+1, `{"n":2}`)
			r.pass(2 * time.Second)
			show := func(r *rig) string { return r.shows("warm") + " " + r.shows("hot") }
			if show(r) != want {
				t.Fatalf("%d turns: %s, want %s", turns, show(r), want)
			}
			next := newRig(t, changed, r.lastSaved())
			next.step(Start{})
			r.configure(changed)
			if show(r) != want {
				t.Errorf("%s, %d turns: %s, want %s", name, turns, show(r), want)
			}
			if show(next) != want {
				t.Errorf("%s with a restart, %d turns: %s, want %s", name, turns, show(next), want)
			}
		}
	}
}

// Two alarms may differ in one thing that only one of them has, such as an output. When
// they swap their labels, none takes the state of the other.
func TestSwappedLabelsOfAlarmsThatDifferInAnOutput(t *testing.T) {
	t.Parallel()
	const text = `
lines: {tank: {line: T, direction: input}, siren: {line: S, direction: output}}
alarms:
  shown:  {line: tank, latched: true%s}
  driven: {line: tank, latched: true%s, output: siren}
shadows: {main: {properties: {shown: {alarm: shown}, driven: {alarm: driven}}}}
`
	for _, both := range []string{"", ", for: 1s"} {
		for _, one := range []string{"", ", for: 2s"} {
			same := fmt.Sprintf(text, both, both+one)
			if both != "" && one != "" {
				continue
			}
			swapped := strings.NewReplacer("  shown: ", "  driven: ", "  driven: ", "  shown: ", "{alarm: shown}", "{alarm: driven}", "{alarm: driven}", "{alarm: shown}").Replace(same)
			r := newRig(t, same, state.State{})
			r.step(Start{})
			r.step(shadowLive{"main"})
			r.fetched("main", `{"version":1,"state":{}}`)
			r.edge("tank", true)
			r.pass(5 * time.Second)
			r.edge("tank", false)
			r.desired(r.shadows["main"].replica.View().Version+1, `{"shown":false}`)
			r.pass(5 * time.Second)
			const want = "false true"
			show := func(r *rig) string { return r.shows("shown") + " " + r.shows("driven") }
			if show(r) != want || !r.lines["siren"] {
				t.Fatalf("the alarms are %s, the siren is %v, want one alarm and the siren", show(r), r.lines["siren"])
			}
			next := newRig(t, swapped, r.lastSaved())
			next.step(Start{})
			next.pass(time.Second)
			r.configure(swapped)
			r.pass(time.Second)
			if show(r) != want || !r.lines["siren"] {
				t.Errorf("%q, %q: the alarms are %s, the siren is %v", both, one, show(r), r.lines["siren"])
			}
			if show(next) != want || !next.lines["siren"] {
				t.Errorf("%q, %q, with a restart: the alarms are %s, the siren is %v", both, one, show(next), next.lines["siren"])
			}
		}
	}
}

// An alarm that was not tested yet takes no state of another alarm of the same value.
func TestUntestedAlarmTakesNoOtherState(t *testing.T) {
	t.Parallel()
	const text = `
lines: {meter: {line: M, direction: input}, siren: {line: S, direction: output}}
alarms:
  high: {property: main/n, above: 5, for: 1m, output: siren}
  low:  {property: main/n, above: 2, latched: true}
shadows: {main: {properties: {n: {line: meter, count: rising}, low: {alarm: low}}}}
`
	r := newRig(t, text, state.State{Properties: map[string]state.Property{"gw//n#count": {Read: true, Count: new(int64(9))}}})
	r.step(Start{})
	r.pass(30 * time.Second)
	if r.shows("low") != "true" || r.lines["siren"] {
		t.Fatalf("low is %s, the siren is %v, want low raised and the siren waiting", r.shows("low"), r.lines["siren"])
	}
	r.sets = nil
	r.configure(strings.NewReplacer("low:  {property: main/n, above: 2, latched: true}", "low:  {line: meter, latched: true}").Replace(text))
	if r.pass(time.Second); len(r.sets) > 0 {
		t.Errorf("written %v by a change of another alarm", r.sets)
	}
}
