package shadowmanager

import (
	"encoding/json"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

func TestForCoversTheShadowsAndNoOthers(t *testing.T) {
	ids := []shadow.ID{{Thing: "gw"}, {Thing: "gw", Name: "room"}, {Thing: "gw", Name: "hall"}, {Thing: "pump"}, {Thing: "pump", Name: "room"}, {Thing: "fan"}, {Thing: "fan", Name: "x"}}
	for set := range 1 << len(ids) {
		var chosen []shadow.ID
		for i, id := range ids {
			if set>>i&1 == 1 {
				chosen = append(chosen, id)
			}
		}
		text, err := json.Marshal(For(chosen, "gw"))
		if err != nil {
			t.Fatal(err)
		}
		var s Synchronize
		if err := json.Unmarshal(text, &s); err != nil {
			t.Fatal(err)
		}
		for i, id := range ids {
			if got, want := s.Covers(id, "gw"), set>>i&1 == 1; got != want {
				t.Errorf("%v in %s: %v, want %v", id, text, got, want)
			}
		}
	}
}

func TestMerge(t *testing.T) {
	got := For([]shadow.ID{{Thing: "gw"}, {Thing: "gw", Name: "room"}, {Thing: "pump", Name: "a"}}, "gw").Merge()
	want := `"aws.greengrass.ShadowManager": {"configurationUpdate": {"merge": ` +
		`"{\"synchronize\":{\"coreThing\":{\"classic\":true,\"namedShadows\":[\"room\"]},\"shadowDocumentsMap\":{\"pump\":{\"classic\":false,\"namedShadows\":[\"a\"]}}}}"}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
