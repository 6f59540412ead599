package engine

import (
	"strings"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// A local change holds against what is desired. The shadow still has the answer to a
// value before that, which is none to this one.
func TestLocalChangeIsAnsweredOverAnOlderAnswer(t *testing.T) {
	const held = `{line: lamp, values: {"on": on, "off": off}, override: holdsUntilNextDesired}`
	text := strings.Replace(testConfig, `{line: lamp, values: {"on": on, "off": off}}`, held, 1)
	r := newRig(t, text, state.State{Properties: map[string]state.Property{"gw//lights#level": {Read: true, Local: &state.Local{Output: "GPIO17", Value: "on", Made: 120, Seen: "off", At: 100}}}})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":9,
		"state":{"desired":{"lights":"off"},"reported":{"lights":"on","locked":false,"ack":{"lights":{"code":500,"reason":"busy","version":5}}}},
		"metadata":{"desired":{"lights":{"timestamp":100}},"reported":{"ack":{"lights":{"code":{"timestamp":90}}}}}}`)
	r.reports("main", `{"ack":{"lights":{"code":409,"reason":"`+overruledReason+`","value":"off","version":9}}}`, 10)
	if !r.lines["lamp"] {
		t.Error("the lamp is off, want on as it was switched by hand")
	}
}
