package doctor

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

// block is the configuration that the cure of a finding merges.
func block(t *testing.T, report Report) json.RawMessage {
	t.Helper()
	for _, f := range report.Findings {
		_, rest, ok := strings.Cut(f.Cure, "--update-config '")
		if !ok {
			continue
		}
		text, _, _ := strings.Cut(rest, "'")
		var update map[string]struct{ Merge json.RawMessage }
		if err := json.Unmarshal([]byte(text), &update); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		return update[ComponentName].Merge
	}
	t.Fatalf("no block to merge in\n%v", report)
	return nil
}

// denied are the entries that a report names as missing.
func denied(r Report) (found []string) {
	for _, f := range r.Findings {
		if f.Kind == AccessDenied {
			found = append(found, f.Found)
		}
	}
	return found
}

// TestEachEntryOfAccessControl takes each entry away that the component needs. It is
// named alone, and the block that is told to be merged makes all well.
func TestEachEntryOfAccessControl(t *testing.T) {
	for i, missing := range entries {
		t.Run(missing.operation+" "+missing.resource, func(t *testing.T) {
			p := newPatient(t)
			p.configure(with(house, map[string]any{"accessControl": policies(slices.Delete(slices.Clone(entries), i, i+1))}))
			report := p.examine()
			want := []string{fmt.Sprintf("%s on %s is not allowed", missing.operation, missing.resource)}
			if got := denied(report); !slices.Equal(got, want) || len(wrong(report)) != 1 {
				t.Fatalf("got %q, want %q in\n%v", got, want, report)
			}
			p.merge(block(t, report))
			if report := p.examine(); wrong(report) != nil {
				t.Errorf("the block does not cure it:\n%v", report)
			}
		})
	}
}

// TestEachEntryOverTopics does so where the topics of AWS IoT Core are the way to the
// shadows: on nucleus lite, and where it is configured.
func TestEachEntryOverTopics(t *testing.T) {
	var entries []entry
	for _, shadow := range []string{"$aws/things/gw/shadow", "$aws/things/gw/shadow/name/room"} {
		entries = append(entries,
			entry{proxyService, "aws.greengrass#PublishToIoTCore", shadow + "/get"},
			entry{proxyService, "aws.greengrass#PublishToIoTCore", shadow + "/update"},
			entry{proxyService, "aws.greengrass#SubscribeToIoTCore", shadow + "/+/accepted"},
			entry{proxyService, "aws.greengrass#SubscribeToIoTCore", shadow + "/+/rejected"})
	}
	for _, lite := range []bool{true, false} {
		for i, missing := range entries {
			t.Run(fmt.Sprint("lite ", lite, " ", missing.operation, " ", missing.resource), func(t *testing.T) {
				p := newPatient(t)
				keys := map[string]any{}
				if lite {
					p.newCoreOf(devcore.Config{Lite: true})
				} else {
					keys["transport"] = "iotCore"
				}
				keys["accessControl"] = policies(entries)
				p.configure(with(house, keys))
				if report := p.examine(); wrong(report) != nil {
					t.Fatalf("all is well, got\n%v", report)
				}
				keys["accessControl"] = policies(slices.Delete(slices.Clone(entries), i, i+1))
				p.configure(with(house, keys))
				want := []string{fmt.Sprintf("%s on %s is not allowed", missing.operation, missing.resource)}
				if report := p.examine(); !slices.Equal(denied(report), want) || len(wrong(report)) != 1 {
					t.Fatalf("got %q, want %q in\n%v", denied(report), want, report)
				}
			})
		}
	}
}

func (p *patient) merge(configuration json.RawMessage) {
	p.t.Helper()
	p.must(p.core.Deploy(p.t.Context(), devcore.Deployment{Configurations: map[string]devcore.ConfigurationChange{ComponentName: {Merge: configuration}}}))
}

// TestOneBlockForAll shows that what is missing altogether is cured in one go.
func TestOneBlockForAll(t *testing.T) {
	p := newPatient(t)
	p.configure(house)
	report := p.examine()
	if got := len(denied(report)); got != len(entries) {
		t.Fatalf("%d entries are missing, want %d in\n%v", got, len(entries), report)
	}
	p.merge(block(t, report))
	if report := p.examine(); wrong(report) != nil {
		t.Errorf("the block does not cure it:\n%v", report)
	}
}

func TestLiteralThingName(t *testing.T) {
	p := newPatient(t)
	var templates []entry
	for _, e := range entries {
		templates = append(templates, entry{e.service, e.operation, strings.Replace(e.resource, "gw", "{iot:thingName}", 1)})
	}
	p.configure(with(house, map[string]any{"accessControl": policies(templates)}))
	for _, f := range wrong(p.examine()) {
		if !strings.Contains(f.Want, "interpolateComponentConfiguration") {
			t.Errorf("want the trap named, got %+v", f)
		}
	}
}

// TestNothingChanges shows that an examination leaves shadows and lines alone: one
// that exists, with desired values that the component has not answered, and one
// that does not.
func TestNothingChanges(t *testing.T) {
	p := newPatient(t)
	if _, err := p.core.Shadows().Update(thing, "", []byte(`{"state":{"desired":{"lights":true}}}`)); err != nil {
		t.Fatal(err)
	}
	changes := p.board.Watch(t.Context())
	before, _ := p.core.Shadows().Row(thing, "")
	for range 2 {
		if report := p.examine(); wrong(report) != nil {
			t.Fatalf("got\n%v", report)
		}
	}
	p.stop()
	p.must(p.core.Close())
	after, _ := p.core.Shadows().Row(thing, "")
	if after.Version != before.Version || string(after.State) != string(before.State) {
		t.Errorf("the classic shadow was %+v and is %+v", before, after)
	}
	if row, ok := p.core.Shadows().Row(thing, "room"); ok {
		t.Errorf("a shadow came into being: %+v", row)
	}
	for _, e := range p.events {
		switch e.Kind {
		case devcore.ShadowUpdated, devcore.ShadowDeleted, devcore.ShadowFailed, devcore.StateReported:
			if e.Version > 1 {
				t.Errorf("got %+v", e)
			}
		}
	}
	select {
	case change := <-changes:
		t.Errorf("a line changed: %+v", change)
	default:
	}
}
