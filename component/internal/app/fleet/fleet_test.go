package fleet_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"

	"github.com/shadowgpio/shadowgpio/component/internal/app/client"
	"github.com/shadowgpio/shadowgpio/component/internal/app/client/aws"
	"github.com/shadowgpio/shadowgpio/component/internal/app/fleet"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/broker"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// rig is a cloud, and simulated devices with a setting "limit" from 60 to 98.
type rig struct {
	t       *testing.T
	cloud   *cloud.Cloud
	account *aws.Account
	service client.Service

	mu      sync.Mutex
	old     map[string]bool // take 92 at the most
	away    map[string]bool
	obeyed  map[string][]any // what each was told, in order
	version int64
}

func newRig(t *testing.T, things int) *rig {
	t.Helper()
	c, err := cloud.Start(cloud.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	r := &rig{t: t, cloud: c, old: map[string]bool{}, away: map[string]bool{}, obeyed: map[string][]any{}}
	r.account, err = aws.Open(t.Context(), aws.Options{
		Endpoint: "http://" + c.HTTP, APIEndpoint: "http://" + c.HTTP,
		Region: cloud.Region, AccessKeyID: cloud.AccessKeyID, SecretAccessKey: cloud.SecretAccessKey,
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.service, err = r.account.REST(); err != nil {
		t.Fatal(err)
	}
	for i := range things {
		r.update(name(i), `{"state":{"reported":{"limit":90}}}`)
	}
	var devices sync.WaitGroup
	if _, err := c.Broker.Subscribe("$aws/things/+/shadow/update/accepted", func(m broker.Message) {
		devices.Go(func() { r.device(m) })
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(devices.Wait)
	return r
}

func name(i int) string { return fmt.Sprintf("coffee-%03d", i) }

func names(n int) (all []string) {
	for i := range n {
		all = append(all, name(i))
	}
	return all
}

func (r *rig) update(thing, document string) {
	if _, err := r.cloud.Shadows.Update(shadow.ID{Thing: thing}, []byte(document)); err != nil {
		r.t.Error(err)
	}
}

func (r *rig) document(thing string) shadow.Document {
	r.t.Helper()
	doc, err := client.Document(r.t.Context(), r.service, shadow.ID{Thing: thing})
	if err != nil {
		r.t.Fatal(err)
	}
	return doc
}

// device obeys as the component does.
func (r *rig) device(m broker.Message) {
	thing := strings.Split(m.Topic, "/")[2]
	var accepted struct {
		State struct{ Desired map[string]any }
	}
	if err := json.Unmarshal(m.Payload, &accepted); err != nil || accepted.State.Desired["limit"] == nil {
		return
	}
	limit, ok := accepted.State.Desired["limit"].(float64)
	r.mu.Lock()
	away := r.away[thing]
	highest := 98.0
	if r.old[thing] {
		highest = 92
	}
	r.version++
	version := r.version
	if !away {
		r.obeyed[thing] = append(r.obeyed[thing], accepted.State.Desired["limit"])
	}
	r.mu.Unlock()
	switch {
	case away:
	case !ok || limit > highest:
		r.update(thing, fmt.Sprintf(`{"state":{"reported":{"ack":{"limit":{"code":400,"version":%d,"reason":"want at most %v"}}}}}`, version, highest))
	default:
		r.update(thing, fmt.Sprintf(`{"state":{"reported":{"limit":%v,"ack":{"limit":{"code":200,"version":%d}}}}}`, limit, version))
	}
}

func (r *rig) told(thing string) []any {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.obeyed[thing])
}

func targets(things []string, limit any) (all []fleet.Target) {
	for _, thing := range things {
		all = append(all, fleet.Target{Thing: thing, Desired: map[string]any{"limit": limit}})
	}
	return all
}

func (r *rig) journal(targets []fleet.Target, canaries ...int) *fleet.Journal {
	r.t.Helper()
	h := fleet.Header{Where: "here", Targets: targets}
	for _, h.Canaries = range canaries {
	}
	j, err := fleet.Create(filepath.Join(r.t.TempDir(), "journal.jsonl"), h)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { j.Close() })
	return j
}

// open takes up the journal of a process that is gone.
func (r *rig) open(j *fleet.Journal) *fleet.Journal {
	r.t.Helper()
	if err := j.Close(); err != nil {
		r.t.Fatal(err)
	}
	again, err := fleet.Open(j.Path())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { again.Close() })
	return again
}

func (r *rig) run(j *fleet.Journal, rails fleet.Rails) error {
	if rails.Wait == 0 {
		rails.Wait = 30 * time.Second
	}
	return (&fleet.Change{Journal: j, Service: r.service, Rails: rails}).Run(r.t.Context())
}

func count(j *fleet.Journal) string {
	c := j.Count()
	return fmt.Sprintf("%v left %d", c.Outcomes, c.Left)
}

func TestAllAreChanged(t *testing.T) {
	r := newRig(t, 40)
	j := r.journal(targets(names(40), 95), 2)
	if err := r.run(j, fleet.Rails{Concurrency: 8}); err != nil {
		t.Fatal(err)
	}
	if got := count(j); got != "map[done:40] left 0" {
		t.Error(got)
	}
	for _, thing := range names(40) {
		if doc := r.document(thing); fmt.Sprint(doc.Reported["limit"]) != "95" || len(r.told(thing)) != 1 {
			t.Errorf("%s reports %v, was told %v", thing, doc.Reported["limit"], r.told(thing))
		}
	}
}

// TestACanaryStops has one of the first things refuse: the others are not touched.
func TestACanaryStops(t *testing.T) {
	r := newRig(t, 20)
	r.old[name(1)] = true
	j := r.journal(targets(names(20), 95), 3)
	err := r.run(j, fleet.Rails{Concurrency: 8, StopAfter: 100})
	if !errors.Is(err, fleet.ErrStopped) || !strings.Contains(err.Error(), "canary "+name(1)+": limit: refused (400): want at most 92") {
		t.Fatal(err)
	}
	if got := count(j); got != "map[done:2 refused:1] left 17" {
		t.Error(got)
	}
	if told := r.told(name(5)); told != nil {
		t.Errorf("a thing that is no canary was told %v", told)
	}
	// Taken up again, the others follow.
	j = r.open(j)
	if err := r.run(j, fleet.Rails{Concurrency: 8}); err != nil {
		t.Fatal(err)
	}
	if got := count(j); got != "map[done:19 refused:1] left 0" {
		t.Error(got)
	}
}

func TestRefusalsStop(t *testing.T) {
	r := newRig(t, 40)
	for i := range 40 {
		r.old[name(i)] = i%4 == 0
	}
	j := r.journal(targets(names(40), 95))
	err := r.run(j, fleet.Rails{Concurrency: 1, StopAfter: 3})
	if !errors.Is(err, fleet.ErrStopped) || !strings.Contains(err.Error(), "3 things have refused or failed") {
		t.Fatal(err)
	}
	if got := count(j); got != "map[done:6 refused:3] left 31" {
		t.Error(got)
	}
}

// TestThingsThatAreAway are not answered, stay desired, and can be asked again.
func TestThingsThatAreAway(t *testing.T) {
	r := newRig(t, 6)
	r.away[name(2)] = true
	j := r.journal(targets(names(6), 95))
	if err := r.run(j, fleet.Rails{Concurrency: 6, Wait: 200 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	if result, _ := j.Result(name(2)); result.Outcome != client.Unanswered {
		t.Errorf("of a thing that is away: %v", result)
	}
	if doc := r.document(name(2)); fmt.Sprint(doc.Desired["limit"]) != "95" {
		t.Errorf("of a thing that is away %v is desired", doc.Desired["limit"])
	}
	version := r.document(name(2)).Version
	r.mu.Lock()
	r.away[name(2)] = false
	r.mu.Unlock()
	r.update(name(2), `{"state":{"reported":{"limit":95,"ack":{"limit":{"code":200,"version":7}}}}}`)
	if err := r.run(j, fleet.Rails{Concurrency: 6, Retry: []client.Outcome{client.Unanswered}}); err != nil {
		t.Fatal(err)
	}
	if result, _ := j.Result(name(2)); result.Outcome != client.Done {
		t.Errorf("of a thing that is back: %v", result)
	}
	if doc := r.document(name(2)); doc.Version != version+1 {
		t.Errorf("it was desired again: version %d, want %d", doc.Version, version+1)
	}
}

// TestAChangeThatWasKilled is taken up where it was, at every point of one thing.
func TestAChangeThatWasKilled(t *testing.T) {
	r := newRig(t, 3)
	r.away[name(1)] = true // its answer is not there yet when it is killed
	ctx, kill := context.WithCancel(t.Context())
	j := r.journal(targets(names(3), 95))
	change := &fleet.Change{Journal: j, Service: r.service, Rails: fleet.Rails{Concurrency: 1, Wait: time.Hour}, Ended: func(string, fleet.Result) {
		go func() {
			for fmt.Sprint(r.document(name(1)).Desired["limit"]) != "95" {
				time.Sleep(time.Millisecond)
			}
			kill()
		}()
	}}
	if err := change.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if got := count(j); got != "map[done:1] left 2" {
		t.Fatal(got)
	}
	// A line that was cut off in the middle counts for nothing.
	f, err := os.OpenFile(j.Path(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"thing":"coffee-001","result":{"outc`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	r.update(name(1), `{"state":{"reported":{"limit":95,"ack":{"limit":{"code":200,"version":7}}}}}`)
	version := r.document(name(1)).Version
	j = r.open(j)
	if err := r.run(j, fleet.Rails{Concurrency: 1}); err != nil {
		t.Fatal(err)
	}
	if got := count(j); got != "map[done:3] left 0" {
		t.Error(got)
	}
	if doc := r.document(name(1)); doc.Version != version {
		t.Errorf("what was sent was sent again: version %d, want %d", doc.Version, version)
	}
	if told := r.told(name(0)); len(told) != 1 {
		t.Errorf("a thing that was done was told %v", told)
	}
}

// TestCanariesOfAChangeThatWasKilled are judged all the same, by the run that takes it up.
func TestCanariesOfAChangeThatWasKilled(t *testing.T) {
	r := newRig(t, 6)
	r.old[name(1)] = true
	ctx, kill := context.WithCancel(t.Context())
	j := r.journal(targets(names(6), 95), 3)
	change := &fleet.Change{Journal: j, Service: r.service, Rails: fleet.Rails{Concurrency: 1, Wait: time.Hour}, Ended: func(string, fleet.Result) { kill() }}
	if err := change.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	j = r.open(j)
	if err := r.run(j, fleet.Rails{Concurrency: 1}); !errors.Is(err, fleet.ErrStopped) || !strings.Contains(err.Error(), "canary "+name(1)) {
		t.Fatalf("taken up: %v", err)
	}
	if got := count(j); got != "map[done:2 refused:1] left 3" {
		t.Error(got)
	}
	if told := r.told(name(3)); told != nil {
		t.Errorf("a thing that is no canary was told %v", told)
	}
	j = r.open(j)
	if err := r.run(j, fleet.Rails{Concurrency: 1}); err != nil {
		t.Fatal(err)
	}
	if got := count(j); got != "map[done:5 refused:1] left 0" {
		t.Error(got)
	}
}

// TestOverruledAgain desires anew of a thing of which somebody had desired something else.
func TestOverruledAgain(t *testing.T) {
	r := newRig(t, 1)
	r.away[name(0)] = true // somebody else is quicker
	j := r.journal(targets(names(1), 95))
	if _, err := r.cloud.Broker.Subscribe("$aws/things/+/shadow/update/accepted", func(m broker.Message) {
		if strings.Contains(string(m.Payload), `"limit":95`) {
			go r.update(name(0), `{"state":{"desired":{"limit":70},"reported":{"limit":70,"ack":{"limit":{"code":200,"version":3}}}}}`)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := r.run(j, fleet.Rails{Concurrency: 1}); err != nil {
		t.Fatal(err)
	}
	if got := count(j); got != "map[overruled:1] left 0" {
		t.Fatal(got)
	}
	if err := r.run(r.open(j), fleet.Rails{Concurrency: 1, Retry: []client.Outcome{client.Overruled}}); err != nil {
		t.Fatal(err)
	}
	if doc := r.document(name(0)); doc.Version != 5 {
		t.Errorf("it was not desired again: version %d, want 5", doc.Version)
	}
}

// TestObjectsAreMergedInFleets takes up, and takes back, a change of some members of an object.
func TestObjectsAreMergedInFleets(t *testing.T) {
	r := newRig(t, 0)
	r.update("pump", `{"state":{"desired":{"times":{"zone":"UTC","at":1}},"reported":{"times":{"zone":"UTC","at":1}}}}`)
	wanted := map[string]any{"times": map[string]any{"at": 2, "days": 5}}
	j := r.journal([]fleet.Target{{Thing: "pump", Desired: wanted}})
	rails := fleet.Rails{Concurrency: 1, Wait: time.Millisecond}
	if err := r.run(j, rails); err != nil {
		t.Fatal(err)
	}
	j = r.open(j)
	rails.Retry = []client.Outcome{client.Unanswered}
	if err := r.run(j, rails); err != nil {
		t.Fatal(err)
	}
	if doc := r.document("pump"); doc.Version != 2 {
		t.Errorf("what was sent was sent again: version %d, want 2", doc.Version)
	}
	r.update("pump", `{"state":{"reported":{"times":{"at":2,"days":5,"by":"hand"}}}}`)
	prospects, err := fleet.Preview(t.Context(), r.service, "", []string{"pump"}, 1, nil)
	if err != nil || !prospects[0].Already(wanted) {
		t.Errorf("%+v, %v; want it to be as desired already", prospects, err)
	}
	rows, err := fleet.Survey{Service: r.service, Concurrency: 1}.Take(t.Context(), []string{"pump"})
	if err != nil || len(rows) != 1 || rows[0].Standing != fleet.InStep {
		t.Errorf("%+v, %v; want it in step", rows, err)
	}
	if err := r.run(r.journal(j.Undo()), rails); err != nil {
		t.Fatal(err)
	}
	if doc := r.document("pump"); fmt.Sprint(doc.Desired) != "map[times:map[at:1 zone:UTC]]" {
		t.Errorf("taken back: %v", doc.Desired)
	}
}

func TestUndo(t *testing.T) {
	r := newRig(t, 6)
	r.old[name(2)] = true
	r.away[name(5)] = true
	r.update(name(0), `{"state":{"desired":{"limit":90}}}`)
	r.update(name(1), `{"state":{"desired":{"limit":80},"reported":{"limit":80}}}`)
	things := names(5) // not the last
	j := r.journal(targets(things, 95))
	if err := r.run(j, fleet.Rails{Concurrency: 2}); err != nil {
		t.Fatal(err)
	}
	r.update(name(3), `{"state":{"desired":{"limit":70}}}`) // somebody else
	back := r.journal(j.Undo())
	if err := r.run(back, fleet.Rails{Concurrency: 2}); err != nil {
		t.Fatal(err)
	}
	for thing, want := range map[string]string{
		name(0): "90 90", name(1): "80 80", name(2): "90 90", name(3): "70 70", name(4): "90 90", name(5): "<nil> 90",
	} {
		doc := r.document(thing)
		for want == "70 70" && fmt.Sprint(doc.Reported["limit"]) != "70" {
			doc = r.document(thing) // it is about to
		}
		if got := fmt.Sprintf("%v %v", doc.Desired["limit"], doc.Reported["limit"]); got != want {
			t.Errorf("%s: desired and reported %s, want %s", thing, got, want)
		}
	}
	if result, _ := back.Result(name(3)); result.Outcome != fleet.Skipped || !strings.Contains(result.Reason, "somebody has desired 70 since") {
		t.Errorf("of what somebody else has desired since: %v", result)
	}
}

func TestJournals(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "journal")
	j, err := fleet.Create(path, fleet.Header{Targets: targets(names(1), 95)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fleet.Create(path, fleet.Header{}); !errors.Is(err, os.ErrExist) {
		t.Errorf("a journal over another: %v", err)
	}
	if _, err := fleet.Open(path); !errors.Is(err, fleet.ErrInUse) {
		t.Errorf("a journal that is in use: %v", err)
	}
	if look, err := fleet.Look(path); err != nil || len(look.Header.Targets) != 1 {
		t.Errorf("a look at a journal that is in use: %v", err)
	} else {
		look.Close()
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"":                    "no whole line",
		"{}":                  "no whole line",
		"{}\n":                "want the journal of a fleet change in format 1, got format 0",
		"limit\n":             "line 1",
		`{"format":2}` + "\n": "got format 2",
		`{"format":1}` + "\n" + `{"thing":` + "\n": "line 2",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := fleet.Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestSelections(t *testing.T) {
	r := newRig(t, 300) // more than a page
	client, err := r.account.API()
	if err != nil {
		t.Fatal(err)
	}
	group := "makers"
	if _, err := client.CreateThingGroup(t.Context(), &iot.CreateThingGroupInput{ThingGroupName: &group}); err != nil {
		t.Fatal(err)
	}
	for _, thing := range []string{name(7), name(3)} {
		if _, err := client.AddThingToThingGroup(t.Context(), &iot.AddThingToThingGroupInput{ThingGroupName: &group, ThingName: &thing}); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "things")
	if err := os.WriteFile(file, []byte("# ours\nzeta\n\n  coffee-003 # again\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(wrong, []byte("alpha\nbeta, gamma\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		selection fleet.Selection
		want      string // things, or what the error says
	}{
		{fleet.Selection{Things: []string{"b", "a", "b"}}, "[b a]"},
		{fleet.Selection{File: file, Things: []string{"b"}}, "[b zeta coffee-003]"},
		{fleet.Selection{Group: group}, "[coffee-003 coffee-007]"},
		{fleet.Selection{Group: group, Query: "thingName:coffee-29*"}, "[coffee-003 coffee-007 coffee-290 coffee-291 coffee-292 coffee-293 coffee-294 coffee-295 coffee-296 coffee-297 coffee-298 coffee-299]"},
		{fleet.Selection{}, "want things, by name"},
		{fleet.Selection{Query: "thingName:none-*"}, "want things, by name"},
		{fleet.Selection{Group: "nobody"}, "things of group nobody"},
		{fleet.Selection{Query: "thingName"}, "want FIELD:VALUE"},
		{fleet.Selection{File: "/does/not/exist"}, "no such file"},
		{fleet.Selection{File: wrong}, `:2: want the name of a thing, got "beta, gamma"`},
	} {
		things, err := test.selection.Find(t.Context(), func() (fleet.Registry, error) { return r.account.API() })
		if got := fmt.Sprint(things, err); !strings.Contains(got, test.want) {
			t.Errorf("%+v: %s, want %s", test.selection, got, test.want)
		}
	}
	all, err := fleet.Selection{Query: "shadow.reported.limit>89"}.Find(t.Context(), func() (fleet.Registry, error) { return r.account.API() })
	if err != nil || len(all) != 300 {
		t.Errorf("%d things, %v; want 300", len(all), err)
	}
}

func TestReports(t *testing.T) {
	r := newRig(t, 0)
	documents := map[string]string{
		"free":    `{"state":{"reported":{"limit":90}}}`,
		"instep":  `{"state":{"desired":{"limit":90},"reported":{"limit":90,"ack":{"limit":{"code":200,"version":1}}}}}`,
		"waiting": `{"state":{"desired":{"limit":95},"reported":{"limit":90}}}`,
		"refused": `{"state":{"desired":{"limit":95},"reported":{"limit":90,"ack":{"limit":{"code":400,"version":1,"reason":"too much"}}}}}`,
		"differs": `{"state":{"desired":{"limit":95},"reported":{"limit":90,"ack":{"limit":{"code":200,"version":1}}}}}`,
	}
	for thing := range documents {
		r.away[thing] = true
	}
	for thing, document := range documents {
		r.update(thing, document)
	}
	things := []string{"free", "instep", "waiting", "refused", "differs", "absent", "wrong name"}
	survey := fleet.Survey{Service: r.service, Stale: time.Hour, Concurrency: 3}
	standings := func() string {
		t.Helper()
		rows, err := survey.Take(t.Context(), things)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, row := range rows {
			all = append(all, row.Thing+" "+string(row.Standing))
		}
		return strings.Join(all, ", ")
	}
	if got, want := standings(), "free reported, instep in step, waiting waiting, refused refused, differs differs, absent absent, wrong name unknown"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	survey.Stale = -time.Hour
	survey.Properties = []string{"limit"}
	if got, want := standings(), "waiting stale"; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPreview(t *testing.T) {
	r := newRig(t, 3)
	r.update(name(0), `{"state":{"desired":{"limit":95},"reported":{"limit":95}}}`)
	desired := map[string]any{"limit": 95}
	prospects, err := fleet.Preview(t.Context(), r.service, "", append(names(3), "nobody"), 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range prospects {
		got = append(got, fmt.Sprint(p.Thing, " ", p.Document.Version > 0, " ", p.Already(desired)))
	}
	if want := "coffee-000 true true, coffee-001 true false, coffee-002 true false, nobody false false"; strings.Join(got, ", ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ", "), want)
	}
	if shares := fmt.Sprint(fleet.Shares(prospects, desired)); shares != "[{limit - 90 2} {limit 95 95 1}]" {
		t.Error(shares)
	}
}
