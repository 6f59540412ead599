package replica

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

var gw = shadow.ID{Thing: "gw"}

// device owns the keys lamp, status and bell; bell is a command. It reports what is
// requested of lamp, and answers everything.
type device struct {
	replica   *Replica
	requested []string
	withdrawn []string
	stored    []string
}

func (d *device) Owns(key string) bool           { return key == "lamp" || key == "status" || key == "bell" }
func (d *device) IsCommand(key string) bool      { return key == "bell" }
func (d *device) Differs(string, any, bool) bool { return false }
func (d *device) Read()                          {}
func (d *device) RequestsDelivered()             {}
func (d *device) Withdrawn(key string)           { d.withdrawn = append(d.withdrawn, key) }
func (d *device) Stored(key string, value any) {
	d.stored = append(d.stored, fmt.Sprintf("%s=%v", key, value))
}

func (d *device) Requested(key string, r Request) {
	text, err := json.Marshal(r.Value)
	if err != nil {
		panic(err)
	}
	d.requested = append(d.requested, fmt.Sprintf("%s=%s", key, text))
	switch {
	case !d.Owns(key):
		d.replica.Acknowledge(key, shadow.NoProperty, "no such property")
	case key == "lamp":
		d.replica.Report(key, r.Value)
		d.replica.Acknowledge(key, shadow.Done, "")
	}
}

// bench is one replica, with a clock that the test moves.
type bench struct {
	*Set
	t      *testing.T
	now    time.Time
	device *device
	r      *Replica
}

func newBench(t *testing.T) *bench {
	b := &bench{Set: NewSet(rand.New(rand.NewPCG(1, 1)), slog.New(slog.DiscardHandler)), t: t, now: time.Unix(1_700_000_000, 0), device: &device{}}
	b.r = b.Open(gw, b.device)
	b.device.replica = b.r
	return b
}

// readBench is a bench whose replica has read version 5, which reports lamp and status.
func readBench(t *testing.T) *bench {
	b := newBench(t)
	b.r.Report("lamp", true)
	b.r.Report("status", map[string]any{"running": true})
	b.Live(b.now, gw, false)
	b.document(b.fetch(), `{"version":5,"state":{"reported":{"lamp":true,"status":{"running":true}}}}`)
	b.nothing()
	return b
}

// effects are what is sent now.
func (b *bench) effects() []Effect { return b.Flush(b.now) }

func (b *bench) nothing() {
	b.t.Helper()
	if effects := b.effects(); len(effects) > 0 {
		b.t.Fatalf("unexpected requests: %+v", effects)
	}
}

func (b *bench) fetch() Fetch {
	b.t.Helper()
	effects := b.effects()
	if len(effects) == 1 {
		if f, ok := effects[0].(Fetch); ok {
			return f
		}
	}
	b.t.Fatalf("requests %+v, want one fetch", effects)
	return Fetch{}
}

// update takes the one update that is sent, which must write these sections.
func (b *bench) update(want string) Update {
	b.t.Helper()
	effects := b.effects()
	if len(effects) == 1 {
		if u, ok := effects[0].(Update); ok {
			sections := map[string]any{"reported": u.Reported, "desired": u.Desired}
			for name, section := range sections {
				if len(section.(map[string]any)) == 0 {
					delete(sections, name)
				}
			}
			if got := text(sections); got != want {
				b.t.Fatalf("update writes\n got %s\nwant %s", got, want)
			}
			return u
		}
	}
	b.t.Fatalf("requests %+v, want one update of %s", effects, want)
	return Update{}
}

func (b *bench) document(f Fetch, document string) {
	b.t.Helper()
	doc, err := shadow.ParseDocument([]byte(document))
	if err != nil {
		b.t.Fatal(err)
	}
	b.Fetched(b.now, Fetched{ID: gw, Seq: f.Seq, Document: doc})
}

func (b *bench) missing(f Fetch) {
	b.Fetched(b.now, Fetched{ID: gw, Seq: f.Seq, Outcome: Missing, Err: errors.New("no shadow")})
}

// message is an update of somebody else.
func (b *bench) message(version int64, state string) {
	b.t.Helper()
	b.arrive(fmt.Sprintf(`{"version":%d,"state":%s}`, version, state))
}

// arrive delivers a message, of an application on the device if it says nothing of a
// client token. The synchronization has an empty one.
func (b *bench) arrive(message string) {
	b.t.Helper()
	a, err := shadow.ParseAccepted([]byte(message))
	if err != nil {
		b.t.Fatal(err)
	}
	if !strings.Contains(message, `"clientToken"`) {
		a.ClientToken = "application"
	}
	b.Accepted(b.now, gw, a)
}

// echo is the message of an own update.
func (b *bench) echo(u Update, version int64) {
	b.t.Helper()
	state := map[string]any{}
	if len(u.Reported) > 0 {
		state["reported"] = u.Reported
	}
	if len(u.Desired) > 0 {
		state["desired"] = u.Desired
	}
	b.arrive(fmt.Sprintf(`{"version":%d,"clientToken":%q,"state":%s}`, version, u.Token, text(state)))
}

func (b *bench) reply(u Update, version int64) {
	b.Updated(b.now, Updated{ID: gw, Seq: u.Seq, Version: version})
}

func (b *bench) fails(u Update, outcome Outcome) {
	b.Updated(b.now, Updated{ID: gw, Seq: u.Seq, Outcome: outcome, Err: fmt.Errorf("outcome %d", outcome)})
}

// pass lets time pass.
func (b *bench) pass(d time.Duration) {
	b.now = b.now.Add(d)
	b.Tick(b.now)
}

func (b *bench) requests(want ...string) {
	b.t.Helper()
	if got := b.device.requested; strings.Join(got, " ") != strings.Join(want, " ") {
		b.t.Errorf("requests told: %q, want %q", got, want)
	}
	b.device.requested = nil
}

func TestVersionsOutOfOrderLeadToARead(t *testing.T) {
	const last = math.MaxInt64
	for name, c := range map[string]struct {
		document int64
		messages []int64
		reads    bool
	}{
		"next":                              {5, []int64{6, 7}, false},
		"held by the document":              {5, []int64{3, 4, 5, 6}, false},
		"gap":                               {5, []int64{7}, true},
		"gap later":                         {5, []int64{6, 8}, true},
		"back to an older one":              {5, []int64{6, 5}, true},
		"the same again":                    {5, []int64{6, 6}, true},
		"deleted and created":               {5, []int64{1}, true},
		"created after none":                {0, []int64{1, 2}, false},
		"the largest":                       {last - 1, []int64{last}, true},
		"past the largest, as a Java long":  {last, []int64{math.MinInt64 + 1}, true},
		"the smallest after the largest":    {last, []int64{3}, true},
		"deleted and created from the last": {last, []int64{1}, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.Live(b.now, gw, false)
			b.document(b.fetch(), fmt.Sprintf(`{"version":%d,"state":{"desired":{}}}`, c.document))
			b.nothing()
			for _, version := range c.messages {
				b.message(version, `{"desired":{"other":null}}`)
			}
			if effects := b.effects(); (len(effects) > 0) != c.reads {
				t.Errorf("requests %+v, want a read: %v", effects, c.reads)
			}
		})
	}
}

func TestMessagesDuringAFetch(t *testing.T) {
	for _, c := range []struct {
		messages int
		kept     bool
	}{{1, true}, {maxEarly, true}, {maxEarly + 1, false}} {
		t.Run(fmt.Sprint(c.messages), func(t *testing.T) {
			b := newBench(t)
			b.message(1, `{"desired":{"lamp":"before the shadow is live"}}`)
			b.Live(b.now, gw, false)
			b.message(4, `{"desired":{"lamp":"before the fetch"}}`)
			f := b.fetch()
			for i := range c.messages {
				b.message(int64(5+i), fmt.Sprintf(`{"desired":{"lamp":%d}}`, i))
			}
			b.requests()
			b.document(f, `{"version":5,"state":{"desired":{"lamp":0}}}`)
			if !c.kept {
				b.requests()
				b.nothing()
				b.pass(2 * time.Second)
				b.document(b.fetch(), fmt.Sprintf(`{"version":%d,"state":{"desired":{"lamp":%d}}}`, 4+c.messages, c.messages-1))
				b.requests(fmt.Sprintf("lamp=%d", c.messages-1))
				return
			}
			want := []string{"lamp=0"}
			for i := 1; i < c.messages; i++ {
				want = append(want, fmt.Sprintf("lamp=%d", i))
			}
			b.requests(want...)
		})
	}
}

// The reply to an update and its message come in either order.
func TestEchoAndReply(t *testing.T) {
	for _, replyFirst := range []bool{false, true} {
		b := readBench(t)
		b.r.Propose("lamp", false)
		b.r.Report("lamp", false)
		u := b.update(`{"desired":{"lamp":false},"reported":{"lamp":false}}`)
		if u.Version != 5 {
			t.Errorf("the update is meant for version %d, want 5", u.Version)
		}
		if replyFirst {
			b.reply(u, 6)
		}
		b.echo(u, 6)
		if !replyFirst {
			b.reply(u, 6)
		}
		if len(b.device.stored) == 0 || b.device.stored[0] != "lamp=false" {
			t.Errorf("reply first %v: stored %v, want lamp=false", replyFirst, b.device.stored)
		}
		b.requests()
		b.pass(time.Minute)
		b.nothing()
	}
}

// The reply to an update settled a proposal. Its message, which comes later, must not
// settle the same proposal made again since.
func TestMessageAfterTheReplySettlesNoNewerProposal(t *testing.T) {
	t.Parallel()
	b := readBench(t)
	b.r.Propose("lamp", "off")
	first := b.update(`{"desired":{"lamp":"off"}}`)
	b.reply(first, 6)
	b.pass(reportInterval)
	b.r.Propose("lamp", "on")
	second := b.update(`{"desired":{"lamp":"on"}}`)
	b.r.Propose("lamp", "off") // equal to the first proposal
	b.arrive(fmt.Sprintf(`{"version":6,"clientToken":%q,"state":{"desired":{"lamp":"off"}},"metadata":{"desired":{"lamp":{"timestamp":42}}}}`, first.Token))
	if value, at := b.r.Desired("lamp"); value != "off" || at != 42 {
		t.Errorf("desired %v of %d, want off of 42, as the message says", value, at)
	}
	if sent := b.r.Sent("lamp"); sent != "on" {
		t.Errorf("sent %v, want on: it is not known to be stored", sent)
	}
	b.reply(second, 7)
	b.pass(reportInterval)
	b.update(`{"desired":{"lamp":"off"}}`)
	if got := strings.Join(b.device.stored, " "); got != "lamp=off" {
		t.Errorf("told as stored: %s, want only the first proposal", got)
	}
}

// The device writes a desired value again that may not have reached the cloud. Its own
// write gives the value another time, and makes no other request of it.
func TestOwnWriteOfADesiredValueIsNoRequest(t *testing.T) {
	t.Parallel()
	for _, replyFirst := range []bool{false, true} {
		b := newBench(t)
		b.r.assure.lost = true // as after a kill
		b.Live(b.now, gw, false)
		b.document(b.fetch(), `{"version":5,"state":{"desired":{"lamp":false},"reported":{"lamp":false}},"metadata":{"desired":{"lamp":{"timestamp":42}}}}`)
		effects := b.effects()
		u, ok := effects[0].(Update)
		if value, written := u.Desired["lamp"]; !ok || !written || value != false {
			t.Fatalf("effects %+v, want a write of the desired lamp", effects)
		}
		b.requests("lamp=false")
		if replyFirst {
			b.reply(u, 6)
		}
		b.arrive(fmt.Sprintf(`{"version":6,"clientToken":%q,"state":{"desired":{"lamp":false},"reported":%s},"metadata":{"desired":{"lamp":{"timestamp":99}}}}`, u.Token, text(u.Reported)))
		if !replyFirst {
			b.reply(u, 6)
		}
		b.r.Reread(b.now)
		b.document(b.fetch(), `{"version":6,"state":{"desired":{"lamp":false},"reported":{"lamp":false,"ack":{"lamp":{"code":200,"version":5}}}},"metadata":{"desired":{"lamp":{"timestamp":99}},"reported":{"ack":{"lamp":{"code":{"timestamp":100}}}}}}`)
		if ack, _ := b.r.Acknowledged("lamp"); ack.Version != 5 {
			t.Errorf("reply first %v: answered anew with %+v", replyFirst, ack)
		}
	}
}

// A reply that comes after a newer document tells nothing of what that document holds:
// somebody else may have written in between, or the shadow was deleted and created.
func TestReplyAfterANewerDocument(t *testing.T) {
	for name, c := range map[string]struct {
		document, version int64
		reads             bool
	}{
		"the document is newer":          {7, 6, false},
		"the document is another shadow": {2, 6, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := readBench(t)
			b.r.Report("lamp", false)
			u := b.update(`{"reported":{"lamp":false}}`)
			b.r.Reread(b.now)
			b.document(b.fetch(), fmt.Sprintf(`{"version":%d,"state":{"reported":{"lamp":"rewritten","status":{"running":true}}}}`, c.document))
			b.reply(u, c.version)
			b.pass(time.Second)
			if c.reads {
				b.document(b.fetch(), fmt.Sprintf(`{"version":%d,"state":{"reported":{"lamp":"rewritten","status":{"running":true}}}}`, c.document))
			}
			b.update(`{"reported":{"lamp":false}}`)
		})
	}
}

func TestStoredButFailed(t *testing.T) {
	b := readBench(t)
	b.r.Report("lamp", false)
	u := b.update(`{"reported":{"lamp":false}}`)
	b.fails(u, Unknown)
	b.pass(2 * time.Second)
	b.document(b.fetch(), `{"version":6,"state":{"reported":{"lamp":false,"status":{"running":true}}}}`)
	b.pass(time.Minute)
	b.nothing()

	// Its message came, and so it is known to be stored, whatever the reply says.
	b.r.Report("lamp", true)
	u = b.update(`{"reported":{"lamp":true}}`)
	b.echo(u, 7)
	b.fails(u, Throttled)
	b.pass(2 * time.Second)
	b.document(b.fetch(), `{"version":7,"state":{"reported":{"lamp":true,"status":{"running":true}}}}`)
	b.pass(time.Minute)
	b.nothing()
}

// A shadow manager that stores each update and answers with an error must not be asked
// to repeat a value for ever.
func TestRepeatWhereEachReplyFails(t *testing.T) {
	b := readBench(t)
	b.r.Repeat("lamp")
	b.fails(b.update(`{"reported":{"lamp":true}}`), Unknown)
	b.pass(2 * time.Second)
	b.document(b.fetch(), `{"version":6,"state":{"reported":{"lamp":true,"status":{"running":true}}}}`)
	b.pass(time.Minute)
	b.nothing()

	b.r.Repeat("lamp")
	b.fails(b.update(`{"reported":{"lamp":true}}`), Unknown)
	b.pass(2 * time.Second)
	b.document(b.fetch(), `{"version":6,"state":{"reported":{"lamp":true,"status":{"running":true}}}}`)
	b.pass(time.Minute)
	b.update(`{"reported":{"lamp":true}}`) // it was not stored
}

// An empty patch would delete the object that is repeated.
func TestRepeatOfAnObject(t *testing.T) {
	b := readBench(t)
	b.r.Repeat("status")
	b.update(`{"reported":{"status":{"running":true}}}`)
}

func TestTooLargeReportsShedAnswers(t *testing.T) {
	b := readBench(t)
	b.message(6, `{"desired":{"lamp":false,"ghost":1}}`)
	reject := func(want string) {
		t.Helper()
		b.fails(b.update(want), TooLarge)
		b.pass(time.Second)
	}
	all := `{"reported":{"ack":{"ghost":{"code":404,"reason":"no such property","version":6},"lamp":{"code":200,"version":6}},"lamp":false}}`
	reject(all)
	reject(`{"reported":{"ack":{"ghost":{"code":404,"version":6},"lamp":{"code":200,"version":6}},"lamp":false}}`)
	reject(`{"reported":{"ack":{"lamp":{"code":200,"version":6}},"lamp":false}}`)
	reject(`{"reported":{"lamp":false}}`)
	b.nothing() // it waits for a minute
	b.pass(time.Minute)
	u := b.update(`{"reported":{"lamp":false}}`)
	b.reply(u, 7)
	b.echo(u, 7)
	b.pass(time.Minute)
	b.nothing()

	b.message(8, `{"desired":{"other":null}}`) // the shadow shrinks
	b.update(`{"reported":{"ack":{"ghost":{"code":404,"reason":"no such property","version":6},"lamp":{"code":200,"version":6}}}}`)
}

// Somebody else creates the shadow while the replica does.
func TestCreationRace(t *testing.T) {
	b := newBench(t)
	b.r.Report("lamp", true)
	b.Live(b.now, gw, false)
	b.missing(b.fetch())
	u := b.update(`{"reported":{"lamp":true}}`)
	b.reply(u, 2)
	b.document(b.fetch(), `{"version":2,"state":{"desired":{"lamp":false},"reported":{"lamp":true}}}`)
	b.requests("lamp=false")
}

// Nobody creates a shadow in order to delete from it.
func TestRetiredReplica(t *testing.T) {
	t.Run("missing", func(t *testing.T) {
		b := newBench(t)
		b.r.Report("lamp", true)
		b.Retire(gw)
		b.Live(b.now, gw, false)
		b.missing(b.fetch())
		b.pass(time.Hour)
		b.nothing()
		if !b.Retired(gw) {
			t.Error("not retired, although there is no shadow")
		}
	})
	for _, outcome := range []Outcome{Unauthorized, Invalid} {
		t.Run(fmt.Sprint("rejected ", outcome), func(t *testing.T) {
			b := readBench(t)
			b.Retire(gw)
			sent := 0
			for range 600 {
				for _, e := range b.effects() {
					sent++
					b.fails(e.(Update), outcome)
				}
				b.pass(time.Second)
			}
			if sent > 11 {
				t.Errorf("%d updates in ten minutes, each rejected; want one a minute", sent)
			}
			if b.Retired(gw) {
				t.Error("retired, although nothing is withdrawn")
			}
		})
	}
	t.Run("unreadable", func(t *testing.T) {
		b := newBench(t)
		b.Live(b.now, gw, false)
		b.Retire(gw)
		sent := 0
		for range 600 {
			for _, e := range b.effects() {
				sent++
				b.Fetched(b.now, Fetched{ID: gw, Seq: e.(Fetch).Seq, Outcome: Unauthorized, Err: errors.New("no permission")})
			}
			b.pass(time.Second)
		}
		if sent > 11 {
			t.Errorf("%d fetches in ten minutes, each rejected; want one a minute", sent)
		}
	})
}

// The pause after a rejection holds also when the component stops.
func TestDrainKeepsThePausesOfRejections(t *testing.T) {
	for _, outcome := range []Outcome{Throttled, Invalid, Unauthorized} {
		b := readBench(t)
		b.Drain()
		b.r.Report("lamp", false)
		b.fails(b.update(`{"reported":{"lamp":false}}`), outcome)
		b.nothing()
	}
}

func TestPatchesOfNestedObjects(t *testing.T) {
	for _, c := range []struct{ have, want, patch string }{
		{`{"a":1}`, `{"a":2}`, `{"a":2}`},
		{`{"a":1,"b":2}`, `{"a":1}`, `{"b":null}`},
		{`{"a":{"x":1,"y":2}}`, `{"a":{"x":1}}`, `{"a":{"y":null}}`},
		{`{"a":{"x":1}}`, `{"b":1}`, `{"a":null,"b":1}`},
		{`{"a":{"x":{"y":1}}}`, `{"a":{"x":{"z":1}}}`, `{"a":{"x":{"y":null,"z":1}}}`},
		{`{"a":1}`, `5`, `5`},
		{`5`, `{"a":1}`, `{"a":1}`},
		{`{"a":[1]}`, `{"a":[1,2]}`, `{"a":[1,2]}`},
	} {
		b := newBench(t)
		b.Live(b.now, gw, false)
		b.document(b.fetch(), `{"version":1,"state":{"reported":{"status":`+c.have+`}}}`)
		var want any
		if err := json.Unmarshal([]byte(c.want), &want); err != nil {
			t.Fatal(err)
		}
		b.r.Report("status", want)
		b.update(`{"reported":{"status":` + c.patch + `}}`)
	}
}

// A null or an empty object in the shadow is deleted with all around it, and written anew.
func TestRemnants(t *testing.T) {
	for _, remnant := range []string{`{"running":true,"faults":null}`, `{"running":true,"faults":{}}`, `{"running":true,"a":{"b":{"c":null}}}`} {
		b := newBench(t)
		b.r.Report("lamp", true)
		b.r.Report("status", map[string]any{"running": true})
		b.Live(b.now, gw, false)
		b.document(b.fetch(), `{"version":1,"state":{"reported":{"lamp":true,"status":`+remnant+`}}}`)
		b.reply(b.update(`{"reported":{"status":null}}`), 2)
		b.pass(time.Second)
		b.reply(b.update(`{"reported":{"status":{"running":true}}}`), 3)
		b.pass(time.Minute)
		b.nothing()
	}
}

// A shadow keeps nulls and empty objects in a section that did not exist. A message and
// a document must tell the same request of it.
func TestNullsInADesiredObjectRequestNothing(t *testing.T) {
	b := newBench(t)
	b.Live(b.now, gw, false)
	b.document(b.fetch(), `{"version":1,"state":{}}`)
	const desired = `{"lamp":{"id":1,"note":null,"more":{"x":{}}},"bell":{"id":null}}`
	b.arrive(`{"version":2,"state":{"desired":` + desired + `},"metadata":{"desired":{"lamp":{"id":{"timestamp":9}}}}}`)
	b.requests(`lamp={"id":1}`)
	u := b.update(`{"reported":{"ack":{"lamp":{"code":200,"version":2}},"lamp":{"id":1}}}`)
	b.reply(u, 3)
	b.echo(u, 3)
	b.r.Reread(b.now)
	b.document(b.fetch(), `{"version":3,"state":{"desired":`+desired+`,"reported":{"ack":{"lamp":{"code":200,"version":2}},"lamp":{"id":1}}},"metadata":{"desired":{"lamp":{"id":{"timestamp":9}}}}}`)
	if q, _ := b.r.Requested("lamp"); !q.Repeat {
		t.Errorf("the request is told as %+v, want a repetition", q)
	}
	b.pass(time.Minute)
	b.nothing()
}

// A shadow does not keep them under reported, either: to write them would never end.
func TestReportOfNullsAndEmptyObjects(t *testing.T) {
	b := readBench(t)
	b.r.Report("status", map[string]any{"running": true, "faults": map[string]any{"a": nil}, "more": map[string]any{}})
	b.nothing()
	b.r.Report("status", map[string]any{"faults": map[string]any{}})
	b.update(`{"reported":{"status":null}}`)
}

// A value of an object is not merged into the one that somebody else wrote meanwhile.
func TestForeignObjectUnderAKeyThatIsNotReportedYet(t *testing.T) {
	b := newBench(t)
	b.Live(b.now, gw, false)
	b.document(b.fetch(), `{"version":1,"state":{}}`)
	b.r.Report("lamp", true)
	u := b.update(`{"reported":{"lamp":true}}`)
	b.r.Report("status", map[string]any{"running": true})
	b.message(2, `{"reported":{"status":{"foreign":1}}}`)
	b.reply(u, 3)
	b.document(b.fetch(), `{"version":3,"state":{"reported":{"lamp":true,"status":{"foreign":1}}}}`)
	b.pass(time.Second)
	b.update(`{"reported":{"status":{"foreign":null,"running":true}}}`)
}

// An update of an earlier run that is stored late may report keys that are gone.
func TestLateUpdateOfAnEarlierRun(t *testing.T) {
	b := readBench(t)
	b.r.Withdraw([]string{"relic"})
	b.document(b.fetch(), `{"version":5,"state":{"reported":{"lamp":true,"status":{"running":true}}}}`)
	b.arrive(`{"version":6,"clientToken":"` + tokensOf(7) + `12","state":{"reported":{"relic":1}}}`)
	b.document(b.fetch(), `{"version":6,"state":{"reported":{"lamp":true,"relic":1,"status":{"running":true}}}}`)
	b.update(`{"reported":{"relic":null}}`)
}

// Keys that are withdrawn after the document was read are looked for in it.
func TestWithdrawOfAKnownDocument(t *testing.T) {
	b := readBench(t)
	b.r.Withdraw([]string{"relic"})
	b.document(b.fetch(), `{"version":5,"state":{"reported":{"lamp":true,"relic":1,"status":{"running":true}}}}`)
	b.update(`{"reported":{"relic":null}}`)
}

// A command that nobody requests any more is not answered.
func TestConclusionOfAWithdrawnCommand(t *testing.T) {
	b := readBench(t)
	b.message(6, `{"desired":{"bell":true}}`)
	b.message(7, `{"desired":{"bell":null}}`)
	b.r.Conclude("bell", shadow.Done, "")
	b.nothing()
}

// A 404 is of a time when there was no such property: it concludes no command.
func TestAnswerOfATimeBeforeTheCommand(t *testing.T) {
	b := newBench(t)
	b.Live(b.now, gw, false)
	b.document(b.fetch(), `{"version":1,"state":{"reported":{"ack":{"bell":{"code":404,"version":1}}}}}`)
	b.update(`{"reported":{"ack":null}}`)
}

// A proposal that was given up can be stored after the document was read: it is known
// as the device's own, not taken for a newer request.
func TestProposalStoredLateIsKnownAsOwn(t *testing.T) {
	b := readBench(t)
	b.r.Propose("lamp", "p1")
	b.fails(b.update(`{"desired":{"lamp":"p1"}}`), Unknown)
	b.pass(2 * time.Second)
	b.document(b.fetch(), `{"version":5,"state":{"reported":{"lamp":true,"status":{"running":true}}}}`)
	if got := b.r.Sent("lamp"); got != "p1" {
		t.Errorf("sent is %v, want p1: version 5 can still take the update", got)
	}
	b.r.Reread(b.now)
	b.document(b.fetch(), `{"version":6,"state":{"desired":{"other":1},"reported":{"lamp":true,"status":{"running":true}}}}`)
	if got := b.r.Sent("lamp"); got != nil {
		t.Errorf("sent is %v, want none: the update was meant for version 5", got)
	}
}

// synchronized delivers a message as the synchronization writes it, without a token.
func (b *bench) synchronized(version int64, state string) {
	b.t.Helper()
	b.arrive(fmt.Sprintf(`{"version":%d,"clientToken":"","state":%s}`, version, state))
}

// A change of the cloud right after a report can have the shadow manager take the report
// for known to the cloud. It is repeated, with a number if nothing else changes, and once
// more a minute later.
func TestReportThatTheSynchronizationMayDrop(t *testing.T) {
	for _, after := range []time.Duration{100 * time.Millisecond, assureWindow + time.Second} {
		b := readBench(t)
		b.r.Report("lamp", false)
		u := b.update(`{"reported":{"lamp":false}}`)
		b.echo(u, 6)
		b.reply(u, 6)
		b.pass(after)
		b.nothing()
		b.synchronized(7, `{"desired":{"other":1}}`)
		b.r.Acknowledge("other", shadow.NoProperty, "none")
		if after > assureWindow {
			b.reply(b.update(`{"reported":{"ack":{"other":{"code":404,"reason":"none","version":7}}}}`), 8)
			continue
		}
		b.pass(reportInterval)
		u = b.update(`{"reported":{"ack":{"other":{"code":404,"reason":"none","version":7}},"lamp":false}}`)
		b.echo(u, 8)
		b.reply(u, 8)
		b.pass(secondPause - time.Second)
		b.nothing()
		b.pass(time.Second)
		u = b.update(`{"reported":{"lamp":false,"sync":{"sent":1}}}`)
		b.echo(u, 9)
		b.reply(u, 9)
		b.pass(time.Hour)
		b.nothing()
	}
}

// An application on the device, and the cloud itself without a shadow manager, drop
// nothing.
func TestReportThatIsNotInDoubt(t *testing.T) {
	for _, direct := range []bool{false, true} {
		b := readBench(t)
		if direct {
			b.Live(b.now, gw, true)
			b.document(b.fetch(), `{"version":5,"state":{"reported":{"lamp":true,"status":{"running":true}}}}`)
		}
		b.r.Report("lamp", false)
		u := b.update(`{"reported":{"lamp":false}}`)
		b.echo(u, 6)
		b.reply(u, 6)
		b.pass(time.Second)
		token := "application"
		if direct {
			token = ""
		}
		b.arrive(fmt.Sprintf(`{"version":7,"clientToken":%q,"state":{"desired":{"other":null}}}`, token))
		b.pass(time.Hour)
		b.nothing()
	}
}

// A null right after another update can be lost where the two wait for the cloud. It is
// repeated when the shadow is at rest.
func TestNullThatMayBeLost(t *testing.T) {
	b := readBench(t)
	b.r.Report("lamp", false)
	u := b.update(`{"reported":{"lamp":false}}`)
	b.echo(u, 6)
	b.reply(u, 6)
	b.r.Report("status", nil)
	b.pass(reportInterval)
	u = b.update(`{"reported":{"status":null}}`)
	b.echo(u, 7)
	b.reply(u, 7)
	b.pass(nullPause - 100*time.Millisecond)
	b.nothing()
	b.pass(100 * time.Millisecond)
	u = b.update(`{"reported":{"status":null,"sync":{"sent":1}}}`)
	b.echo(u, 8)
	b.reply(u, 8)
	b.pass(time.Hour)
	u = b.update(`{"reported":{"status":null,"sync":{"sent":2}}}`)
	b.echo(u, 9)
	b.reply(u, 9)
	b.pass(time.Hour)
	b.nothing()
}

// A retired shadow keeps nothing of the synchronization.
func TestRetiredShadowLosesItsMark(t *testing.T) {
	b := newBench(t)
	b.r.Report("lamp", true)
	b.Live(b.now, gw, false)
	b.document(b.fetch(), `{"version":5,"state":{"desired":{"sync":{"kept":true}},"reported":{"lamp":true,"sync":{"kept":true,"sent":3}}}}`)
	b.nothing()
	b.Retire(gw)
	b.update(`{"desired":{"sync":null},"reported":{"lamp":null,"sync":null}}`)
}
