package shadows

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
)

var (
	room    = shadow.ID{Thing: "gw", Name: "room"}
	classic = shadow.ID{Thing: "gw"}
)

// rig is a service whose clock stands still and whose messages are kept.
type rig struct {
	*Service
	now       time.Time
	published []string
}

func newRig(t *testing.T, cfg Config) *rig {
	t.Helper()
	r := &rig{now: time.Unix(1000, 0)}
	cfg.Now = func() time.Time { return r.now }
	cfg.Publish = func(topic string, payload []byte) { r.published = append(r.published, topic+" "+string(payload)) }
	var err error
	if r.Service, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	return r
}

// says fails unless exactly these messages were published since the last time.
func (r *rig) says(t *testing.T, want ...string) {
	t.Helper()
	if got := r.published; strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("published\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	r.published = nil
}

func refused(t *testing.T, err error, code int, text string) {
	t.Helper()
	refusal, ok := errors.AsType[*shadowdoc.Refusal](err)
	if !ok || refusal.Code != code || refusal.Message != text {
		t.Errorf("refused with %+v, want %d %s", err, code, text)
	}
}

func TestAConversationOverTopics(t *testing.T) {
	r := newRig(t, Config{})
	const p = "$aws/things/gw/shadow/name/room"
	if !r.HandleTopic(p+"/get", []byte(`{"clientToken":"g"}`)) {
		t.Fatal("the topic was not taken for a request")
	}
	r.says(t, p+`/get/rejected {"timestamp":1000,"clientToken":"g","code":404,"message":"No shadow exists with name: 'room'"}`)
	r.HandleTopic(p+"/update", []byte(`{"state":{"desired":{"fan":true}},"clientToken":"u"}`))
	metadata := `{"fan":{"timestamp":1000}}`
	r.says(t,
		p+`/update/delta {"version":1,"timestamp":1000,"state":{"fan":true},"metadata":`+metadata+`,"clientToken":"u"}`,
		p+`/update/documents {"previous":null,"current":{"state":{"desired":{"fan":true}},"metadata":{"desired":`+metadata+`},"version":1},"clientToken":"u","timestamp":1000}`,
		p+`/update/accepted {"version":1,"clientToken":"u","timestamp":1000,"state":{"desired":{"fan":true}},"metadata":{"desired":`+metadata+`}}`)
	r.HandleTopic(p+"/update", []byte(`{"state":{},"version":4,"clientToken":"v"}`))
	r.says(t, p+`/update/rejected {"timestamp":1000,"clientToken":"v","code":409,"message":"Version conflict"}`)
	r.HandleTopic(p+"/get", nil)
	r.says(t, p+`/get/accepted {"state":{"desired":{"fan":true},"delta":{"fan":true}},"metadata":{"desired":`+metadata+`,"delta":`+metadata+`},"version":1,"timestamp":1000}`)
	r.HandleTopic(p+"/delete", []byte(`{"clientToken":"d"}`))
	r.says(t, p+`/delete/accepted {"version":1,"timestamp":1000,"clientToken":"d"}`)
	r.HandleTopic(p+"/delete", nil)
	r.says(t, p+`/delete/rejected {"timestamp":1000,"code":404,"message":"No shadow exists with name: 'room'"}`)
	for _, other := range []string{p + "/get/accepted", p, "$aws/things/gw/jobs/get", "$aws/things//shadow/get"} {
		if r.HandleTopic(other, nil) {
			t.Errorf("%s was taken for a request", other)
		}
	}
	r.says(t)
}

func TestACallPublishesWhatChangesAndNothingElse(t *testing.T) {
	r := newRig(t, Config{})
	if _, err := r.Get(classic, nil); err == nil {
		t.Fatal("a shadow that nobody made was found")
	}
	_, err := r.Update(classic, []byte(`{"state":5}`))
	refused(t, err, 400, "State node must be an object")
	r.says(t)
	reply, err := r.Update(classic, []byte(`{"state":{"reported":{"a":1}}}`))
	if err != nil || len(r.published) != 2 || r.published[1] != "$aws/things/gw/shadow/update/accepted "+string(reply) {
		t.Errorf("%v; reply %s, published %q", err, reply, r.published)
	}
	r.published = nil
	if _, err := r.Get(classic, nil); err != nil {
		t.Error(err)
	}
	r.says(t)
	_, err = r.Get(shadow.ID{Thing: "nobody"}, nil)
	refused(t, err, 404, "No shadow exists with name: 'nobody'")
}

func TestVersionsGoOnAfterADeletion(t *testing.T) {
	for _, c := range []struct {
		later   time.Duration
		version int64 // of the request, 0 for none
		want    string
	}{
		{time.Hour, 0, `{"version":4,`},
		{time.Hour, 3, `{"version":4,`},
		{time.Hour, 2, "Version conflict"},
		{Forgotten + time.Second, 0, `{"version":1,`},
		{Forgotten + time.Second, 3, "Invalid version"},
	} {
		r := newRig(t, Config{})
		for range 2 {
			if _, err := r.Update(room, []byte(`{"state":{}}`)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := r.Delete(room, nil); err != nil {
			t.Fatal(err)
		}
		r.now = r.now.Add(c.later)
		request := `{"state":{}}`
		if c.version > 0 {
			request = fmt.Sprintf(`{"state":{},"version":%d}`, c.version)
		}
		reply, err := r.Update(room, []byte(request))
		if got := string(reply) + fmt.Sprint(err); !strings.HasPrefix(got, c.want) {
			t.Errorf("%v later, with version %d: %s, want %s", c.later, c.version, got, c.want)
		}
	}
}

func TestListPages(t *testing.T) {
	r := newRig(t, Config{})
	for _, name := range []string{"c", "a", "", "b", "$x"} {
		if _, err := r.Update(shadow.ID{Thing: "gw", Name: name}, []byte(`{"state":{}}`)); err != nil {
			t.Fatal(err)
		}
	}
	r.Update(shadow.ID{Thing: "other", Name: "z"}, []byte(`{"state":{}}`))
	r.Delete(shadow.ID{Thing: "gw", Name: "b"}, nil)
	first, err := r.List("gw", "", 2)
	if err != nil || fmt.Sprint(first.Names) != "[$x a]" || first.NextToken == "" {
		t.Fatalf("%+v, %v", first, err)
	}
	if second, err := r.List("gw", first.NextToken, 2); err != nil || fmt.Sprint(second.Names) != "[c]" || second.NextToken != "" {
		t.Errorf("%+v, %v", second, err)
	}
	_, err = r.List("gw", "", 101)
	refused(t, err, 400, "pageSize must be between 1 and 100")
	_, err = r.List("gw", "%", 1)
	refused(t, err, 400, "Invalid nextToken")
}

func TestLimitsAndNames(t *testing.T) {
	r := newRig(t, Config{PerSecond: 2, SizeLimit: 20})
	_, err := r.Update(room, []byte(`{"state":{"desired":{"a":"0123456789012345"}}}`))
	refused(t, err, 413, "The payload exceeds the maximum size allowed")
	r.Update(room, []byte(`{"state":{}}`))
	_, err = r.Get(room, nil)
	refused(t, err, 429, "Too Many Requests")
	r.now = r.now.Add(time.Second)
	if _, err := r.Get(room, nil); err != nil {
		t.Errorf("a second later: %v", err)
	}
	_, err = r.Get(shadow.ID{Thing: "a b"}, nil)
	refused(t, err, 400, "Invalid thing name")
	_, err = r.Get(shadow.ID{Thing: "a", Name: strings.Repeat("x", 65)}, nil)
	refused(t, err, 400, "Invalid shadow name")
	if _, err := New(Config{SizeLimit: 99999}); err == nil {
		t.Error("a size limit out of range was taken")
	}
}

func TestShadowsOutliveTheService(t *testing.T) {
	dir := t.TempDir()
	r := newRig(t, Config{Dir: dir})
	r.Update(classic, []byte(`{"state":{"reported":{"temperature":21.50,"big":9007199254740993}}}`))
	r.Update(room, []byte(`{"state":{}}`))
	r.Delete(room, nil)
	before, _ := r.Get(classic, nil)

	r = newRig(t, Config{Dir: dir})
	after, err := r.Get(classic, nil)
	if err != nil || string(after) != string(before) {
		t.Errorf("%v; got %s, want %s", err, after, before)
	}
	if reply, _ := r.Update(room, []byte(`{"state":{}}`)); !strings.HasPrefix(string(reply), `{"version":3,`) {
		t.Errorf("the deleted shadow was created again as %s, want version 3", reply)
	}
}

// TestShadowsAreBounded fills a service; what is remembered of deleted shadows gives way.
func TestShadowsAreBounded(t *testing.T) {
	r := newRig(t, Config{Dir: t.TempDir(), Most: 3})
	update := func(thing string) error {
		r.now = r.now.Add(time.Second)
		_, err := r.Update(shadow.ID{Thing: thing}, []byte(`{"state":{"desired":{"a":1}}}`))
		return err
	}
	for _, thing := range []string{"a", "b", "c", "a"} {
		if err := update(thing); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, update("d"), 400, "The development cloud keeps 3 shadows; delete some, or its directory")
	for _, thing := range []string{"b", "a"} {
		r.now = r.now.Add(time.Second)
		if _, err := r.Delete(shadow.ID{Thing: thing}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := update("d"); err != nil {
		t.Fatal(err)
	}
	again, err := New(r.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := again.records[shadow.ID{Thing: "b"}]; ok || len(again.records) != 3 || again.records[shadow.ID{Thing: "a"}].Version == 0 {
		t.Errorf("records %v; want the one that was deleted first forgotten", again.records)
	}
}

// TestRequestsForManyThings bounds what is counted of them.
func TestRequestsForManyThings(t *testing.T) {
	r := newRig(t, Config{PerSecond: 10, Most: 100})
	for i := range 1000 {
		r.now = r.now.Add(100 * time.Millisecond)
		r.Get(shadow.ID{Thing: fmt.Sprint(i)}, nil)
	}
	if n := len(r.windows); n > 120 {
		t.Errorf("%d things are counted", n)
	}
}
