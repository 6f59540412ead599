package devcore_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server/servertest"
)

func TestUpdateConfiguration(t *testing.T) {
	const future, past = "4000000000.0", "1.0"
	const before = `{"a":{"x":1,"y":2}}`
	const older = "FailedUpdateConditionCheckError Proposed timestamp is older than the config's latest modified timestamp"
	const restricted = "InvalidArgumentsError Config update is not allowed for following fields [accessControl]"
	tests := map[string]struct{ request, refused, want string }{
		"merge":              {`{"timestamp":` + future + `,"valueToMerge":{"a":{"y":9},"n":1.0}}`, "", `{"a":{"x":1,"y":9},"n":1.0}`},
		"container":          {`{"keyPath":["A"],"timestamp":` + future + `,"valueToMerge":{"X":3}}`, "", `{"a":{"x":3,"y":2}}`},
		"missing container":  {`{"keyPath":["b","c"],"timestamp":` + past + `,"valueToMerge":{"z":[1]}}`, "", `{"a":{"x":1,"y":2},"b":{"c":{"z":[1]}}}`},
		"leaf replaced":      {`{"keyPath":["a","x"],"timestamp":` + future + `,"valueToMerge":{"z":1}}`, "", `{"a":{"x":{"z":1},"y":2}}`},
		"old, part applied":  {`{"timestamp":` + past + `,"valueToMerge":{"a":{"x":7},"n":1}}`, older, `{"a":{"x":1,"y":2},"n":1}`},
		"no time":            {`{"valueToMerge":{"n":1}}`, "InvalidArgumentsError Timestamp is required", before},
		"no value":           {`{"timestamp":1.0}`, "InvalidArgumentsError ValueToMerge is required", before},
		"null value":         {`{"timestamp":1.0,"valueToMerge":null}`, "InvalidArgumentsError ValueToMerge is required", before},
		"accessControl":      {`{"timestamp":1.0,"valueToMerge":{"accessControl":{}}}`, restricted, before},
		"accessControl path": {`{"keyPath":["accessControl","x"],"timestamp":1.0,"valueToMerge":{"a":1}}`, restricted, before},
		"other case passes":  {`{"keyPath":["accesscontrol"],"timestamp":1.0,"valueToMerge":{"a":1}}`, "", `{"a":{"x":1,"y":2},"accesscontrol":{"a":1}}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			core, socket := serve(t, devcore.Config{})
			if err := core.SetConfiguration("a", json.RawMessage(`{"a":{"x":1,"y":2}}`)); err != nil {
				t.Fatal(err)
			}
			c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
			e, err := c.Answer(model.UpdateConfiguration, json.RawMessage(test.request), &struct{}{})
			if err != nil {
				t.Fatal(err)
			}
			code := ""
			if e != nil {
				code = string(e.Code) + " " + e.LiteMessage
			}
			var got model.GetConfigurationResponse
			answer(t, c, model.GetConfiguration, model.GetConfigurationRequest{}, &got)
			if code != test.refused || string(got.Value) != test.want {
				t.Errorf("got %q %s, want %q %s", code, got.Value, test.refused, test.want)
			}
		})
	}
}

// TestConfigurationEvents demands one event for each leaf that changed and none
// for a value that stayed.
func TestConfigurationEvents(t *testing.T) {
	core, socket := serve(t, devcore.Config{})
	if err := core.SetConfiguration("a", json.RawMessage(`{"a":{"x":1,"y":2},"b":1}`)); err != nil {
		t.Fatal(err)
	}
	watcher := servertest.Dial(t, socket).Login(core.IssueToken("other"))
	missing := model.SubscribeToConfigurationUpdateRequest{ComponentName: "a", KeyPath: []string{"no"}}
	if got := refusal(t, watcher, model.SubscribeToConfigurationUpdate, missing); got != "ResourceNotFoundError Key not found" {
		t.Error(got)
	}
	request := model.SubscribeToConfigurationUpdateRequest{ComponentName: "a", KeyPath: []string{"a"}}
	answer(t, watcher, model.SubscribeToConfigurationUpdate, request, &struct{}{})
	c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
	answer(t, c, model.UpdateConfiguration, json.RawMessage(
		`{"timestamp":4000000000.0,"valueToMerge":{"a":{"x":1,"y":3,"z":4},"b":5}}`), &struct{}{})
	if err := core.SetConfiguration("a", json.RawMessage(`{"a":{"y":3,"z":4}}`)); err != nil {
		t.Fatal(err)
	}
	for _, want := range [][]string{{"a", "y"}, {"a", "z"}, {"a", "x"}} {
		var got model.ConfigurationUpdateEvents
		if err := json.Unmarshal(watcher.Read().Payload, &got); err != nil {
			t.Fatal(err)
		}
		if e := got.ConfigurationUpdateEvent; e == nil || e.ComponentName != "a" || !slices.Equal(e.KeyPath, want) {
			t.Errorf("got %+v, want %q", e, want)
		}
	}
}

func TestConfigurationSurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	base := json.RawMessage(`{"a":1,"b":2}`)
	for i, want := range []string{`{"a":1,"b":2}`, `{"a":7.0,"b":2}`} {
		core, socket := serve(t, devcore.Config{Dir: dir})
		if err := core.SetConfiguration("a", base); err != nil {
			t.Fatal(err)
		}
		c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
		var got model.GetConfigurationResponse
		answer(t, c, model.GetConfiguration, model.GetConfigurationRequest{}, &got)
		if string(got.Value) != want {
			t.Errorf("run %d: got %s, want %s", i, got.Value, want)
		}
		if i == 0 {
			answer(t, c, model.UpdateConfiguration, json.RawMessage(`{"timestamp":4000000000.0,"valueToMerge":{"a":7.0}}`), &struct{}{})
		}
		core.Close()
	}
}
