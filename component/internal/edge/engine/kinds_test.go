package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// kindsConfig has one property of each kind, and one of each override.
const kindsConfig = `
lines:
  gate:    {line: G1, direction: output}
  horn:    {line: G2, direction: output}
  heater:  {line: G3, direction: output, minOn: 500ms}
  red:     {line: G4, chip: gpiochip0, direction: output}
  green:   {line: G5, chip: gpiochip0, direction: output}
  lamp:    {line: G6, direction: output}
  hall:    {line: G7, direction: output}
  attic:   {line: G8, direction: output}
  fan:     {line: G9, direction: output, maxOn: 10s}
  pump:    {line: G10, direction: output, minOff: 5s}
  up:      {line: G11, direction: output}
  down:    {line: G12, direction: output}
  button:  {line: B1, direction: input}
  hallway: {line: B2, direction: input}
  ladder:  {line: B3, direction: input}
  chime:   {line: B4, direction: input}
  meter:   {line: M1, direction: input}
interlocks:
  lift: {lines: [up, down], deadTime: 500ms}
controls:
  lamp:  {input: button, output: lamp, action: toggle}
  hall:  {input: hallway, output: hall, action: toggle}
  attic: {input: ladder, output: attic, action: toggle}
  gate:  {input: chime, output: gate, action: set}
shadows:
  main:
    properties:
      gate:    {line: gate, pulse: 2s}
      horn:    {line: horn, blink: {on: 1s, off: 2s}}
      heater:  {line: heater, pwm: {period: 10s}}
      signal:  {patterns: {stop: {red: on, green: off}, go: {red: off, green: on}}}
      lamp:    {line: lamp}
      hall:    {line: hall, override: cloudWins}
      attic:   {line: attic, override: holdsUntilNextDesired}
      fan:     {line: fan}
      pump:    {line: pump}
      up:      {line: up}
      down:    {line: down}
      turns:   {line: meter, count: rising}
      speed:   {line: meter, rate: rising, timeout: 168h}
      pause:   {line: meter, period: rising, timeout: 168h}
      turned:  {line: meter, changed: rising}
`

// kinds is a rig whose shadow was read as empty, with its first report accepted as
// version 2. Its saves are answered by the test where hold is set.
func allKinds(t *testing.T, saved state.State) *rig {
	t.Helper()
	r := newRig(t, kindsConfig, saved)
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":1,"state":{}}`)
	u, _ := r.update("main")
	r.accept(u, 2)
	r.pass(10 * time.Second)
	r.reportsNothing()
	return r
}

// desired delivers version v with one value that was desired now.
func (r *rig) desired(v int64, state string) {
	r.t.Helper()
	a := fmt.Sprintf(`{"version":%d,"state":{"desired":%s},"metadata":{"desired":%s}}`, v, state, r.metadata(state))
	r.message("main", a)
}

// metadata dates every key of a section now.
func (r *rig) metadata(section string) string {
	times := map[string]map[string]int64{}
	for _, key := range keysOf(r.t, section) {
		times[key] = map[string]int64{"timestamp": r.now.Unix()}
	}
	return asJSON(r.t, times)
}

// writes counts how often an output was set on.
func (r *rig) writes(claim string) (n int) {
	for _, w := range r.sets {
		if w.Claim == claim && w.Values[0] {
			n++
		}
	}
	return n
}

// wrote takes the update under way and checks both of its sections.
func (r *rig) wrote(desired, reported string, version int64) sentUpdate {
	r.t.Helper()
	u, got := r.update("main")
	if got != reported {
		r.t.Errorf("reported\n got %s\nwant %s", got, reported)
	}
	if got := asJSON(r.t, u.Desired); got != desired {
		r.t.Errorf("desired\n got %s\nwant %s", got, desired)
	}
	if len(u.Desired) > 0 && u.Version != version {
		r.t.Errorf("for version %d, want %d: what somebody desired meanwhile must not be overwritten", u.Version, version)
	}
	return u
}

func TestPulseIsAnsweredAndCleared(t *testing.T) {
	r := allKinds(t, state.State{})
	r.desired(3, `{"gate":true}`)
	if n := r.writes("gate"); n != 1 {
		t.Fatalf("%d pulses, want 1", n)
	}
	if saved := r.saves[len(r.saves)-1].State.Properties["gw//gate#pulse"].Command; saved == nil || saved.Version != 3 {
		t.Errorf("saved %+v before the pulse, want the command of version 3", saved)
	}
	r.accept(r.wrote("{}", `{"ack":{"gate":{"code":202,"reason":"pulse","version":3}},"gate":true}`, 0), 4)
	r.pass(3 * time.Second)
	if r.lines["gate"] {
		t.Error("the gate is on after its pulse")
	}
	// The desired section must not become empty: see package replica.
	r.accept(r.wrote(`{"gate":null,"sync":{"kept":true}}`, `{"ack":{"gate":{"code":200,"reason":null,"version":3}},"gate":false,"sync":{"kept":true}}`, 4), 5)
	r.pass(time.Minute)
	r.reportsNothing()
	if n := r.writes("gate"); n != 1 {
		t.Errorf("%d pulses, want 1", n)
	}
}

// counted is a memory of a count, commanded one of a pulse.
func counted(n int64) state.State {
	return state.State{Properties: map[string]state.Property{"gw//turns#count": {Read: true, Count: &n}}}
}

func commanded(c *state.Command) state.State {
	return state.State{Properties: map[string]state.Property{"gw//gate#pulse": {Read: true, Command: c}}}
}

// TestSavedCommandAndCountAreOne since a kill between them would lose the count.
func TestSavedCommandAndCountAreOne(t *testing.T) {
	r := allKinds(t, counted(7))
	r.desired(3, `{"turns":100}`)
	for _, s := range r.saves {
		if saved := s.State.Properties["gw//turns#count"]; saved.Command != nil && *saved.Count != 100 {
			t.Errorf("saved %+v, want a count of 100", s.State)
		}
	}
}

// TestPulseIsCarriedOutOnce kills the process at each moment of a pulse: what the
// next run finds on the disk and in the shadow decides.
func TestPulseIsCarriedOutOnce(t *testing.T) {
	const at = 1_700_000_000
	command := func(done bool, failure string) *state.Command {
		return &state.Command{Value: true, At: at, Version: 3, Done: done, Failure: failure}
	}
	for _, c := range []struct {
		name    string
		command *state.Command
		desired string
		pulses  int
		ack     string
	}{
		{"before it was saved", nil, `true`, 1, `"code":202,"reason":"pulse","version":9`},
		{"saved, and not known to be over", command(false, ""), `true`, 0, `"code":500,"reason":"the pulse was interrupted by a restart","version":9`},
		{"over, and not cleared", command(true, ""), `true`, 0, `"code":200,"version":9`},
		{"cut short, and not cleared", command(true, "cut"), `true`, 0, `"code":500,"reason":"cut","version":9`},
		{"cleared, and desired anew", &state.Command{Value: true, At: at, Version: 3, Done: true, Cleared: true}, `true`, 1, `"code":202,"reason":"pulse","version":9`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, kindsConfig, commanded(c.command))
			r.step(Start{})
			r.step(shadowLive{"main"})
			r.fetched("main", fmt.Sprintf(`{"version":9,"state":{"desired":{"gate":%s}},"metadata":{"desired":{"gate":{"timestamp":%d}}}}`, c.desired, at))
			if n := r.writes("gate"); n != c.pulses {
				t.Errorf("%d pulses, want %d", n, c.pulses)
			}
			u, _ := r.update("main")
			if u.Reported["ack"] == nil {
				r.accept(u, 10) // what could be said before the save
				r.pass(time.Second)
				u, _ = r.update("main")
			}
			if got := asJSON(t, u.Reported["ack"]); got != `{"gate":{`+c.ack+`}}` {
				t.Errorf("answer %s, want %s", got, c.ack)
			}
			if _, cleared := u.Desired["gate"]; cleared != (c.pulses == 0) {
				t.Errorf("desired %v: cleared %v, want %v", u.Desired, cleared, c.pulses == 0)
			}
		})
	}
}

// TestPulseWaitsForTheDisk holds back the save and lets something else be desired.
func TestPulseWaitsForTheDisk(t *testing.T) {
	for _, c := range []struct {
		name   string
		then   string
		pulses int
	}{
		{"nothing else", ``, 1},
		{"withdrawn", `{"gate":null}`, 0},
		{"ended", `{"gate":false}`, 0},
		{"desired again", `{"gate":true}`, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := allKinds(t, state.State{})
			r.hold = true
			r.desired(3, `{"gate":true}`)
			if r.writes("gate") > 0 {
				t.Fatal("a pulse that is not remembered yet")
			}
			if c.then != "" {
				r.desired(4, c.then)
			}
			r.hold = false
			r.step(Saved{Seq: r.saves[len(r.saves)-1].Seq})
			if n := r.writes("gate"); n != c.pulses {
				t.Errorf("%d pulses, want %d", n, c.pulses)
			}
			if c.then == `{"gate":null}` {
				r.reportsNothing() // no answer to what is no longer desired
			}
		})
	}
}

func TestPulseAndTheFailingDisk(t *testing.T) {
	r := allKinds(t, state.State{})
	r.noDisk = errors.New("no space left")
	r.desired(3, `{"gate":true}`)
	r.accept(r.wrote("{}", `{"ack":{"gate":{"code":500,"reason":"not remembered yet: no space left","version":3}}}`, 0), 4)
	r.pass(time.Minute)
	if r.writes("gate") > 0 {
		t.Fatal("a pulse that could be carried out twice")
	}
	r.reportsNothing()
	r.noDisk = nil
	r.pass(time.Minute)
	if n := r.writes("gate"); n != 1 {
		t.Errorf("%d pulses when the disk is well, want 1", n)
	}
}

// TestSameCommandAgain desires the same value in the same second as a message.
func TestSameCommandAgain(t *testing.T) {
	r := allKinds(t, state.State{})
	r.desired(3, `{"gate":true}`)
	r.accept(r.wrote("{}", `{"ack":{"gate":{"code":202,"reason":"pulse","version":3}},"gate":true}`, 0), 4)
	r.desired(5, `{"gate":true}`)
	r.pass(1500 * time.Millisecond)
	r.accept(r.wrote("{}", `{"ack":{"gate":{"code":202,"reason":"pulse","version":5}}}`, 0), 6)
	if !r.lines["gate"] {
		t.Error("the pulse was not begun anew")
	}
	r.pass(time.Second)
	r.wrote(`{"gate":null,"sync":{"kept":true}}`, `{"ack":{"gate":{"code":200,"reason":null,"version":5}},"gate":false,"sync":{"kept":true}}`, 6)
}

// TestCommandDuringTheClearOfTheOneBefore has the reply of a clear come after the
// next command: it must neither clear nor repeat that one.
func TestCommandDuringTheClearOfTheOneBefore(t *testing.T) {
	r := allKinds(t, state.State{})
	r.desired(3, `{"gate":true}`)
	r.accept(r.wrote("{}", `{"ack":{"gate":{"code":202,"reason":"pulse","version":3}},"gate":true}`, 0), 4)
	r.pass(3 * time.Second)
	u := r.wrote(`{"gate":null,"sync":{"kept":true}}`, `{"ack":{"gate":{"code":200,"reason":null,"version":3}},"gate":false,"sync":{"kept":true}}`, 4)
	r.message("main", fmt.Sprintf(`{"version":5,"clientToken":%q,"state":{"desired":{"gate":null,"sync":{"kept":true}}},"metadata":{}}`, u.Token))
	r.desired(6, `{"gate":true}`)
	r.step(updateAnswered{Shadow: "main", Seq: u.Seq, Version: 5})
	r.pass(time.Second)
	r.accept(r.wrote("{}", `{"ack":{"gate":{"code":202,"reason":"pulse","version":6}},"gate":true}`, 0), 7)
	r.pass(5 * time.Second)
	r.accept(r.wrote(`{"gate":null}`, `{"ack":{"gate":{"code":200,"reason":null,"version":6}},"gate":false}`, 7), 8)
	if n := r.writes("gate"); n != 2 {
		t.Errorf("%d pulses, want 2", n)
	}
}

// TestClearThatIsRefused keeps the answer when the clear has to be sent again.
func TestClearThatIsRefused(t *testing.T) {
	r := allKinds(t, state.State{})
	r.desired(3, `{"gate":true}`)
	at := r.now.Unix()
	r.accept(r.wrote("{}", `{"ack":{"gate":{"code":202,"reason":"pulse","version":3}},"gate":true}`, 0), 4)
	r.desired(5, `{"gate":false}`)
	_ = at
	r.pass(time.Second)
	r.accept(r.wrote("{}", `{"ack":{"gate":{"code":200,"reason":null,"version":5}},"gate":false}`, 0), 6)
	r.desired(7, `{"gate":true}`)
	at = r.now.Unix()
	r.pass(500 * time.Millisecond)
	r.accept(r.wrote("{}", `{"ack":{"gate":{"code":202,"reason":"pulse","version":7}},"gate":true}`, 0), 8)
	r.pass(2 * time.Second)
	r.fails("main", Conflict)
	r.fetched("main", fmt.Sprintf(`{"version":9,"state":{"desired":{"gate":true},"reported":{"gate":true,"ack":{"gate":{"code":202,"reason":"pulse","version":7}}}},
		"metadata":{"desired":{"gate":{"timestamp":%d}}}}`, at))
	r.pass(time.Second)
	u, _ := r.update("main")
	if got := asJSON(t, u.Desired) + asJSON(t, u.Reported["ack"].(map[string]any)["gate"]); got != `{"gate":null,"sync":{"kept":true}}{"code":200,"reason":null,"version":7}` || u.Version != 9 {
		t.Errorf("got %s for version %d, want the same answer and clear for version 9", got, u.Version)
	}
	if n := r.writes("gate"); n != 2 {
		t.Errorf("%d pulses, want 2", n)
	}
}

func TestCountIsSetOnceWhileEdgesGoOn(t *testing.T) {
	r := allKinds(t, counted(7))
	turn := func() { r.edge("meter", true); r.edge("meter", false); r.pass(time.Second) }
	turn()
	u, _ := r.update("main")
	if got := asJSON(t, u.Reported["turns"]); got != "8" {
		t.Errorf("count %s, want 8: 7 of an earlier run and one more", got)
	}
	r.accept(u, 3)
	r.desired(4, `{"turns":100}`)
	r.pass(time.Second)
	u = r.wrote(`{"sync":{"kept":true},"turns":null}`, `{"ack":{"turns":{"code":200,"version":4}},"sync":{"kept":true},"turns":100}`, 4)
	turn()
	r.step(updateAnswered{Shadow: "main", Seq: u.Seq, Outcome: Unknown, Err: errors.New("reply lost")})
	r.pass(2 * time.Second)
	r.fetched("main", fmt.Sprintf(`{"version":4,"state":{"desired":{"turns":100}},"metadata":{"desired":{"turns":{"timestamp":%d}}}}`, r.now.Unix()-3))
	turn()
	u, _ = r.update("main")
	if got := asJSON(t, u.Reported["turns"]); got != "101" && got != "102" {
		t.Errorf("count %s after two edges since it was set to 100, and a lost reply", got)
	}
	if last := r.saves[len(r.saves)-1].State; last.Properties["gw//turns#count"].Command.Version != 4 || *last.Properties["gw//turns#count"].Count < 100 {
		t.Errorf("saved %+v, want the command and what it set together", last)
	}
}

func TestValuesOfEachKind(t *testing.T) {
	for _, c := range []struct {
		desired, reported string
	}{
		{`{"horn":true}`, `{"ack":{"horn":{"code":200,"version":3}},"horn":true}`},
		{`{"horn":"true"}`, `{"ack":{"horn":{"code":400,"reason":"want true or false, got \"true\"","version":3}}}`},
		{`{"heater":30}`, `{"ack":{"heater":{"code":200,"version":3}},"heater":30}`},
		{`{"heater":30.0}`, `{"ack":{"heater":{"code":200,"version":3}},"heater":30.0}`},
		{`{"heater":100}`, `{"ack":{"heater":{"code":200,"version":3}},"heater":100}`},
		{`{"heater":"30"}`, `{"ack":{"heater":{"code":400,"reason":"want a number from 0 to 100, got \"30\"","version":3}}}`},
		{`{"heater":101}`, `{"ack":{"heater":{"code":400,"reason":"want a number from 0 to 100, got 101","version":3}}}`},
		{`{"heater":1}`, `{"ack":{"heater":{"code":400,"reason":"1 % of 10s is on for 100ms, want at least 500ms","version":3}}}`},
		{`{"signal":"go"}`, `{"ack":{"signal":{"code":200,"version":3}},"signal":"go"}`},
		{`{"signal":"away"}`, `{"ack":{"signal":{"code":400,"reason":"want one of \"go\", \"stop\", got \"away\"","version":3}}}`},
		{`{"gate":"yes"}`, `{"ack":{"gate":{"code":400,"reason":"want true or false, got \"yes\"","version":3}}}`},
		{`{"turns":-1}`, `{"ack":{"turns":{"code":400,"reason":"want a number from 0 to 9007199254740992, got -1","version":3}}}`},
		{`{"speed":1}`, `{"ack":{"speed":{"code":400,"reason":"line meter is an input","version":3}}}`},
		{`{"turned":1}`, `{"ack":{"turned":{"code":400,"reason":"line meter is an input","version":3}}}`},
		{`{"ack":1}`, `{"ack":{"ack":{"code":404,"reason":"no such property","version":3}}}`},
		{`{"up":true,"down":true}`, `{"ack":{"down":{"code":200,"version":3},"up":{"code":409,"reason":"down is on, which interlock lift does not allow beside up","value":true,"version":3}},"down":true}`},
	} {
		r := allKinds(t, state.State{})
		r.desired(3, c.desired)
		if _, got := r.update("main"); got != c.reported {
			t.Errorf("%s\n got %s\nwant %s", c.desired, got, c.reported)
		}
		r.pass(time.Minute)
	}
}

func TestPatternShowsWhatNoWordStandsFor(t *testing.T) {
	r := allKinds(t, state.State{})
	r.desired(3, `{"signal":"stop"}`)
	r.reports("main", `{"ack":{"signal":{"code":200,"version":3}},"signal":"stop"}`, 4)
	r.stuck["red"] = true
	r.desired(5, `{"signal":"go"}`)
	r.pass(time.Second)
	u, _ := r.update("main")
	if got, shown := u.Reported["signal"]; !shown || got != nil {
		t.Errorf("reported %v, want the word deleted while both are on", u.Reported)
	}
}

func TestMinimumTimeIsAnsweredInProgress(t *testing.T) {
	r := allKinds(t, state.State{})
	r.desired(3, `{"pump":true}`)
	r.reports("main", `{"ack":{"pump":{"code":200,"version":3}},"pump":true}`, 4)
	r.desired(5, `{"pump":false}`)
	r.pass(time.Second)
	r.reports("main", `{"ack":{"pump":{"code":200,"version":5}},"pump":false}`, 6)
	r.desired(7, `{"pump":true}`)
	r.reports("main", `{"ack":{"pump":{"code":202,"reason":"pump is off for at least 5s (minOff)","version":7}}}`, 8)
	r.pass(10 * time.Second)
	r.reports("main", `{"ack":{"pump":{"code":200,"reason":null,"version":7}},"pump":true}`, 9)
	r.pass(time.Minute)
	r.reportsNothing()
}

// TestInterlockRefusalStands until the value is desired anew, though the way is
// free, the shadow is read again or the component is started again.
func TestInterlockRefusalStands(t *testing.T) {
	r := allKinds(t, state.State{})
	r.desired(3, `{"up":true}`)
	r.reports("main", `{"ack":{"up":{"code":200,"version":3}},"up":true}`, 4)
	r.pass(time.Second)
	r.desired(5, `{"down":true}`)
	at := r.now.Unix()
	const refused = `{"code":409,"reason":"up is on, which interlock lift does not allow beside down","value":true,"version":5}`
	r.reports("main", `{"ack":{"down":`+refused+`}}`, 6)
	r.pass(time.Second)
	r.desired(7, `{"up":false}`)
	r.pass(time.Minute)
	r.reports("main", `{"ack":{"up":{"code":200,"version":7}},"up":false}`, 8)
	document := fmt.Sprintf(`{"version":8,"state":{"desired":{"up":false,"down":true},"reported":{"up":false,"down":false,"ack":{"down":%s,"up":{"code":200,"version":7}}}},
		"metadata":{"desired":{"up":{"timestamp":%d},"down":{"timestamp":%d}},"reported":{"ack":{"down":{"code":{"timestamp":%d}},"up":{"code":{"timestamp":%d}}}}}}`, refused, at+1, at, at+1, at+2)
	r.step(shadowLive{"main"})
	r.fetched("main", document)
	r.pass(time.Minute)
	if r.lines["down"] {
		t.Error("it goes down by itself after the shadow was read again")
	}
	again := newRig(t, kindsConfig, r.saves[len(r.saves)-1].State)
	again.step(Start{})
	again.step(shadowLive{"main"})
	again.fetched("main", document)
	again.pass(time.Minute)
	if again.lines["down"] {
		t.Error("it goes down by itself after a restart")
	}
	u, _ := again.update("main")
	if u.Reported["ack"] != nil {
		t.Errorf("answered anew: %v", u.Reported)
	}
	again.accept(u, 9)
	again.desired(10, `{"down":true}`)
	if !again.lines["down"] {
		t.Error("it stays though it was desired anew")
	}
}

// TestRefusalOfAnotherValueOfTheSameSecond does not stand: times of a shadow are
// whole seconds, the refused value and the line tell which value it was.
func TestRefusalOfAnotherValueOfTheSameSecond(t *testing.T) {
	const document = `{"version":8,"state":{"desired":{"down":%[1]s},"reported":{"down":false,"ack":{"down":{"code":409,"reason":"up is on","value":%[2]s,"version":5}}}},
		"metadata":{"desired":{"down":{"timestamp":70}},"reported":{"ack":{"down":{"code":{"timestamp":70}}}}}}`
	for _, c := range []struct {
		desired, refused string
		on               bool // the line, before the restart
		code             shadow.Code
		down             bool
	}{
		{"true", "true", false, shadow.Conflict, false},
		{"true", "true", true, shadow.Done, true},
		{"false", "true", false, shadow.Done, false},
		{"true", "false", false, shadow.Done, true},
	} {
		r := newRig(t, kindsConfig, state.State{Outputs: map[string]bool{"G12": c.on}})
		r.step(Start{})
		r.step(shadowLive{"main"})
		r.fetched("main", fmt.Sprintf(document, c.desired, c.refused))
		r.pass(time.Second)
		if got := r.shadows["main"].ack("down").Code; got != c.code || r.lines["down"] != c.down {
			t.Errorf("%+v: %+v answered %d, the line is %v", c, r.shadows["main"].ack("down"), got, r.lines["down"])
		}
	}
}

// TestAnswersOfADeletedDocument are not given in the one that follows it, not even
// while the component stops and carries nothing out any more.
func TestAnswersOfADeletedDocument(t *testing.T) {
	r := allKinds(t, state.State{})
	r.desired(3, `{"lamp":true}`)
	r.pass(time.Second)
	r.step(shadowLost{"main", errors.New("cut")})
	r.step(Stop{})
	r.step(shadowLive{"main"})
	r.updates = nil
	r.fetched("main", `{"version":4,"state":{"desired":{"lamp":false}},"metadata":{"desired":{"lamp":{"timestamp":90}}}}`)
	if _, got := r.update("main"); !strings.Contains(got, `"lamp":true`) || strings.Contains(got, "ack") {
		t.Errorf("reported %s, want the lamp on and no answer", got)
	}
}

func TestRateOfEdges(t *testing.T) {
	r := allKinds(t, state.State{})
	want := func(at string, speed, pause any) {
		t.Helper()
		if got := r.shadows["main"].replica.Wanted("speed"); got != speed {
			t.Errorf("%s: rate %v, want %v", at, got, speed)
		}
		if got := r.shadows["main"].replica.Wanted("pause"); got != pause {
			t.Errorf("%s: period %v, want %v", at, got, pause)
		}
	}
	turn := func() { r.edge("meter", true); r.edge("meter", false) }
	r.configure(strings.ReplaceAll(kindsConfig, "timeout: 168h", "timeout: 10s"))
	want("at first", nil, nil)
	turn()
	want("after one edge", nil, nil)
	for range 3 {
		r.pass(500 * time.Millisecond)
		turn()
	}
	r.pass(600 * time.Millisecond)
	want("with an edge each half second", 2.0, 0.5)
	r.pass(4500 * time.Millisecond)
	if got := r.shadows["main"].replica.Wanted("speed").(float64); got <= 0.15 || got >= 0.3 {
		t.Errorf("rate %v after 5 s of silence, want about 0.2", got)
	}
	r.pass(10 * time.Second)
	want("after the time-out", 0.0, 0.0)
	turn()
	want("after the first edge since", 0.0, 0.0)
	if got, want := r.shadows["main"].replica.Wanted("turned"), r.now.UTC().Format(timeFormat); got != want {
		t.Errorf("changed %v, want %v", got, want)
	}
}

// A filtered rate comes to 0, too: the windows are filled though no edges come.
func TestFilteredRateComesToRest(t *testing.T) {
	for _, filter := range []string{"median: 3", "average: 4", "median: 5, average: 9"} {
		r := newRig(t, `
lines: {meter: {line: M, direction: input}}
shadows: {main: {properties: {speed: {line: meter, rate: rising, interval: 500ms, timeout: 2s, `+filter+`}}}}
`, state.State{})
		r.step(Start{})
		for range 12 {
			press(r, "meter")
			r.pass(500 * time.Millisecond)
		}
		if speed := r.shadows["main"].replica.Wanted("speed"); speed != 2.0 {
			t.Errorf("%s: rate %v with an edge each half second", filter, speed)
		}
		r.pass(time.Minute)
		if speed := r.shadows["main"].replica.Wanted("speed"); speed != 0.0 {
			t.Errorf("%s: rate %v after a minute without edges", filter, speed)
		}
	}
}

func press(r *rig, button string) {
	r.edge(button, true)
	r.edge(button, false)
}

// TestLocalChange lets a button turn on what is desired off, with each override,
// and then the shadow be read again, or the component started again.
func TestLocalChange(t *testing.T) {
	for _, c := range []struct {
		line, button    string
		apart           bool // there is no link when the button is pressed
		on              bool
		desired, change string // of the update that follows, "" for none
	}{
		{"lamp", "button", false, true, `{"lamp":true}`, `{"ack":null,"lamp":true}`},
		{"lamp", "button", true, true, `{"lamp":true}`, `{"ack":null,"lamp":true}`},
		{"hall", "hallway", false, false, "", ""},
		{"hall", "hallway", true, false, "", ""},
		{"attic", "ladder", false, true, "{}", `{"attic":true}`},
		{"attic", "ladder", true, true, "{}", `{"attic":true}`},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, apart %v, restart %v", c.line, c.apart, restart), func(t *testing.T) {
				r := allKinds(t, state.State{})
				r.desired(3, `{"`+c.line+`":false}`)
				at := r.now.Unix()
				r.reports("main", `{"ack":{"`+c.line+`":{"code":200,"version":3}}}`, 4)
				r.pass(time.Second)
				document := fmt.Sprintf(`{"version":4,"state":{"desired":{"%[1]s":false},"reported":%[2]s},
					"metadata":{"desired":{"%[1]s":{"timestamp":%[3]d}},"reported":{"ack":{"%[1]s":{"code":{"timestamp":%[4]d}}}}}}`,
					c.line, asJSON(t, r.reportedNow("main")), at, at+1)
				if c.apart {
					r.step(shadowLost{"main", errors.New("away")})
				}
				press(r, c.button)
				if c.apart && !r.lines[c.line] {
					t.Fatal("no effect without a link")
				}
				r.pass(5 * time.Second)
				if restart {
					kept := r.lines
					r = newRig(t, kindsConfig, r.saves[len(r.saves)-1].State)
					r.lines = kept
					r.step(Start{})
				}
				if c.apart || restart {
					r.step(shadowLive{"main"})
					r.fetched("main", document)
				}
				r.pass(time.Second)
				if r.lines[c.line] != c.on {
					t.Errorf("the line is %v, want %v", r.lines[c.line], c.on)
				}
				if c.change == "" {
					r.reportsNothing()
					return
				}
				u := r.wrote(c.desired, c.change, 4)
				r.accept(u, 5)
				r.pass(time.Minute)
				r.reportsNothing()
			})
		}
	}
}

// TestLocalChangesInARow presses twice, the second time before the reply of the
// first change, which is lost.
func TestLocalChangesInARow(t *testing.T) {
	for _, stored := range []bool{false, true} {
		r := allKinds(t, state.State{})
		r.desired(3, `{"lamp":false}`)
		at := r.now.Unix()
		r.reports("main", `{"ack":{"lamp":{"code":200,"version":3}}}`, 4)
		r.pass(time.Second)
		press(r, "button")
		u := r.wrote(`{"lamp":true}`, `{"ack":null,"lamp":true}`, 4)
		r.step(shadowLost{"main", errors.New("away")})
		r.step(updateAnswered{Shadow: "main", Seq: u.Seq, Outcome: Unknown, Err: errors.New("away")})
		r.pass(time.Second)
		press(r, "button")
		r.pass(time.Second)
		r.step(shadowLive{"main"})
		value, version := false, 4
		if stored {
			value, at, version = true, at+1, 5
		}
		r.fetched("main", fmt.Sprintf(`{"version":%d,"state":{"desired":{"lamp":%v}},"metadata":{"desired":{"lamp":{"timestamp":%d}}}}`, version, value, at))
		if r.lines["lamp"] {
			t.Errorf("stored %v: the lamp is on, want off as it was switched last", stored)
		}
		u, _ = r.update("main")
		if got := u.Desired["lamp"]; stored && got != false {
			t.Errorf("desired %v, want false", u.Desired)
		}
	}
}

// TestRepliesThatOutrunMessages: the message of an older update says nothing of a lamp
// that was switched since, though it is switched to the same.
func TestRepliesThatOutrunMessages(t *testing.T) {
	r := allKinds(t, state.State{})
	r.desired(3, `{"lamp":false}`)
	r.reports("main", `{"ack":{"lamp":{"code":200,"version":3}}}`, 4)
	r.pass(time.Second)
	press(r, "button")
	first := r.wrote(`{"lamp":true}`, `{"ack":null,"lamp":true}`, 4)
	r.step(updateAnswered{Shadow: "main", Seq: first.Seq, Version: 5})
	r.pass(reportInterval)
	press(r, "button")
	second := r.wrote(`{"lamp":false}`, `{"lamp":false}`, 5)
	r.step(updateAnswered{Shadow: "main", Seq: second.Seq, Version: 6})
	press(r, "button")
	r.message("main", fmt.Sprintf(`{"version":5,"clientToken":%q,"state":{"desired":{"lamp":true},"reported":{"ack":null,"lamp":true}},"metadata":{}}`, first.Token))
	r.pass(reportInterval)
	r.wrote(`{"lamp":true}`, `{"lamp":true}`, 6)
}

// TestNewerDesiredValueWins over a local change, however it comes to be known.
func TestNewerDesiredValueWins(t *testing.T) {
	for _, by := range []string{"message", "document", "conflict"} {
		t.Run(by, func(t *testing.T) {
			r := allKinds(t, state.State{})
			r.desired(3, `{"lamp":false}`)
			r.reports("main", `{"ack":{"lamp":{"code":200,"version":3}}}`, 4)
			r.pass(time.Second)
			if by == "document" {
				r.step(shadowLost{"main", errors.New("away")})
			}
			press(r, "button")
			r.pass(2 * time.Second)
			document := fmt.Sprintf(`{"version":5,"state":{"desired":{"lamp":false},"reported":%s},"metadata":{"desired":{"lamp":{"timestamp":%d}}}}`,
				asJSON(t, r.reportedNow("main")), r.now.Unix())
			switch by {
			case "message":
				r.update("main")
				r.desired(5, `{"lamp":false}`)
			case "conflict":
				r.fails("main", Conflict)
				r.fetched("main", document)
			case "document":
				r.step(shadowLive{"main"})
				r.fetched("main", document)
			}
			if r.lines["lamp"] {
				t.Error("the lamp is on, want off as desired since")
			}
		})
	}
}

func TestLongestTimeIsWrittenAsDesired(t *testing.T) {
	r := allKinds(t, state.State{})
	r.desired(3, `{"fan":true}`)
	r.reports("main", `{"ack":{"fan":{"code":200,"version":3}},"fan":true}`, 4)
	r.pass(20 * time.Second)
	if r.lines["fan"] {
		t.Error("the fan is on after its longest time")
	}
	r.accept(r.wrote(`{"fan":false}`, `{"ack":null,"fan":false}`, 4), 5)
	r.pass(time.Minute)
	r.reportsNothing()
}

// TestDesiredIsNotWrittenBeforeTheDocumentExists since nothing could lock it.
func TestDesiredIsNotWrittenBeforeTheDocumentExists(t *testing.T) {
	r := newRig(t, kindsConfig, state.State{})
	r.step(Start{})
	press(r, "button")
	r.step(shadowLive{"main"})
	r.fetched("main", "")
	u, _ := r.update("main")
	if len(u.Desired) > 0 || u.Version != 0 {
		t.Errorf("created with desired %v for version %d", u.Desired, u.Version)
	}
	r.accept(u, 1)
	r.pass(time.Second)
	r.accept(r.wrote(`{"lamp":true}`, `{}`, 1), 2)
	r.pass(time.Minute)
	r.reportsNothing()
}

func TestControlsPulseIsNoCommand(t *testing.T) {
	r := allKinds(t, state.State{})
	press(r, "chime")
	r.pass(time.Second)
	r.reports("main", `{"gate":true}`, 3)
	r.pass(5 * time.Second)
	r.reports("main", `{"gate":false}`, 4)
	r.pass(time.Minute)
	r.reportsNothing()
}

func TestNoPulseAfterStop(t *testing.T) {
	r := allKinds(t, state.State{})
	r.hold = true
	r.desired(3, `{"gate":true}`)
	r.step(Stop{})
	r.step(Saved{Seq: r.saves[len(r.saves)-1].Seq})
	if r.writes("gate") > 0 {
		t.Error("a pulse that nobody ends")
	}
}

// TestStopReportsTheLastCount though its interval is not over.
func TestStopReportsTheLastCount(t *testing.T) {
	r := newRig(t, `
lines: {meter: {line: M, direction: input}}
shadows: {main: {properties: {turns: {line: meter, count: rising, interval: 1h}}}}
`, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":1,"state":{"reported":{"turns":0}}}`)
	for range 3 {
		r.edge("meter", true)
		r.edge("meter", false)
	}
	r.pass(time.Minute)
	r.reportsNothing()
	r.step(Stop{})
	r.reports("main", `{"turns":3}`, 2)
}

// Within one second nothing tells a pulse that was carried out from one that was
// desired again. It does not ring twice, and does not answer twice.
func TestPulseOfTheSecondOfItsAnswerIsNotAnsweredAgain(t *testing.T) {
	r := newRig(t, kindsConfig, commanded(&state.Command{Value: true, At: 100, Version: 4, Done: true}))
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":9,
		"state":{"desired":{"gate":true},"reported":{"ack":{"gate":{"code":200,"version":4}},"gate":false}},
		"metadata":{"desired":{"gate":{"timestamp":100}},"reported":{"ack":{"gate":{"code":{"timestamp":100}}}}}}`)
	for len(r.updates) > 0 {
		u := r.updates[0]
		if got := asJSON(t, u.Reported); strings.Contains(got, `"version":9`) {
			t.Errorf("reported %s, want the answer to stay at version 4", got)
		}
		r.updates = nil
	}
}

// A pulse that is desired, taken back and desired again within a second, while the
// disk is slow and the link lost, is one that is cleared when it is over.
func TestPulseThatIsReadAgainIsCleared(t *testing.T) {
	r := allKinds(t, state.State{})
	second := r.now.Unix()
	r.hold = true
	r.desired(3, `{"gate":true}`)
	r.desired(4, `{"gate":false}`)
	r.step(shadowLost{"main", errors.New("gone")})
	r.step(shadowLive{"main"})
	r.updates = nil
	r.fetched("main", fmt.Sprintf(`{"version":7,"state":{"desired":{"gate":true},"reported":{"gate":false}},"metadata":{"desired":{"gate":{"timestamp":%d}}}}`, second))
	r.hold = false
	r.step(Saved{Seq: r.saves[len(r.saves)-1].Seq})
	for version := int64(8); version < 30; version++ {
		for len(r.updates) > 0 {
			u := r.updates[0]
			r.updates = r.updates[1:]
			if value, cleared := u.Desired["gate"]; cleared && value == nil {
				return
			}
			r.step(updateAnswered{Shadow: u.Shadow, Seq: u.Seq, Version: version})
		}
		r.pass(time.Second)
	}
	t.Error("the pulse stays desired")
}
