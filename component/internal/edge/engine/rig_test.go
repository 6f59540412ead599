package engine

import (
	"encoding/json"
	"fmt"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

const testConfig = `
lines:
  lamp:  {line: GPIO17, direction: output}
  pump:  {line: GPIO18, direction: output, start: "off", stop: "off"}
  door:  {line: GPIO27, direction: input}
shadows:
  main:
    properties:
      lights: {line: lamp, values: {"on": on, "off": off}}
      locked: {line: door}
  plant:
    name: plant
    properties:
      pump: {line: pump}
`

// rig plays the loop: it answers what lines are asked at once, keeps what shadows
// are asked, and holds the clock.
type rig struct {
	*Engine
	t                    *testing.T
	now                  time.Time
	lines                map[string]bool // what the lines are
	broken               map[string]error
	stuck                map[string]bool // outputs that do not follow
	sets                 []lines.Write
	fetches              []sentFetch
	updates              []sentUpdate
	requests             []time.Time // when each fetch and update was asked for
	saves                []Save
	noDisk               error
	hold                 bool // saves are answered by the test
	held                 bool // outputs were held since an earlier run
	asked                []lines.Request
	claims               map[string]lines.Request // the last one of each label, those of a pattern joined by +
	released             []lines.Release
	guards               map[string]lines.Guard
	followed, unfollowed []shadow.ID
	moved                []lines.Moved
}

func newRig(t *testing.T, text string, saved state.State) *rig {
	t.Helper()
	cfg, err := config.Parse([]byte(text), "gw")
	if err != nil {
		t.Fatal(err)
	}
	saved.Ended = true // else all is reported again; see TestReportsOfAKilledRunAreRepeated
	return &rig{
		Engine: New(cfg, "1.0.0", saved, rand.New(rand.NewPCG(1, 2)), slog.New(slog.DiscardHandler)),
		t:      t,
		now:    time.Unix(1_700_000_000, 0),
		lines:  map[string]bool{},
		broken: map[string]error{},
		stuck:  map[string]bool{},
		guards: map[string]lines.Guard{},
		claims: map[string]lines.Request{},
	}
}

func (r *rig) step(in Input) {
	r.t.Helper()
	queue := []Input{in}
	for ; len(queue) > 0; queue = queue[1:] {
		for _, effect := range r.Step(r.now, address(r.cfg, queue[0])) {
			if answer := r.carryOut(effect); answer != nil {
				queue = append(queue, answer)
			}
		}
	}
}

func (r *rig) carryOut(effect Effect) Input {
	switch e := labeled(r.cfg, effect).(type) {
	case lines.Request:
		label := e.Label
		r.asked, r.claims[label] = append(r.asked, e), e
		if err := r.broken[label]; err != nil {
			return LinesFailed{e.Claim, e.Request, err}
		}
		held := r.held && r.bank.Drives(label)
		for i, value := range e.Values {
			if value != nil && !held {
				r.lines[e.Lines[i]] = *value
			}
		}
		return LinesReady{Claim: e.Claim, Values: r.read(e.Lines...), Held: held}
	case lines.Write:
		asked := r.asker(e.Claim)
		e.Claim = asked.Label // tests know outputs by their labels
		r.sets = append(r.sets, e)
		if err := r.broken[e.Claim]; err != nil {
			return r.failed(e.Claim, err)
		}
		for i, value := range e.Values {
			if line := asked.Lines[i]; !r.stuck[line] {
				r.lines[line] = value
			}
		}
		return LinesWritten{asked.Claim, r.read(asked.Lines...)}
	case lines.Release:
		e.Claim = r.asker(e.Claim).Label
		r.released = append(r.released, e)
	case lines.Guard:
		e.Claim = r.asker(e.Claim).Label
		r.guards[e.Claim] = e
	case lines.Moved:
		r.moved = append(r.moved, e)
	case FollowShadow:
		r.followed = append(r.followed, e.ID)
	case UnfollowShadow:
		r.unfollowed = append(r.unfollowed, e.ID)
	case sentFetch:
		r.fetches = append(r.fetches, e)
		r.requests = append(r.requests, r.now)
	case sentUpdate:
		r.updates = append(r.updates, e)
		r.requests = append(r.requests, r.now)
	case Save:
		r.saves = append(r.saves, e)
		if r.hold {
			return nil
		}
		return Saved{e.Seq, r.noDisk}
	}
	return nil
}

// asker is the request of a claim.
func (r *rig) asker(claim string) lines.Request {
	for _, e := range r.claims {
		if e.Claim == claim {
			return e
		}
	}
	return lines.Request{}
}

// seen and failed are what a watcher of lines, given by their label, tells.
func (r *rig) seen(label string, burst lines.Burst) LineSeen {
	return LineSeen{r.claims[label].Claim, r.claims[label].Request, burst}
}

func (r *rig) failed(label string, err error) LinesFailed {
	return LinesFailed{r.claims[label].Claim, r.claims[label].Request, err}
}

func (r *rig) read(labels ...string) []bool {
	var values []bool
	for _, label := range labels {
		values = append(values, r.lines[label])
	}
	return values
}

// edge lets an input change.
func (r *rig) edge(label string, value bool) {
	r.t.Helper()
	r.lines[label] = value
	burst := lines.Burst{Value: value}
	stamp := lines.Stamp{Wall: r.now, Clock: r.now.Sub(time.Unix(1_600_000_000, 0))}
	if value {
		burst.Rising, burst.RisingAt = 1, stamp
	} else {
		burst.Falling, burst.FallingAt = 1, stamp
	}
	r.step(r.seen(label, burst))
}

// pass lets time pass, with every tick that is asked for on the way.
func (r *rig) pass(d time.Duration) {
	r.t.Helper()
	end := r.now.Add(d)
	for ticks := 0; !r.Wake().IsZero() && !r.Wake().After(end); ticks++ {
		if ticks > 100_000 {
			r.t.Fatal("the engine asks for ticks without end")
		}
		if r.Wake().After(r.now) {
			r.now = r.Wake()
		}
		r.step(Tick{})
	}
	r.now = end
}

// fetched answers the last fetch with a document, given as desired, reported and
// their metadata; "" is a shadow that does not exist.
func (r *rig) fetched(name, document string) {
	r.t.Helper()
	in := documentFetched{Shadow: name, Seq: r.lastFetch(name).Seq}
	if document == "" {
		in.Outcome, in.Err = Missing, fmt.Errorf("no shadow found")
	} else {
		doc, err := shadow.ParseDocument([]byte(document))
		if err != nil {
			r.t.Fatal(err)
		}
		in.Document = doc
	}
	r.step(in)
}

func (r *rig) lastFetch(name string) sentFetch {
	r.t.Helper()
	for i := len(r.fetches) - 1; i >= 0; i-- {
		if r.fetches[i].Shadow == name {
			return r.fetches[i]
		}
	}
	r.t.Fatalf("shadow %s was not fetched", name)
	return sentFetch{}
}

// accepted delivers an update/accepted message of a value that somebody else desires.
func (r *rig) accepted(name string, version int64, desired, metadata string) {
	r.t.Helper()
	r.message(name, fmt.Sprintf(`{"version":%d,"state":{"desired":%s},"metadata":{"desired":%s}}`, version, desired, metadata))
}

// message delivers an update/accepted message, of an application on the device if it says
// nothing of a client token. The synchronization has an empty one.
func (r *rig) message(name, payload string) {
	r.t.Helper()
	a, err := shadow.ParseAccepted([]byte(payload))
	if err != nil {
		r.t.Fatal(err)
	}
	if !strings.Contains(payload, `"clientToken"`) {
		a.ClientToken = "application"
	}
	r.step(messageAccepted{name, a})
}

// update takes the one update that is under way for the shadow, and its report
// as JSON.
func (r *rig) update(name string) (sentUpdate, string) {
	r.t.Helper()
	var found []sentUpdate
	rest := r.updates[:0:0]
	for _, u := range r.updates {
		if u.Shadow == name {
			found = append(found, u)
		} else {
			rest = append(rest, u)
		}
	}
	if len(found) != 1 {
		r.t.Fatalf("%d updates of %s, want 1: %v", len(found), name, found)
	}
	r.updates = rest
	return found[0], asJSON(r.t, found[0].Reported)
}

// reports checks the update under way and accepts it as that version.
func (r *rig) reports(name, want string, version int64) {
	r.t.Helper()
	u, got := r.update(name)
	if got != want {
		r.t.Errorf("reported\n got %s\nwant %s", got, want)
	}
	r.accept(u, version)
}

// accept answers an update, and delivers its message, as the shadow manager does.
func (r *rig) accept(u sentUpdate, version int64) {
	r.t.Helper()
	r.step(updateAnswered{Shadow: u.Shadow, Seq: u.Seq, Version: version})
	sections := map[string]any{}
	if len(u.Desired) > 0 {
		sections["desired"] = u.Desired
	}
	if len(u.Reported) > 0 {
		sections["reported"] = u.Reported
	}
	r.message(u.Shadow, fmt.Sprintf(`{"version":%d,"clientToken":%q,"state":%s,"metadata":{}}`, version, u.Token, asJSON(r.t, sections)))
}

func (r *rig) reportsNothing() {
	r.t.Helper()
	if len(r.updates) > 0 {
		r.t.Errorf("unexpected update: %+v", r.updates)
		r.updates = nil
	}
}

func (r *rig) fails(name string, outcome replica.Outcome) {
	r.t.Helper()
	u, _ := r.update(name)
	r.step(updateAnswered{Shadow: name, Seq: u.Seq, Outcome: outcome, Err: fmt.Errorf("outcome %d", outcome)})
}

// keysOf are the keys of a JSON object.
func keysOf(t *testing.T, text string) []string {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(members))
}

// reportedNow is what a shadow is known to report, answers included.
func (r *rig) reportedNow(name string) map[string]any {
	return r.shadows[name].replica.Reported()
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// settled brings the rig to a settled state: both shadows exist, nothing desired.
func settled(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, testConfig, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.step(shadowLive{"plant"})
	r.fetched("main", `{"version":3,"state":{"reported":{"lights":"off","locked":false}}}`)
	r.fetched("plant", `{"version":1,"state":{"reported":{"pump":false}}}`)
	r.reportsNothing()
	r.pass(time.Second)
	return r
}
