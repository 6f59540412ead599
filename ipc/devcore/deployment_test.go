package devcore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server/servertest"
)

// merging is a deployment that merges into the configuration of one component.
func merging(component, value string) devcore.Deployment {
	return devcore.Deployment{ID: "d", Configurations: map[string]devcore.ConfigurationChange{
		component: {Merge: json.RawMessage(value)},
	}}
}

// begin starts a deployment and returns where its end arrives.
func begin(core *devcore.Core, d devcore.Deployment) <-chan error {
	done := make(chan error, 1)
	go func() { done <- core.Deploy(context.Background(), d) }()
	return done
}

func configure(t testing.TB, core *devcore.Core, component, text string) {
	t.Helper()
	if err := core.SetConfiguration(component, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func configuration(t testing.TB, c *servertest.Client, component string) string {
	t.Helper()
	var got model.GetConfigurationResponse
	answer(t, c, model.GetConfiguration, model.GetConfigurationRequest{ComponentName: component}, &got)
	return string(got.Value)
}

func TestDeployConfiguration(t *testing.T) {
	const given = `{"a":{"x":1,"y":[1,2]},"b":2,"accessControl":{}}`
	for name, test := range map[string]struct {
		change devcore.ConfigurationChange
		want   string
	}{
		"merge":         {devcore.ConfigurationChange{Merge: json.RawMessage(`{"A":{"X":5,"z":{}},"c":3}`)}, `{"a":{"x":5,"y":[1,2],"z":{}},"accessControl":{},"b":2,"c":3,"own":1,"new":{"n":1}}`},
		"leaf and map":  {devcore.ConfigurationChange{Merge: json.RawMessage(`{"a":1,"b":{"x":1}}`)}, `{"a":1,"accessControl":{},"b":{"x":1},"new":{"n":1},"own":1}`},
		"reset":         {devcore.ConfigurationChange{Reset: []string{"/own", "/new/n", "/missing/x", "/a/y/0"}}, `{"a":{"x":1,"y":[1,2]},"accessControl":{},"b":7,"new":{}}`},
		"reset default": {devcore.ConfigurationChange{Reset: []string{"/b"}, Merge: json.RawMessage(`{"own":2}`)}, `{"a":{"x":1,"y":[1,2]},"accessControl":{},"b":2,"new":{"n":1},"own":2}`},
		"reset all":     {devcore.ConfigurationChange{Reset: []string{""}}, given},
		"full":          {devcore.ConfigurationChange{Full: json.RawMessage(`{"only":true}`)}, `{"only":true}`},
	} {
		t.Run(name, func(t *testing.T) {
			core, socket := serve(t, devcore.Config{})
			configure(t, core, "a", given)
			c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
			update := fmt.Sprintf(`{"timestamp":%f,"valueToMerge":{"own":1,"b":7,"new":{"n":1}}}`, float64(time.Now().UnixMilli())/1000)
			if name == "merge" || name == "leaf and map" || name == "reset default" {
				update = strings.Replace(update, `"b":7`, `"b":2`, 1)
			}
			answer(t, c, model.UpdateConfiguration, json.RawMessage(update), &struct{}{})
			d := devcore.Deployment{Configurations: map[string]devcore.ConfigurationChange{"a": test.change}}
			if err := core.Deploy(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			var got, want any
			json.Unmarshal([]byte(configuration(t, c, "a")), &got)
			json.Unmarshal([]byte(test.want), &want)
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// TestDeployKeepsNewer leaves a value alone that has a time in the future.
func TestDeployKeepsNewer(t *testing.T) {
	core, socket := serve(t, devcore.Config{})
	configure(t, core, "a", `{"x":1,"y":1}`)
	c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
	answer(t, c, model.UpdateConfiguration, json.RawMessage(`{"timestamp":4000000000.0,"valueToMerge":{"x":2}}`), &struct{}{})
	if err := core.Deploy(t.Context(), merging("a", `{"x":3,"y":3}`)); err != nil {
		t.Fatal(err)
	}
	if got := configuration(t, c, "a"); got != `{"x":2,"y":3}` {
		t.Errorf("got %s", got)
	}
}

func TestDeployRefusesNonsense(t *testing.T) {
	core, socket := serve(t, devcore.Config{})
	configure(t, core, "a", `{"x":1}`)
	for want, change := range map[string]devcore.ConfigurationChange{
		"want a JSON pointer": {Reset: []string{"x"}},
		"want an object":      {Merge: json.RawMessage(`null`)},
		"cannot unmarshal":    {Merge: json.RawMessage(`[1]`)},
		"got both":            {Full: json.RawMessage(`{}`), Reset: []string{""}},
	} {
		d := devcore.Deployment{Configurations: map[string]devcore.ConfigurationChange{"a": change}}
		if err := core.Deploy(t.Context(), d); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "configuration of a") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if got := configuration(t, servertest.Dial(t, socket).Login(core.IssueToken("a")), ""); got != `{"x":1}` {
		t.Errorf("got %s", got)
	}
}

func TestDeploymentSurvivesRestart(t *testing.T) {
	const given = `{"a":{"x":1},"b":1,"m":{"n":{"o":{"p":1}},"q":{"r":1}},"z":{}}`
	for _, full := range []string{
		`{"a":2,"c":{"d":1}}`,
		`{"a":{},"c":{"d":{}}}`,
		`{"m":{"q":{"r":1}}}`,
		`{"m":{"n":{"o":{}},"q":{"r":{"s":1}}},"z":{"y":null}}`,
		`{}`,
	} {
		dir := t.TempDir()
		for i := range 2 {
			core, socket := serve(t, devcore.Config{Dir: dir})
			configure(t, core, "a", given)
			if i == 0 {
				d := devcore.Deployment{Configurations: map[string]devcore.ConfigurationChange{"a": {Full: json.RawMessage(full)}}}
				if err := core.Deploy(t.Context(), d); err != nil {
					t.Fatal(err)
				}
			}
			c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
			if got := configuration(t, c, "a"); got != full {
				t.Errorf("run %d: got %s, want %s", i, got, full)
			}
			if got := core.Configuration("a"); string(got) != full {
				t.Errorf("run %d: Configuration is %s, want %s", i, got, full)
			}
			core.Close()
		}
	}
}

func TestBrokenConfigurationIsSetAside(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "configuration", "a.json")
	os.Mkdir(filepath.Dir(file), 0o700)
	if err := os.WriteFile(file, []byte(`[{"path":`), 0o600); err != nil {
		t.Fatal(err)
	}
	var log logBuffer
	core, socket := serve(t, devcore.Config{Dir: dir, Logger: log.logger()})
	configure(t, core, "a", `{"b":1}`)
	if got := configuration(t, servertest.Dial(t, socket).Login(core.IssueToken("a")), ""); got != `{"b":1}` {
		t.Errorf("got %s", got)
	}
	aside, _ := filepath.Glob(file + ".broken-*")
	if text := log.String(); len(aside) != 1 || !strings.Contains(text, "file is broken and was set aside; what was changed of the configuration is missing") {
		t.Errorf("set aside %q, log %s", aside, text)
	}
}

// validator is a component that judges its configuration.
func validator(t testing.TB, c *servertest.Client) *servertest.Client {
	t.Helper()
	answer(t, c, model.SubscribeToValidateConfigurationUpdates, struct{}{}, &struct{}{})
	return c
}

// asked reads a question and returns the configuration in it.
func asked(t testing.TB, c *servertest.Client) string {
	t.Helper()
	e := event[model.ValidateConfigurationUpdateEvents](t, c, model.SubscribeToValidateConfigurationUpdates).ValidateConfigurationUpdateEvent
	if e == nil || e.DeploymentID != "d" {
		t.Fatalf("got %+v", e)
	}
	return string(e.Configuration)
}

func report(status, message string) string {
	return fmt.Sprintf(`{"configurationValidityReport":{"deploymentId":"d","status":%q,"message":%q}}`, status, message)
}

func TestValidation(t *testing.T) {
	core, socket := serve(t, devcore.Config{})
	configure(t, core, "a", `{"x":1,"_hidden":1}`)
	configure(t, core, "b", `{"y":1}`)
	configure(t, core, "silent", `{}`)
	a := validator(t, servertest.Dial(t, socket).Login(core.IssueToken("a")))
	b := validator(t, servertest.Dial(t, socket).Login(core.IssueToken("b")))
	watcher := servertest.Dial(t, socket).Login(core.IssueToken("w"))
	answer(t, watcher, model.SubscribeToConfigurationUpdate, model.SubscribeToConfigurationUpdateRequest{ComponentName: "a"}, &struct{}{})

	d := devcore.Deployment{ID: "d", Configurations: map[string]devcore.ConfigurationChange{
		"a": {Merge: json.RawMessage(`{"z":2}`)}, "b": {Merge: json.RawMessage(`{"y":2}`)}, "silent": {Merge: json.RawMessage(`{"s":1}`)},
	}}
	done := begin(core, d)
	if got := asked(t, a); got != `{"x":1,"z":2}` {
		t.Errorf("a was asked about %s", got)
	}
	if got := asked(t, b); got != `{"y":2}` {
		t.Errorf("b was asked about %s", got)
	}
	const unknown = "InvalidArgumentsError Validation request either timed out or was never made"
	if got := refusal(t, watcher, model.SendConfigurationValidityReport, report("ACCEPTED", "")); got != unknown {
		t.Error(got)
	}
	if got := refusal(t, a, model.SendConfigurationValidityReport, strings.Replace(report("ACCEPTED", ""), `"d"`, `"e"`, 1)); got != unknown {
		t.Error(got)
	}
	if got := refusal(t, a, model.SendConfigurationValidityReport, `{"configurationValidityReport":{"status":"ACCEPTED"}}`); got != "InvalidArgumentsError Cannot accept configuration validity report, the deployment ID provided was null" {
		t.Error(got)
	}
	if got := refusal(t, a, model.SendConfigurationValidityReport, `{}`); got != "ServiceError" {
		t.Error(got)
	}
	answer(t, a, model.SendConfigurationValidityReport, report("ACCEPTED", ""), &struct{}{})
	answer(t, b, model.SendConfigurationValidityReport, report("REJECTED", "y is odd"), &struct{}{})
	err := <-done
	invalid, ok := errors.AsType[*devcore.InvalidConfigurationError](err)
	const text = "Components reported that their to-be-deployed configuration is invalid { name = b, message = y is odd }"
	if !ok || invalid.Message != text {
		t.Errorf("got %v", err)
	}
	if got := configuration(t, b, "a") + configuration(t, b, "silent"); got != `{"x":1}{}` {
		t.Errorf("after the refusal: %s", got)
	}
	if got := refusal(t, b, model.SendConfigurationValidityReport, report("ACCEPTED", "")); got != unknown {
		t.Errorf("late: %s", got)
	}

	// The same again, and both agree.
	done = begin(core, d)
	for _, c := range []*servertest.Client{a, b} {
		asked(t, c)
		answer(t, c, model.SendConfigurationValidityReport, report("ACCEPTED", ""), &struct{}{})
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := configuration(t, b, "a") + configuration(t, b, "b") + configuration(t, b, "silent"); got != `{"x":1,"z":2}{"y":2}{"s":1}` {
		t.Errorf("after the deployment: %s", got)
	}
	e := event[model.ConfigurationUpdateEvents](t, watcher, model.SubscribeToConfigurationUpdate).ConfigurationUpdateEvent
	if e.ComponentName != "a" || strings.Join(e.KeyPath, "/") != "z" {
		t.Errorf("got %+v", e)
	}
	// What changes nothing is not asked about.
	if err := core.Deploy(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

// TestValidationTimeOut refuses a deployment that nobody judges in 20 s.
func TestValidationTimeOut(t *testing.T) {
	inBubble(t, devcore.Config{}, func(t *testing.T, core *piped) {
		configure(t, core.Core, "a", `{"x":1}`)
		a := validator(t, core.login("a"))
		start := time.Now()
		done := begin(core.Core, merging("a", `{"x":2}`))
		asked(t, a)
		err := <-done
		if e, ok := errors.AsType[*devcore.InvalidConfigurationError](err); !ok || !strings.HasPrefix(e.Message, "Error while waiting for validation report") {
			t.Errorf("got %v", err)
		}
		if d := time.Since(start); d != 20*time.Second {
			t.Errorf("after %v", d)
		}
		if got := configuration(t, a, ""); got != `{"x":1}` {
			t.Errorf("got %s", got)
		}
		if got := refusal(t, a, model.SendConfigurationValidityReport, report("ACCEPTED", "")); !strings.Contains(got, "timed out") {
			t.Errorf("late: %s", got)
		}
	})
}

// TestValidationStreams asks only the first stream of a component, and none once
// any of them has ended.
func TestValidationStreams(t *testing.T) {
	core, socket := serve(t, devcore.Config{})
	configure(t, core, "a", `{"x":1}`)
	first := validator(t, servertest.Dial(t, socket).Login(core.IssueToken("a")))
	second := validator(t, servertest.Dial(t, socket).Login(core.IssueToken("a")))
	done := begin(core, merging("a", `{"x":2}`))
	asked(t, first)
	answer(t, second, model.SendConfigurationValidityReport, report("ACCEPTED", ""), &struct{}{})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	second.Send(&eventstream.Message{StreamID: 1, Flags: eventstream.TerminateStream})
	configuration(t, second, "") // the end of the stream has been served
	if err := core.Deploy(t.Context(), merging("a", `{"x":3}`)); err != nil {
		t.Errorf("nobody was to be asked: %v", err)
	}
}
