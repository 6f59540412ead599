package engine

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

const readingConfig = `
lines:
  pump: {line: GPIO1, direction: input}
  fan:  {line: GPIO2, direction: output}
alarms:
  hot: {property: main/temperature, above: 60, hysteresis: 5, output: fan}
shadows:
  main:
    status: true
    properties:
      temperature: {reading: thermal.cpu, interval: 10s, deadband: 1, maxInterval: 10m}
      busy:        {line: pump, duty: 15s, decimals: 0}
      lastRun:     {line: pump, lastPulse: on}
`

func readings(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, readingConfig, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":3,"state":{"reported":{"busy":0}}}`)
	r.acceptAll()
	return r
}

// acceptAll accepts the update under way, and those that follow, until there is none.
func (r *rig) acceptAll() (n int) {
	for version := int64(100); len(r.updates) > 0; version++ {
		u := r.updates[0]
		r.updates = r.updates[1:]
		r.step(updateAnswered{Shadow: u.Shadow, Seq: u.Seq, Version: version})
		r.pass(time.Second)
		n++
	}
	return n
}

func (r *rig) sample(value float64) {
	r.step(sensorSampled{Shadow: "main", Property: "temperature", Sensor: "thermal.cpu", Value: value})
}

func TestReadingIsReportedByItsRules(t *testing.T) {
	r := readings(t)
	r.sample(40)
	if n := r.acceptAll(); n != 1 || r.reportedNow("main")["temperature"] != 40.0 {
		t.Errorf("%d updates, reported %v", n, r.reportedNow("main"))
	}
	for _, value := range []float64{40.5, 39.5, 40.9} { // within the deadband
		r.pass(10 * time.Second)
		r.sample(value)
	}
	if n := r.acceptAll(); n != 0 {
		t.Errorf("%d updates within the deadband", n)
	}
	r.pass(10 * time.Second)
	r.sample(41.2)
	if n := r.acceptAll(); n != 1 || r.reportedNow("main")["temperature"] != 41.2 {
		t.Errorf("%d updates, reported %v", n, r.reportedNow("main"))
	}
	// The same again and again: once in its longest interval.
	for range 120 {
		r.pass(10 * time.Second)
		r.sample(41.2)
	}
	if n := r.acceptAll(); n < 1 || n > 2 {
		t.Errorf("%d updates in 20 minutes of the same value, want one in 10", n)
	}
	// A sample of a sensor that was configured before is late.
	r.step(sensorSampled{Shadow: "main", Property: "temperature", Sensor: "thermal.gpu", Value: 99})
	if n := r.acceptAll(); n != 0 {
		t.Errorf("a sample of another sensor made %d updates", n)
	}
}

func TestSensorThatFailsIsTheFaultOfItsReading(t *testing.T) {
	r := readings(t)
	fail := func(err error) {
		r.step(sensorSampled{Shadow: "main", Property: "temperature", Sensor: "thermal.cpu", Err: err})
	}
	// No data yet is no fault, and no value.
	r.step(sensorSampled{Shadow: "main", Property: "temperature", Sensor: "thermal.cpu", NoData: true})
	if n := r.acceptAll(); n != 0 {
		t.Errorf("no data made %d updates", n)
	}
	r.sample(40)
	r.acceptAll()
	fail(errors.New("no such sensor"))
	r.acceptAll()
	reported := r.reportedNow("main")
	if _, shown := reported["temperature"]; shown {
		t.Errorf("a sensor that failed still shows %v", reported["temperature"])
	}
	if got := asJSON(t, reported["status"]); !strings.Contains(got, `"reading main/temperature":"no such sensor"`) {
		t.Errorf("the status is %s", got)
	}
	fail(errors.New("no such sensor"))
	if n := r.acceptAll(); n != 0 {
		t.Errorf("the same failure made %d updates", n)
	}
	r.sample(40) // what it was before counts as new
	r.acceptAll()
	reported = r.reportedNow("main")
	if reported["temperature"] != 40.0 || strings.Contains(asJSON(t, reported["status"]), "faults") {
		t.Errorf("when it is back: %v", reported)
	}
}

// The alarm compares samples, not what the deadband lets through.
func TestAlarmOfAReading(t *testing.T) {
	r := readings(t)
	r.sample(59.9)
	r.sample(60.1)
	if !r.lines["fan"] {
		t.Error("the fan is off at 60.1, want on above 60")
	}
	r.step(sensorSampled{Shadow: "main", Property: "temperature", Sensor: "thermal.cpu", Err: errors.New("gone")})
	r.pass(time.Minute)
	if !r.lines["fan"] {
		t.Error("the fan went off when the sensor failed, want it to stay")
	}
	r.sample(54)
	if r.lines["fan"] {
		t.Error("the fan is on at 54, want off below 55")
	}
}

func TestDutyAndLastPulse(t *testing.T) {
	r := readings(t)
	var clock time.Duration = time.Hour
	// On for 250 ms in each second.
	for range 10 {
		up := lines.Stamp{Wall: r.now, Clock: clock}
		r.step(r.seen("pump", lines.Burst{Value: true, Rising: 1, RisingAt: up}))
		r.pass(250 * time.Millisecond)
		down := lines.Stamp{Wall: r.now, Clock: clock + 250*time.Millisecond}
		r.step(r.seen("pump", lines.Burst{Value: false, Falling: 1, FallingAt: down}))
		r.pass(750 * time.Millisecond)
		clock += time.Second
	}
	r.acceptAll()
	got := r.reportedNow("main")
	if got["busy"] != 25.0 || got["lastRun"] != 0.25 {
		t.Errorf("duty %v %%, last pulse %v s; want 25 and 0.25", got["busy"], got["lastRun"])
	}
	// Without an edge it is at rest: off, or on.
	r.pass(20 * time.Second)
	r.acceptAll()
	if got := r.reportedNow("main"); got["busy"] != 0.0 || got["lastRun"] != 0.25 {
		t.Errorf("at rest: duty %v %%, last pulse %v s; want 0 and 0.25", got["busy"], got["lastRun"])
	}
	r.step(r.seen("pump", lines.Burst{Value: true, Rising: 1, RisingAt: lines.Stamp{Wall: r.now, Clock: clock + time.Hour}}))
	r.pass(20 * time.Second)
	r.acceptAll()
	if got := r.reportedNow("main"); got["busy"] != 100.0 {
		t.Errorf("on for long: duty %v %%, want 100", got["busy"])
	}
}

func TestUnits(t *testing.T) {
	r := newRig(t, `
lines:
  pump: {line: GPIO1, direction: input}
shadows:
  main:
    properties:
      room:    {reading: thermal.room}
      far:     {reading: thermal.room, scale: 1.8, offset: 32}
      said:    {reading: thermal.room, scale: 1.8, offset: 32, unit: °F}
      busy:    {line: pump, duty: 15s}
      lastRun: {line: pump, lastPulse: on}
      pause:   {line: pump, period: rising}
      litres:  {line: pump, count: rising, scale: 0.1, unit: l}
      flow:    {line: pump, rate: rising, scale: 0.1, per: 1m, unit: l/min}
`, state.State{})
	r.step(Start{})
	for _, key := range []string{"room", "far", "said"} {
		r.step(sensorSampled{Shadow: "main", Property: key, Sensor: "thermal.room", Value: 20, Unit: "°C"})
	}
	views := r.Snapshot(r.now).Shadows["main"].Properties
	for key, want := range map[string]string{"room": "°C", "far": "", "said": "°F", "busy": "%", "lastRun": "s", "pause": "s", "litres": "l", "flow": "l/min"} {
		if got := views[key].Unit; got != want {
			t.Errorf("the unit of %s is %q, want %q", key, got, want)
		}
	}
}

// Samples that come at the same part of each period as the signal measure all of it.
func TestPulsesBesideTheSamples(t *testing.T) {
	for _, ends := range []bool{true, false} {
		r := readings(t)
		clock := time.Hour
		for range 20 {
			r.pass(600 * time.Millisecond)
			clock += 600 * time.Millisecond
			stamp := lines.Stamp{Wall: r.now, Clock: clock}
			if ends {
				r.step(r.seen("pump", lines.Burst{Value: false, Falling: 1, FallingAt: stamp}))
			} else {
				r.step(r.seen("pump", lines.Burst{Value: true, Rising: 1, RisingAt: stamp}))
			}
			r.pass(400 * time.Millisecond)
			clock += 400 * time.Millisecond
			stamp = lines.Stamp{Wall: r.now, Clock: clock}
			if ends {
				r.step(r.seen("pump", lines.Burst{Value: true, Rising: 1, RisingAt: stamp}))
			} else {
				r.step(r.seen("pump", lines.Burst{Value: false, Falling: 1, FallingAt: stamp}))
			}
		}
		r.acceptAll()
		want := map[bool][2]any{true: {60.0, 0.6}, false: {40.0, 0.4}}[ends]
		if got := r.reportedNow("main"); got["busy"] != want[0] || got["lastRun"] != want[1] {
			t.Errorf("samples after rising edges %v: duty %v %%, last pulse %v s; want %v", ends, got["busy"], got["lastRun"], want)
		}
	}
}

// What guards a flow against running dry does not stop the pump because the component
// or its configuration is new.
func TestFlowIsNotDryBeforeItIsMeasured(t *testing.T) {
	const flow = `
lines:
  meter: {line: GPIO1, direction: input}
  pump:  {line: GPIO2, direction: output}
  lamp:  {line: GPIO3, direction: output}
shadows:
  main:
    properties:
      flow:  {line: meter, rate: rising, timeout: 5s}
      pause: {line: meter, period: rising, timeout: 5s}
      open:  {line: meter, duty: 5s, decimals: 0}
      lamp:  {line: lamp}
alarms:
  dry: {property: main/flow, below: 1, output: pump, set: "off"}
`
	begin := func(turns int) *rig {
		r := newRig(t, flow, state.State{Outputs: map[string]bool{"GPIO2": true}})
		r.step(Start{})
		for range turns {
			r.pass(250 * time.Millisecond)
			r.edge("meter", true)
			r.pass(250 * time.Millisecond)
			r.edge("meter", false)
		}
		return r
	}
	for turns := range 20 {
		if r := begin(turns); !r.lines["pump"] {
			t.Fatalf("dry after %d edges, two a second", turns)
		}
	}
	r := begin(20)
	for i, config := range []string{
		strings.Replace(flow, "lamp: {line: GPIO3, direction: output}", `lamp: {line: GPIO3, direction: output, stop: "off"}`, 1),
		strings.Replace(flow, "timeout: 5s", "timeout: 6s", 1),
		strings.Replace(flow, "direction: input}", "direction: input, debounce: 1ms}", 1),
	} {
		r.configure(config)
		if !r.lines["pump"] {
			t.Fatalf("dry by configuration %d", i)
		}
		if got := r.shows("flow") + r.shows("pause") + r.shows("open"); i == 0 && got != "20.550" {
			t.Errorf("a configuration that is the same of the meter makes it %s", got)
		}
		r.configure(flow)
	}
	for _, r := range []*rig{begin(0), begin(1), begin(2)} {
		r.pass(6 * time.Second)
		if r.lines["pump"] || r.shows("flow") != "0" || r.shows("open") != "0" {
			t.Errorf("after the time-out the pump is %v, the flow %s, open %s", r.lines["pump"], r.shows("flow"), r.shows("open"))
		}
	}
}

// Another configuration leaves a reading that is the same as it was.
func TestConfigureKeepsReadings(t *testing.T) {
	r := readings(t)
	r.sample(40)
	r.acceptAll()
	r.configure(strings.Replace(readingConfig, "duty: 15s", "duty: 16s", 1))
	r.fetched("main", `{"version":120,"state":{"reported":{"temperature":40,"busy":0}}}`)
	r.sample(40.5)
	r.acceptAll()
	if got := r.reportedNow("main")["temperature"]; fmt.Sprint(got) != "40" {
		t.Errorf("reported %v, want 40: the deadband is from before", got)
	}
}

// A value that an earlier run reported does not outlive its sensor, nor that there
// never is data.
func TestOldValueGoesWithItsSensor(t *testing.T) {
	for name, in := range map[string]sensorSampled{"failed": {Err: errors.New("no such sensor")}, "no data": {NoData: true}, "no number": {Value: math.Inf(1)}} {
		r := newRig(t, readingConfig, state.State{})
		r.step(Start{})
		r.step(shadowLive{"main"})
		r.fetched("main", `{"version":3,"state":{"reported":{"temperature":41.5,"busy":0}}}`)
		in.Shadow, in.Property, in.Sensor = "main", "temperature", "thermal.cpu"
		r.step(in)
		r.acceptAll()
		if _, shown := r.reportedNow("main")["temperature"]; in.NoData != shown {
			t.Errorf("%s: at once the value is shown: %v", name, shown)
		}
		for range 3 {
			r.pass(5 * time.Second)
			r.step(in)
		}
		r.acceptAll()
		got := r.reportedNow("main")
		if value, shown := got["temperature"]; shown || !strings.Contains(asJSON(t, got["status"]), "reading main/temperature") {
			t.Errorf("%s: after 15 s it shows %v, status %s", name, value, asJSON(t, got["status"]))
		}
		r.sample(42)
		r.acceptAll()
		if got := r.reportedNow("main"); got["temperature"] != 42.0 || strings.Contains(asJSON(t, got["status"]), "faults") {
			t.Errorf("%s: when it is back: %v", name, got)
		}
	}
}

// A sensor that shows other garbage each time is told of once in a while.
func TestGarbageIsNoTraffic(t *testing.T) {
	r := readings(t)
	n := 0
	for i := range 600 {
		r.step(sensorSampled{Shadow: "main", Property: "temperature", Sensor: "thermal.cpu", Err: fmt.Errorf("want a number, got %d?", i)})
		n += r.acceptAll()
		r.pass(time.Second)
	}
	if n > 25 {
		t.Errorf("%d updates in 20 minutes of garbage, want one a minute at most", n)
	}
	if got := r.Snapshot(r.now).Shadows["main"].Properties["temperature"].Fault; got != "want a number, got 599?" {
		t.Errorf("the status of the gateway has %q, want the latest", got)
	}
}
