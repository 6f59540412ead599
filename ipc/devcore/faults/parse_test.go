package faults_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// rule is one with the defaults of a rule.
func rule(operation string, do faults.Action, change func(*faults.Rule)) faults.Rule {
	r := faults.Rule{Operation: operation, Component: "*", Match: "*", Probability: 1, Do: do}
	if change != nil {
		change(&r)
	}
	return r
}

func TestParseRule(t *testing.T) {
	for text, want := range map[string]faults.Rule{
		"UpdateThingShadow delay 2s times 3": rule("UpdateThingShadow", faults.Delay, func(r *faults.Rule) { r.Duration, r.Times = 2*time.Second, 3 }),
		`{operation: UpdateThingShadow, component: "io.*", match: MyThing/plant, skip: 2, times: 5, probability: 0.3, do: delay, delay: 2s}`: rule(
			"UpdateThingShadow", faults.Delay, func(r *faults.Rule) {
				r.Component, r.Match, r.Skip, r.Times, r.Probability, r.Duration = "io.*", "MyThing/plant", 2, 5, 0.3, 2*time.Second
			}),
		`{"operation": "*", "do": "drop"}`:     rule("*", faults.Drop, nil),
		"* drop":                               rule("*", faults.Drop, nil),
		"  GetThingShadow\tdropReply ":         rule("GetThingShadow", faults.DropReply, nil),
		"GetThingShadow silence probability 1": rule("GetThingShadow", faults.Silence, nil),
		`GetThingShadow refuse ConflictError message "a \"b\" c"`: rule("GetThingShadow", faults.Refuse, func(r *faults.Rule) {
			r.Code, r.Message = model.Conflict, `a "b" c`
		}),
		`GetThingShadow refuse ConflictError message 'a "b"' match "'"`: rule("GetThingShadow", faults.Refuse, func(r *faults.Rule) {
			r.Code, r.Message, r.Match = model.Conflict, `a "b"`, "'"
		}),
		"ListNamedShadowsForThing throttle":       rule("ListNamedShadowsForThing", faults.Throttle, nil),
		"UpdateThingShadow redeliver":             rule("UpdateThingShadow", faults.Redeliver, nil),
		"UpdateThingShadow reorder":               rule("UpdateThingShadow", faults.Reorder, func(r *faults.Rule) { r.Duration = time.Second }),
		"UpdateThingShadow reorder skip 1":        rule("UpdateThingShadow", faults.Reorder, func(r *faults.Rule) { r.Duration, r.Skip = time.Second, 1 }),
		"UpdateThingShadow delayReply 1m":         rule("UpdateThingShadow", faults.DelayReply, func(r *faults.Rule) { r.Duration = time.Minute }),
		"SubscribeToTopic lose":                   rule("SubscribeToTopic", faults.Lose, func(r *faults.Rule) { r.Event = true }),
		"* duplicate match */update/accepted":     rule("*", faults.Duplicate, func(r *faults.Rule) { r.Event, r.Match = true, "*/update/accepted" }),
		"SubscribeToTopic delay 5ms on event":     rule("SubscribeToTopic", faults.Delay, func(r *faults.Rule) { r.Event, r.Duration = true, 5*time.Millisecond }),
		"SubscribeToTopic delay delay 1s":         rule("SubscribeToTopic", faults.Delay, func(r *faults.Rule) { r.Duration = time.Second }),
		"UpdateThingShadow restart":               rule("UpdateThingShadow", faults.Restart, func(r *faults.Rule) { r.Duration = time.Second }),
		"UpdateThingShadow restart 3s":            rule("UpdateThingShadow", faults.Restart, func(r *faults.Rule) { r.Duration = 3 * time.Second }),
		"{operation: '*', do: notReady, for: 4s}": rule("*", faults.NotReady, func(r *faults.Rule) { r.Duration = 4 * time.Second }),
	} {
		got, err := faults.ParseRule(text)
		if err != nil || got != want {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", text, got, err, want)
			continue
		}
		if again, err := faults.ParseRule(got.String()); err != nil || again != got {
			t.Errorf("%s: as %s it is %+v, %v", text, got, again, err)
		}
	}
}

func TestParseRuleNamesAllMistakes(t *testing.T) {
	for text, want := range map[string][]string{
		"":                               {"operation: want it", "do: want it"},
		"UpdateThingShadow":              {"do: want it, since every rule needs one, got none"},
		"UpdateThingShadows drop":        {`operation: want the name of an operation, such as UpdateThingShadow, or "*", got "UpdateThingShadows"; did you mean "UpdateThingShadow"?`},
		"UpdateThingShadow dely 2s":      {`do: want one of delay, delayReply, refuse`, `got "dely"; did you mean "delay"?`},
		"UpdateThingShadow delay":        {"delay: want a duration such as 2s, which delay needs, got none"},
		"UpdateThingShadow delay 2":      {`delay: want a duration from 1ms to 24h0m0s, such as 2s, got "2"`},
		"UpdateThingShadow delay 0s":     {`delay: want a duration from 1ms`},
		"UpdateThingShadow delay 25h":    {`delay: want a duration from 1ms to 24h`},
		"UpdateThingShadow drop tiems 3": {`tiems: want one of the keys operation, component`, `got unknown key "tiems"; did you mean "times"?`},
		"UpdateThingShadow drop 3":       {`3: want one of the keys`, `got unknown key "3"`},
		"UpdateThingShadow drop times":   {"times: want a value behind the key, got none"},
		"UpdateThingShadow drop times -1 skip x probability 2": {
			`times: want a whole number from 0, got "-1"`, `skip: want a whole number from 0, got "x"`, `probability: want a number above 0 and at most 1, got "2"`},
		"UpdateThingShadow drop probability NaN":            {`probability: want a number above 0`},
		"UpdateThingShadow drop times 1 times 2":            {"times: want each key once, got it again"},
		"UpdateThingShadow drop delay 2s code ServiceError": {`delay: want no such key with drop, got "2s"`, `code: want no such key with drop, got "ServiceError"`},
		"UpdateThingShadow refuse":                          {"code: want one of UnauthorizedError, ServiceError", "which refuse needs, got none"},
		"UpdateThingShadow refuse Conflict":                 {`code: want one of`, `did you mean "ConflictError"?`},
		"UpdateThingShadow lose":                            {`operation: want an operation that has events, got "UpdateThingShadow"`},
		"UpdateThingShadow duplicate":                       {"a request is executed twice by redeliver"},
		"SubscribeToTopic redeliver":                        {"operation: want an operation without events"},
		"SubscribeToTopic lose on request":                  {"on: want event, since lose is done to events"},
		"SubscribeToTopic drop on event":                    {"on: want request, since drop is done to requests"},
		"SubscribeToTopic drop on evnt":                     {`on: want one of request, event, got "evnt"; did you mean "event"?`},
		"PublishToTopic throttle":                           {"operation: want an operation of the shadow manager, which alone throttles"},
		`UpdateThingShadow refuse ServiceError message "x`:  {"rule: want a closing quote"},
		`UpdateThingShadow drop match '*`:                   {"rule: want a closing quote"},
		"{operation: GetThingShadow, do: [drop]}":           {"do: want one of", "got a list"},
		"{operation: GetThingShadow, do: drop, match: }":    {"match: want what to match", "got nothing"},
		"{operation: *, do: drop}":                          {"rule: neither YAML nor JSON"},
		"{operation: GetThingShadow, do: drop} {}":          {"rule:"},
	} {
		_, err := faults.ParseRule(text)
		if err == nil {
			t.Errorf("%s: no error", text)
			continue
		}
		for _, want := range want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got\n%v\nwant %s", text, err, want)
			}
		}
		if field, ok := errors.AsType[*faults.FieldError](err); ok && field.Line != 0 {
			t.Errorf("%s: line %d", text, field.Line)
		}
	}
}

const script = `
seed: 7
rules:
  - UpdateThingShadow delay 2s times 3
  - {operation: SubscribeToTopic, do: lose}
steps:
  - {at: 10s, clear: true}
  - {at: 5s, restart: 3s}
  - {at: 5s, notReady: 1s}
  - at: 0s
    add:
      - GetThingShadow silence
`

func TestParseScript(t *testing.T) {
	got, err := faults.Parse([]byte(script))
	want := faults.Script{
		Seed: 7,
		Rules: []faults.Rule{
			rule("UpdateThingShadow", faults.Delay, func(r *faults.Rule) { r.Duration, r.Times = 2*time.Second, 3 }),
			rule("SubscribeToTopic", faults.Lose, func(r *faults.Rule) { r.Event = true }),
		},
		Steps: []faults.Step{
			{Add: []faults.Rule{rule("GetThingShadow", faults.Silence, nil)}},
			{At: 5 * time.Second, Restart: 3 * time.Second},
			{At: 5 * time.Second, NotReady: time.Second},
			{At: 10 * time.Second, Clear: true},
		},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	if empty, err := faults.Parse(nil); err != nil || !reflect.DeepEqual(empty, faults.Script{}) {
		t.Errorf("empty: %+v, %v", empty, err)
	}
}

func TestParseScriptNamesAllMistakes(t *testing.T) {
	for text, want := range map[string][]string{
		"rule: []":                     {`line 1: rule: want one of the keys seed, rules, steps, got unknown key "rule"; did you mean "rules"?`},
		"- GetThingShadow drop":        {"line 1: script: want a map of seed, rules, steps, got a list"},
		"seed: 0\nrules: {}\nsteps: 3": {"line 1: seed: want a whole number from 1", "line 2: rules: want a list, got a map", `line 3: steps: want a list, got "3"`},
		"rules:\n- GetThingShadow drip\n- {operation: X, do: delay}": {
			`line 2: rules[0].do: want one of`, `line 3: rules[1].operation:`, "line 3: rules[1].delay: want a duration"},
		"steps: [{restart: 3s}, {at: 1s}, {at: 1s, clear: true, restart: 1s}, {at: -1s, clear: no}, 5]": {
			"steps[0]: want the time at, got none", "steps[1]: want exactly one of add, clear, restart, notReady, got 0 of them",
			"steps[2]: want exactly one of add, clear, restart, notReady, got 2 of them", "steps[3].at: want a duration from 0s",
			`steps[3].clear: want true, got "no"`, "steps[4]: want a map of at, add"},
		"steps: [{at: 1s, add: [GetThingShadow drop tims 1]}]": {`steps[0].add[0].tims`, `did you mean "times"?`},
		"a: [":             {"script: neither YAML nor JSON"},
		"seed: 1\n---\n{}": {"script: want one document, got more after it"},
	} {
		_, err := faults.Parse([]byte(text))
		for _, want := range want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got\n%v\nwant %s", text, err, want)
			}
		}
	}
}

// FuzzParse wants no panic, and rules that can be written and read again.
func FuzzParse(f *testing.F) {
	f.Add(script)
	f.Add("rules: [&a 'GetThingShadow refuse ConflictError message \"x y\"', *a]")
	f.Add("rules: &a [*a]")
	f.Add("UpdateThingShadow delay 2s times 3")
	f.Add(`{operation: "*", component: "a b", match: "\"", probability: 1e-9, do: reorder, on: event, delay: 90s}`)
	f.Fuzz(func(t *testing.T, text string) {
		var rules []faults.Rule
		if s, err := faults.Parse([]byte(text)); err == nil {
			rules = s.Rules
		}
		if r, err := faults.ParseRule(text); err == nil {
			rules = append(rules, r)
		}
		for _, r := range rules {
			if again, err := faults.ParseRule(r.String()); err != nil || again != r {
				t.Errorf("%+v as %s: %+v, %v", r, r, again, err)
			}
		}
	})
}
