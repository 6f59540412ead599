package engine

import (
	"errors"
	"fmt"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

func TestLinesAreRequestedInTheirStartState(t *testing.T) {
	const text = `
lines:
  kept:     {line: A, direction: output, start: keep}
  on:       {line: B, direction: output, start: on}
  off:      {line: C, direction: output, start: "off"}
  restored: {line: D, direction: output}
  unknown:  {line: E, direction: output, start: restore}
  input:    {line: F, direction: input}
`
	r := newRig(t, text, state.State{Outputs: map[string]bool{"A": true, "C": true, "D": true}})
	r.lines["kept"] = true
	r.step(Start{})
	want := map[string]*bool{
		"kept": nil, "on": new(true), "off": new(false), "restored": new(true), "unknown": nil, "input": nil,
	}
	got := map[string]*bool{}
	for _, e := range r.asked {
		got[e.Label] = e.Values[0]
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("requested %s, want %s", asJSON(t, got), asJSON(t, want))
	}
	if len(r.sets) > 0 {
		t.Errorf("lines were set though nothing was desired: %v", r.sets)
	}
}

func TestStartReadsTheShadowBeforeItMovesALine(t *testing.T) {
	r := newRig(t, testConfig, state.State{})
	r.lines["door"] = true
	r.step(Start{})
	r.pass(time.Minute)
	if len(r.fetches) > 0 {
		t.Fatal("fetched before the subscription was live")
	}
	r.step(shadowLive{"main"})
	if len(r.sets) > 0 || len(r.updates) > 0 {
		t.Fatalf("sets %v, updates %v before the shadow was read", r.sets, r.updates)
	}
	r.fetched("main", `{"version":7,
		"state":{"desired":{"lights":"on"},"reported":{"lights":"off"}},
		"metadata":{"desired":{"lights":{"timestamp":100}},"reported":{"lights":{"timestamp":90}}}}`)
	if !r.lines["lamp"] {
		t.Error("the lamp is off, want on as desired")
	}
	r.reports("main", `{"ack":{"lights":{"code":200,"version":7}},"lights":"on","locked":true}`, 8)
	r.pass(time.Minute)
	r.reportsNothing()
}

func TestDesiredDrivesTheLineEvenWithoutADelta(t *testing.T) {
	// After a power cut the shadow says desired on, reported on; the lamp is off.
	r := newRig(t, testConfig, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":9,
		"state":{"desired":{"lights":"on"},"reported":{"lights":"on","locked":false,"ack":{"lights":{"code":200,"version":5}}}},
		"metadata":{"desired":{"lights":{"timestamp":100}},"reported":{"ack":{"lights":{"code":{"timestamp":101},"version":{"timestamp":101}}}}}}`)
	if !r.lines["lamp"] {
		t.Error("the lamp is off, want on as desired")
	}
	r.pass(time.Minute)
	r.reportsNothing() // everything there is to say is said already
}

func TestMissingShadowIsCreatedWithThePresentState(t *testing.T) {
	r := newRig(t, testConfig, state.State{})
	r.lines["door"] = true
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", "")
	r.reports("main", `{"lights":"off","locked":true}`, 1)
	r.pass(time.Minute)
	r.reportsNothing()
	if len(r.fetches) != 1 {
		t.Errorf("fetched %d times, want once", len(r.fetches))
	}
}

func TestCreationRaceLeadsToAFullRead(t *testing.T) {
	r := newRig(t, testConfig, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", "")
	r.reports("main", `{"lights":"off","locked":false}`, 2)
	if len(r.fetches) != 2 {
		t.Errorf("fetched %d times, want twice", len(r.fetches))
	}
}

func TestDeltaIsAppliedReadBackAndAnswered(t *testing.T) {
	r := settled(t)
	r.accepted("main", 4, `{"lights":"on"}`, `{"lights":{"timestamp":100}}`)
	if !r.lines["lamp"] {
		t.Error("the lamp is off, want on")
	}
	r.reports("main", `{"ack":{"lights":{"code":200,"version":4}},"lights":"on"}`, 5)
	r.accepted("main", 6, `{"lights":"off"}`, `{"lights":{"timestamp":100}}`)
	r.pass(time.Second)
	r.reports("main", `{"ack":{"lights":{"code":200,"version":6}},"lights":"off"}`, 7)
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		state  string
		code   int
		reason string
	}{
		{`{"lights":"blue"}`, 400, `want "off" or "on", got "blue"`},
		{`{"lights":true}`, 400, `want "off" or "on", got true`},
		{`{"lights":{"on":1}}`, 400, `want "off" or "on", got {"on":1}`},
		{`{"locked":true}`, 400, `line door is an input`},
		{`{"horn":true}`, 404, `no such property`},
	} {
		t.Run(c.state, func(t *testing.T) {
			r := settled(t)
			r.accepted("main", 4, c.state, `{}`)
			u, _ := r.update("main")
			acks := u.Reported["ack"].(map[string]any)
			if len(u.Reported) != 1 || len(acks) != 1 {
				t.Errorf("reported %v, want one ack and nothing else", u.Reported)
			}
			for _, ack := range acks {
				want := fmt.Sprintf(`{"code":%d,"reason":%s,"version":4}`, c.code, asJSON(t, c.reason))
				if got := asJSON(t, ack); got != want {
					t.Errorf("ack %s, want %s", got, want)
				}
			}
			if len(r.sets) > 0 {
				t.Errorf("lines were set: %v", r.sets)
			}
			r.accept(u, 5)

			// Nothing that is written beside it makes us answer again.
			for version := int64(6); version < 20; version++ {
				r.message("main", fmt.Sprintf(`{"version":%d,"state":{"reported":{"other":%d}},"metadata":{}}`, version, version))
				r.pass(time.Second)
			}
			r.reportsNothing()
		})
	}
}

func TestValueSentAgainIsAnsweredAgain(t *testing.T) {
	r := settled(t)
	r.accepted("main", 4, `{"lights":"blue"}`, `{"lights":{"timestamp":100}}`)
	r.reports("main", `{"ack":{"lights":{"code":400,"reason":"want \"off\" or \"on\", got \"blue\"","version":4}}}`, 5)
	r.pass(time.Second)
	r.accepted("main", 6, `{"lights":"blue"}`, `{"lights":{"timestamp":107}}`)
	r.reports("main", `{"ack":{"lights":{"code":400,"reason":"want \"off\" or \"on\", got \"blue\"","version":6}}}`, 7)
	r.pass(time.Second)
	// A good answer takes the reason of the bad one with it.
	r.accepted("main", 8, `{"lights":"on"}`, `{"lights":{"timestamp":109}}`)
	r.reports("main", `{"ack":{"lights":{"code":200,"reason":null,"version":8}},"lights":"on"}`, 9)
}

func TestAnswersOfAnEarlierRunStand(t *testing.T) {
	r := newRig(t, testConfig, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":30,
		"state":{
			"desired":{"lights":"blue","horn":1},
			"reported":{"lights":"off","locked":false,"ack":{
				"lights":{"code":400,"version":20,"reason":"want \"off\" or \"on\", got \"blue\""},
				"horn":{"code":404,"version":21,"reason":"no such property"},
				"gone":{"code":404,"version":2,"reason":"no such property"}}}},
		"metadata":{
			"desired":{"lights":{"timestamp":100},"horn":{"timestamp":300}},
			"reported":{"ack":{"lights":{"code":{"timestamp":101}},"horn":{"code":{"timestamp":200}}}}}}`)
	// lights was answered, horn was desired again after its answer, gone is gone.
	r.reports("main", `{"ack":{"gone":null,"horn":{"code":404,"reason":"no such property","version":30}}}`, 31)
}

// Metadata counts seconds: a value that was desired in the second of the last
// answer is taken for answered only if the shadow shows that it was obeyed, and no
// update came between or after in which the same was desired again.
func TestAnswersWithinOneSecond(t *testing.T) {
	const document = `{"version":%d,
		"state":{"desired":{"lights":%q},"reported":{"lights":"on","locked":false,"ack":{"lights":{"code":200,"version":5}}}},
		"metadata":{"desired":{"lights":{"timestamp":100}},"reported":{"ack":{"lights":{"code":{"timestamp":100}}}}}}`
	for _, c := range []struct {
		desired string
		version int64
		want    string
	}{
		{"on", 6, ""},
		{"on", 7, `{"ack":{"lights":{"code":200,"version":7}}}`},
		{"off", 6, `{"ack":{"lights":{"code":200,"version":6}},"lights":"off"}`},
	} {
		r := newRig(t, testConfig, state.State{})
		r.step(Start{})
		r.step(shadowLive{"main"})
		r.fetched("main", fmt.Sprintf(document, c.version, c.desired))
		if c.want == "" {
			r.reportsNothing()
			continue
		}
		r.reports("main", c.want, c.version+1)
	}
}

// A value that was answered, and may have been desired again in the same second
// while the link was lost, is answered again.
func TestSameValueDesiredAgainWhileTheLinkWasLost(t *testing.T) {
	const document = `{"version":%d,
		"state":{"desired":{"lights":"on"},"reported":{"lights":"on","locked":false,"ack":{"lights":{"code":200,"version":4}}}},
		"metadata":{"desired":{"lights":{"timestamp":100}},"reported":{"ack":{"lights":{"code":{"timestamp":100}}}}}}`
	for version, want := range map[int64]string{
		5: "",
		6: `{"ack":{"lights":{"code":200,"version":6}},"lights":"on"}`, // and what may not have reached the cloud
	} {
		r := settled(t)
		r.accepted("main", 4, `{"lights":"on"}`, `{"lights":{"timestamp":100}}`)
		r.reports("main", `{"ack":{"lights":{"code":200,"version":4}},"lights":"on"}`, 5)
		r.pass(time.Second)
		r.step(shadowLost{"main", errors.New("gone")})
		r.step(shadowLive{"main"})
		r.fetched("main", fmt.Sprintf(document, version))
		if want == "" {
			r.reportsNothing()
			continue
		}
		r.reports("main", want, version+1)
	}
}

func TestValueChangedWhileTheLinkWasLostIsAnswered(t *testing.T) {
	r := settled(t)
	r.accepted("main", 4, `{"lights":"on"}`, `{"lights":{"timestamp":100}}`)
	r.reports("main", `{"ack":{"lights":{"code":200,"version":4}},"lights":"on"}`, 5)
	r.step(shadowLost{"main", errors.New("connection lost")})
	r.step(shadowLive{"main"})
	r.pass(time.Second)
	r.fetched("main", `{"version":7,
		"state":{"desired":{"lights":"off"},"reported":{"lights":"off","locked":false,"ack":{"lights":{"code":200,"version":4}}}},
		"metadata":{"desired":{"lights":{"timestamp":100}},"reported":{"ack":{"lights":{"code":{"timestamp":100}}}}}}`)
	// Somebody wrote meanwhile, so what was reported before may not have reached the cloud.
	r.reports("main", `{"ack":{"lights":{"code":200,"version":7}},"lights":"off"}`, 8)
}

func TestAllAnswersGoneAreDeletedAsAWhole(t *testing.T) {
	r := newRig(t, testConfig, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":3,"state":{"reported":{"lights":"off","locked":false,"ack":{"horn":{"code":404,"version":1}}}}}`)
	r.reports("main", `{"ack":null}`, 4)
}

func TestFailedLineIsAnsweredRetriedAndRecovers(t *testing.T) {
	r := newRig(t, testConfig, state.State{})
	r.broken["lamp"] = errors.New(`request line GPIO17: busy, held by "other"`)
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":3,"state":{"desired":{"lights":"on"},"reported":{"lights":"off","locked":false}}}`)
	r.reports("main", `{"ack":{"lights":{"code":500,"reason":"request line GPIO17: busy, held by \"other\"","version":3}}}`, 4)
	r.pass(5 * time.Minute)
	r.reportsNothing()
	if n := len(r.asked); n < 8 || n > 25 {
		t.Errorf("lines were requested %d times in five minutes, want a pause that grows to half a minute", n)
	}
	delete(r.broken, "lamp")
	r.pass(time.Minute)
	if !r.lines["lamp"] {
		t.Error("the lamp is off, want on as desired")
	}
	r.reports("main", `{"ack":{"lights":{"code":200,"reason":null,"version":3}},"lights":"on"}`, 5)
}

func TestOutputThatDoesNotFollowIsReportedAsItIs(t *testing.T) {
	r := settled(t)
	r.stuck["lamp"] = true
	r.accepted("main", 4, `{"lights":"on"}`, `{}`)
	r.reports("main", `{"ack":{"lights":{"code":500,"reason":"reads off after it was set on","version":4}}}`, 5)
	tries := len(r.sets)
	for version := int64(6); version < 50; version++ {
		r.accepted("main", version, `{"lights":"on"}`, `{}`)
	}
	if len(r.sets) != tries {
		t.Errorf("the same desired value set the line %d times more; want the timer to do it", len(r.sets)-tries)
	}
	r.pass(200 * time.Millisecond)
	r.reports("main", `{"ack":{"lights":{"code":500,"reason":"reads off after it was set on","version":49}}}`, 50)
	r.stuck["lamp"] = false
	r.pass(time.Minute)
	r.reports("main", `{"ack":{"lights":{"code":200,"reason":null,"version":49}},"lights":"on"}`, 51)
}

func TestRefusalStandsWhenTheLineComesBack(t *testing.T) {
	r := settled(t)
	r.broken["lamp"] = errors.New("chip is gone")
	r.step(r.failed("lamp", r.broken["lamp"]))
	r.accepted("main", 4, `{"lights":"on"}`, `{}`)
	r.reports("main", `{"ack":{"lights":{"code":500,"reason":"chip is gone","version":4}}}`, 5)
	r.pass(time.Second)
	r.accepted("main", 6, `{"lights":"blue"}`, `{}`)
	r.reports("main", `{"ack":{"lights":{"code":400,"reason":"want \"off\" or \"on\", got \"blue\"","version":6}}}`, 7)
	delete(r.broken, "lamp")
	r.pass(time.Minute)
	r.reports("main", `{"lights":"on"}`, 8) // the last desired value that could be obeyed
	r.pass(time.Minute)
	r.reportsNothing()
}

func TestNewDesiredValueClearsTheFaultOfTheOldOne(t *testing.T) {
	r := settled(t)
	r.stuck["lamp"] = true
	r.accepted("main", 4, `{"lights":"on"}`, `{}`)
	r.reports("main", `{"ack":{"lights":{"code":500,"reason":"reads off after it was set on","version":4}}}`, 5)
	r.accepted("main", 6, `{"lights":"off"}`, `{}`)
	r.pass(time.Second)
	r.reports("main", `{"ack":{"lights":{"code":200,"reason":null,"version":6}}}`, 7)
}

func TestOldMessageIsIgnored(t *testing.T) {
	r := settled(t) // main was read as version 3
	r.accepted("main", 2, `{"lights":"on"}`, `{}`)
	if r.lines["lamp"] || len(r.fetches) != 2 {
		t.Errorf("lamp %v, fetches %d; want the message ignored", r.lines["lamp"], len(r.fetches))
	}
}

func TestVersionsOutOfOrderLeadToAFullRead(t *testing.T) {
	for _, version := range []int64{1, 4, 7} { // created anew, a repetition, a gap
		r := settled(t)
		r.accepted("main", 4, `{"lights":"on"}`, `{}`)
		r.reports("main", `{"ack":{"lights":{"code":200,"version":4}},"lights":"on"}`, 5)
		r.accepted("main", version, `{"lights":"off"}`, `{}`)
		if !r.lines["lamp"] {
			t.Errorf("version %d: a message of doubtful age moved the line", version)
		}
		r.fetched("main", `{"version":1,"state":{"desired":{"lights":"off"}}}`)
		if r.lines["lamp"] {
			t.Errorf("version %d: the lamp is on, want off as desired", version)
		}
		r.pass(time.Second)
		r.reports("main", `{"ack":{"lights":{"code":200,"version":1}},"lights":"off","locked":false}`, 2)
	}
}

func TestDesiredValueThatIsMetAlreadyIsAnswered(t *testing.T) {
	r := settled(t)
	r.accepted("main", 4, `{"lights":"off"}`, `{}`) // it is off, so there is no delta
	r.reports("main", `{"ack":{"lights":{"code":200,"version":4}}}`, 5)
}

func TestWithdrawnValueTakesItsAnswerWithIt(t *testing.T) {
	r := settled(t)
	r.accepted("main", 4, `{"lights":"on","horn":1}`, `{}`)
	r.reports("main", `{"ack":{"horn":{"code":404,"reason":"no such property","version":4},"lights":{"code":200,"version":4}},"lights":"on"}`, 5)
	r.pass(time.Second)
	r.accepted("main", 6, `{"horn":null}`, `{}`)
	r.reports("main", `{"ack":{"horn":null}}`, 7)
	r.pass(time.Second)
	r.message("main", `{"version":8,"state":{"desired":null},"metadata":{}}`)
	r.fetched("main", `{"version":8,"state":{"reported":{"lights":"on","locked":false,"ack":{"lights":{"code":200,"version":4}}}}}`)
	r.reports("main", `{"ack":null}`, 9)
	if !r.lines["lamp"] {
		t.Error("the lamp is off; a desired value that is withdrawn leaves the line as it is")
	}
}

func TestForeignReportIsCorrected(t *testing.T) {
	r := settled(t)
	r.message("main", `{"version":4,"state":{"reported":{"locked":true,"other":1}},"metadata":{}}`)
	r.fetched("main", `{"version":4,"state":{"reported":{"lights":"off","locked":true,"other":1}}}`)
	r.reports("main", `{"locked":false}`, 5)
	r.pass(time.Second)
	r.message("main", `{"version":6,"state":null,"metadata":{"timestamp":1}}`)
	r.fetched("main", `{"version":6,"state":{},"metadata":{}}`)
	r.reports("main", `{"lights":"off","locked":false}`, 7)
	r.pass(time.Minute)
	r.reportsNothing()
}

func TestDeletedShadowIsCreatedAgain(t *testing.T) {
	r := settled(t)
	r.step(shadowDeleted{"main"})
	r.accepted("main", 1, `{"lights":"on"}`, `{}`) // while nothing is known
	if r.lines["lamp"] {
		t.Error("a delta moved the line before the shadow was read")
	}
	r.pass(2 * time.Second)
	r.fetched("main", "")
	r.reports("main", `{"lights":"off","locked":false}`, 1)
	r.accepted("main", 2, `{"lights":"on"}`, `{}`)
	if !r.lines["lamp"] {
		t.Error("the lamp is off, want on: versions start again at 1")
	}
}

func TestBurstsAreCoalescedAndTheLastValueArrives(t *testing.T) {
	r := settled(t)
	updates := 0
	version := int64(4)
	for i := range 41 {
		r.edge("door", i%2 == 0)
		r.pass(25 * time.Millisecond)
		if len(r.updates) > 0 {
			u, _ := r.update("main")
			updates++
			r.accept(u, version)
			version++
		}
	}
	r.pass(time.Second)
	for len(r.updates) > 0 {
		u, _ := r.update("main")
		updates++
		r.accept(u, version)
		r.pass(time.Second)
	}
	if updates == 0 || updates > 7 {
		t.Errorf("%d updates for 41 edges in a second, want 1 to 7", updates)
	}
	if got := r.shadows["main"].replica.Held("locked"); got != true {
		t.Errorf("the shadow has locked=%v in the end, want true", got)
	}
}

func TestChangeDuringAnUpdateFollowsIt(t *testing.T) {
	r := settled(t)
	r.edge("door", true)
	u, _ := r.update("main")
	r.edge("door", false)
	r.pass(time.Second)
	r.reportsNothing() // one in flight
	r.accept(u, 4)
	r.reports("main", `{"locked":false}`, 5)
}

func TestOutcomesOfAnUpdate(t *testing.T) {
	for _, c := range []struct {
		name    string
		outcome replica.Outcome
		before  time.Duration // nothing happens for so long
		fetch   bool          // then the shadow is read, else the update is sent again
	}{
		{"throttled", Throttled, 900 * time.Millisecond, false},
		{"unknown", Unknown, 900 * time.Millisecond, true},
		{"not sent", NotSent, 900 * time.Millisecond, true},
		{"invalid", Invalid, 50 * time.Second, false},
		{"unauthorized", Unauthorized, 50 * time.Second, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := settled(t)
			fetches := len(r.fetches)
			r.edge("door", true)
			r.fails("main", c.outcome)
			r.pass(c.before)
			if len(r.updates) > 0 || len(r.fetches) > fetches {
				t.Fatalf("updates %v, fetches %v too soon", r.updates, r.fetches[fetches:])
			}
			r.pass(time.Minute)
			if c.fetch {
				// It was stored after all: nothing is to be sent.
				r.fetched("main", `{"version":4,"state":{"reported":{"lights":"off","locked":true}}}`)
				r.pass(time.Minute)
				r.reportsNothing()
				return
			}
			r.reports("main", `{"locked":true}`, 4)
		})
	}
}

// TestUpdateThatIsStoredAfterTheRead: no answer came, the document did not have it,
// and then it is carried out after all, over newer values.
func TestUpdateThatIsStoredAfterTheRead(t *testing.T) {
	r := settled(t)
	r.edge("door", true)
	late, _ := r.update("main")
	r.step(updateAnswered{Shadow: "main", Seq: late.Seq, Outcome: Unknown, Err: errors.New("no answer")})
	r.edge("door", false)
	r.pass(2 * time.Second)
	r.fetched("main", `{"version":3,"state":{"reported":{"lights":"off","locked":false}}}`)
	r.pass(time.Second)
	r.reportsNothing()
	r.message("main", fmt.Sprintf(`{"version":4,"clientToken":%q,"state":{"reported":{"locked":true}},"metadata":{}}`, late.Token))
	r.pass(time.Second)
	r.fetched("main", `{"version":4,"state":{"reported":{"lights":"off","locked":true}}}`)
	r.reports("main", `{"locked":false}`, 5)
	r.pass(time.Minute)
	r.reportsNothing()
}

// TestForeignReportBeforeTheReply: somebody writes over a report before its answer comes.
func TestForeignReportBeforeTheReply(t *testing.T) {
	r := settled(t)
	r.edge("door", true)
	u, _ := r.update("main")
	r.message("main", fmt.Sprintf(`{"version":4,"clientToken":%q,"state":{"reported":{"locked":true}},"metadata":{}}`, u.Token))
	r.message("main", `{"version":5,"state":{"reported":{"locked":false}},"metadata":{}}`)
	r.step(updateAnswered{Shadow: "main", Seq: u.Seq, Version: 4})
	r.pass(time.Second)
	r.fetched("main", `{"version":5,"state":{"reported":{"lights":"off","locked":false}}}`)
	r.reports("main", `{"locked":true}`, 6)
}

// TestUpdateThatIsStoredTwice, the second time over a newer one.
func TestUpdateThatIsStoredTwice(t *testing.T) {
	r := settled(t)
	r.edge("door", true)
	first, _ := r.update("main")
	r.accept(first, 4)
	r.edge("door", false)
	r.pass(time.Second)
	r.reports("main", `{"locked":false}`, 5)
	r.message("main", fmt.Sprintf(`{"version":6,"clientToken":%q,"state":{"reported":{"locked":true}},"metadata":{}}`, first.Token))
	r.pass(time.Second)
	r.fetched("main", `{"version":6,"state":{"reported":{"lights":"off","locked":true}}}`)
	r.reports("main", `{"locked":false}`, 7)
}

// TestUpdateThatIsStoredAndRefused: its message tells that it is stored, whatever the
// answer says, and whichever comes first.
func TestUpdateThatIsStoredAndRefused(t *testing.T) {
	for _, messageFirst := range []bool{true, false} {
		r := settled(t)
		r.edge("door", true)
		u, _ := r.update("main")
		message := fmt.Sprintf(`{"version":4,"clientToken":%q,"state":{"reported":{"locked":true}},"metadata":{}}`, u.Token)
		refused := updateAnswered{Shadow: "main", Seq: u.Seq, Outcome: Throttled, Err: errors.New("too many requests")}
		fetches := len(r.fetches)
		if messageFirst {
			r.message("main", message)
			r.step(refused)
		} else {
			r.step(refused)
			r.message("main", message)
		}
		r.edge("door", false) // as the shadow was before
		r.pass(3 * time.Second)
		if len(r.fetches) == fetches {
			t.Fatalf("message first: %v: the shadow was not read", messageFirst)
		}
		r.fetched("main", `{"version":4,"state":{"reported":{"lights":"off","locked":true}}}`)
		r.reports("main", `{"locked":false}`, 5)
	}
}

func TestTooLargeReportShedsWhatMattersLeast(t *testing.T) {
	r := settled(t)
	r.accepted("main", 4, `{"horn":1,"lights":"blue"}`, `{}`)
	r.edge("door", true)
	r.fails("main", TooLarge)
	for _, want := range []string{
		`{"ack":{"horn":{"code":404,"version":4},"lights":{"code":400,"version":4}},"locked":true}`,
		`{"ack":{"lights":{"code":400,"version":4}},"locked":true}`,
		`{"locked":true}`,
	} {
		r.pass(time.Second)
		u, got := r.update("main")
		if got != want {
			t.Errorf("reported %s, want %s", got, want)
		}
		r.step(updateAnswered{Shadow: "main", Seq: u.Seq, Outcome: TooLarge, Err: errors.New("too large")})
	}
	r.pass(50 * time.Second)
	r.reportsNothing() // it is not sent to be refused in a loop
	r.pass(time.Minute)
	r.reports("main", `{"locked":true}`, 5)
}

func TestLinkLostAndBack(t *testing.T) {
	r := settled(t)
	r.edge("door", true)
	late, _ := r.update("main") // under way when the link goes
	r.step(shadowLost{"main", errors.New("connection lost")})
	r.edge("door", false)
	r.edge("door", true)
	r.pass(time.Hour)
	r.reportsNothing()
	r.step(updateAnswered{Shadow: "main", Seq: late.Seq, Outcome: Unknown, Err: errors.New("connection lost")})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":11,"state":{"desired":{"lights":"on"},"reported":{"lights":"off","locked":false}}}`)
	if !r.lines["lamp"] {
		t.Error("the lamp is off; want what was desired while the link was away")
	}
	r.reports("main", `{"ack":{"lights":{"code":200,"version":11}},"lights":"on","locked":true}`, 12)
}

func TestFetchFailures(t *testing.T) {
	for _, c := range []struct {
		outcome  replica.Outcome
		min, max int // fetches in ten minutes
	}{
		{Unknown, 15, 40},
		{Throttled, 350, 600},
		{Unauthorized, 6, 10},
	} {
		r := newRig(t, testConfig, state.State{})
		r.step(Start{})
		r.step(shadowLive{"main"})
		for end := r.now.Add(10 * time.Minute); r.now.Before(end); r.pass(100 * time.Millisecond) {
			if f := r.lastFetch("main"); r.reading("main") {
				r.step(documentFetched{Shadow: "main", Seq: f.Seq, Outcome: c.outcome, Err: errors.New("no")})
			}
		}
		if n := len(r.fetches); n < c.min || n > c.max {
			t.Errorf("outcome %d: %d fetches in ten minutes, want %d to %d", c.outcome, n, c.min, c.max)
		}
	}
}

func TestBudgetHoldsOverAllShadowsOfAThing(t *testing.T) {
	var text strings.Builder
	text.WriteString("lines: {door: {line: A, direction: input}}\nshadows:\n")
	const shadows = 40
	for i := range shadows {
		text.WriteString(fmt.Sprintf("  s%d: {name: s%d, properties: {door: {line: door}}}\n", i, i))
	}
	r := newRig(t, text.String(), state.State{})
	r.step(Start{})
	for i := range shadows {
		r.step(shadowLive{fmt.Sprintf("s%d", i)})
	}
	done := 0
	for step := 0; step < 20_000 && done < 3*shadows; step++ {
		for fetches := r.fetches; len(fetches) > 0; fetches = r.fetches {
			r.fetches = fetches[1:]
			f := fetches[0]
			doc, err := shadow.ParseDocument([]byte(`{"version":1,"state":{"reported":{"door":true}}}`))
			if err != nil {
				t.Fatal(err)
			}
			r.step(documentFetched{Shadow: f.Shadow, Seq: f.Seq, Document: doc})
		}
		for updates := r.updates; len(updates) > 0; updates = r.updates {
			r.updates = updates[1:]
			done++
			r.step(updateAnswered{Shadow: updates[0].Shadow, Seq: updates[0].Seq, Version: 2})
		}
		if step%97 == 0 {
			r.edge("door", step%2 == 0)
		}
		r.pass(10 * time.Millisecond)
	}
	if done < 3*shadows {
		t.Fatalf("only %d updates went out", done)
	}
	times := r.requests
	for i := perThing; i < len(times); i++ {
		if d := times[i].Sub(times[i-perThing]); d < time.Second {
			t.Fatalf("%d requests within %v, want at most %d a second", perThing+1, d, perThing)
		}
	}
}

func TestOutputsAreSavedOncePerSecondAtMost(t *testing.T) {
	r := settled(t)
	r.saves = nil
	for i := range 50 { // versions 4 to 53
		r.accepted("main", int64(4+i), fmt.Sprintf(`{"lights":%q}`, []string{"on", "off"}[i%2]), `{}`)
		r.pass(20 * time.Millisecond)
	}
	r.accepted("main", 54, `{"lights":"on"}`, `{}`)
	r.pass(time.Second)
	if n := len(r.saves); n == 0 || n > 3 {
		t.Fatalf("saved %d times in two seconds, want 1 to 3", n)
	}
	if last := r.saves[len(r.saves)-1].State.Outputs; !last["GPIO17"] || last["GPIO18"] {
		t.Errorf("saved %v, want lamp on, pump off", last)
	}
}

func TestStopSetsAndReportsTheStopState(t *testing.T) {
	r := settled(t)
	r.accepted("plant", 2, `{"pump":true}`, `{}`)
	r.accepted("main", 4, `{"lights":"on"}`, `{}`)
	r.reports("plant", `{"ack":{"pump":{"code":200,"version":2}},"pump":true}`, 3)
	r.reports("main", `{"ack":{"lights":{"code":200,"version":4}},"lights":"on"}`, 5)
	r.pass(time.Second)
	r.step(Stop{})
	if r.lines["pump"] || !r.lines["lamp"] {
		t.Errorf("pump %v, lamp %v; want the pump off and the lamp as it was", r.lines["pump"], r.lines["lamp"])
	}
	if r.Idle() {
		t.Error("idle before the last report")
	}
	r.reports("plant", `{"pump":false}`, 4)
	if !r.Idle() {
		t.Error("not idle after the last report")
	}
	if last := r.saves[len(r.saves)-1].State.Outputs; !last["GPIO18"] {
		t.Error("the stop state was saved; a restart restores what was before")
	}
}

// A disk that fails must not keep a component that is to end from ending.
func TestStopWithAFailingDisk(t *testing.T) {
	r := settled(t)
	r.noDisk = errors.New("no space left")
	r.accepted("main", 4, `{"lights":"on"}`, `{}`)
	before := len(r.saves)
	r.step(Stop{})
	r.reports("main", `{"ack":{"lights":{"code":200,"version":4}},"lights":"on"}`, 5)
	if !r.Idle() {
		t.Error("not idle after the last report")
	}
	if n := len(r.saves) - before; n == 0 || n > 3 {
		t.Errorf("%d attempts to save, want some and few", n)
	}
}

func TestChipThatDisappearsAndComesBack(t *testing.T) {
	r := settled(t)
	r.accepted("main", 4, `{"lights":"on"}`, `{}`)
	r.reports("main", `{"ack":{"lights":{"code":200,"version":4}},"lights":"on"}`, 5)
	r.broken["lamp"] = errors.New("chip is gone")
	r.lines["lamp"] = false
	r.step(r.failed("lamp", r.broken["lamp"]))
	r.pass(time.Second)
	r.reports("main", `{"ack":{"lights":{"code":500,"reason":"chip is gone","version":4}}}`, 6)
	delete(r.broken, "lamp")
	r.pass(time.Minute)
	if !r.lines["lamp"] {
		t.Error("the lamp is off after its chip came back, want on as desired")
	}
	r.reports("main", `{"ack":{"lights":{"code":200,"reason":null,"version":4}}}`, 7)
}

// TestBusyShadowsDoNotStarveOthers: with more to report than the budget allows, each
// shadow has its turn.
func TestBusyShadowsDoNotStarveOthers(t *testing.T) {
	const things = 60
	var lines, shadows strings.Builder
	for i := range things {
		fmt.Fprintf(&lines, "  l%02d: {line: L%d, direction: input}\n", i, i)
		fmt.Fprintf(&shadows, "  s%02d: {thing: t%d, properties: {v: {line: l%02d}}}\n", i, i, i)
	}
	r := newRig(t, "lines:\n"+lines.String()+"shadows:\n"+shadows.String(), state.State{})
	r.step(Start{})
	for i := range things {
		r.step(shadowLive{fmt.Sprintf("s%02d", i)})
	}
	sent := map[string]int{}
	for step := range 1000 {
		for fetches := r.fetches; len(fetches) > 0; fetches = r.fetches {
			r.fetches = fetches[1:]
			r.step(documentFetched{Shadow: fetches[0].Shadow, Seq: fetches[0].Seq, Outcome: Missing})
		}
		for updates := r.updates; len(updates) > 0; updates = r.updates {
			r.updates = updates[1:]
			sent[updates[0].Shadow]++
			r.step(updateAnswered{Shadow: updates[0].Shadow, Seq: updates[0].Seq, Version: int64(sent[updates[0].Shadow])})
		}
		for i := range things {
			r.edge(fmt.Sprintf("l%02d", i), step%2 == 0)
		}
		r.pass(10 * time.Millisecond)
	}
	least, most := 1<<30, 0
	for i := range things {
		n := sent[fmt.Sprintf("s%02d", i)]
		least, most = min(least, n), max(most, n)
	}
	if least < 15 || most > 2*least {
		t.Errorf("in 10 s the shadows were updated between %d and %d times", least, most)
	}
}
