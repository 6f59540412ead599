package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
	"github.com/shadowgpio/shadowgpio/component/internal/tools/schematest"
	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
)

const stormConfig = `
lines:
  gate:    {line: G1, direction: output}
  horn:    {line: G2, direction: output}
  heater:  {line: G3, direction: output}
  red:     {line: G4, chip: gpiochip0, direction: output}
  green:   {line: G5, chip: gpiochip0, direction: output}
  lamp:    {line: G6, direction: output}
  hall:    {line: G7, direction: output}
  attic:   {line: G8, direction: output}
  fan:     {line: G9, direction: output, maxOn: 2s}
  pump:    {line: G10, direction: output, minOff: 1s}
  up:      {line: G11, direction: output}
  down:    {line: G12, direction: output}
  valve:   {line: G13, direction: output, minOn: 1s, minOff: 2s}
  b1:      {line: B1, direction: input}
  b2:      {line: B2, direction: input}
  b3:      {line: B3, direction: input}
  b4:      {line: B4, direction: input}
  meter:   {line: M1, direction: input}
interlocks:
  lift: {lines: [up, down], deadTime: 300ms}
controls:
  lamp:  {input: b1, output: lamp, action: toggle}
  hall:  {input: b2, output: hall, action: toggle}
  attic: {input: b3, output: attic, action: toggle}
  valve: {input: b4, output: valve, action: toggle}
shadows:
  main:
    properties:
      gate:    {line: gate, pulse: 300ms}
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
      limit:   {setting: number, max: 100, default: 5}
      band:    {setting: object, members: {low: {type: integer, default: 1}, high: {type: integer, max: 100}}}
      over:    {alarm: over}
alarms:
  over: {property: main/limit, above: 50}
`

// disk keeps what is saved. A save takes its time, and may fail or be lost with
// the process.
type disk struct {
	pending *Save
	broken  bool
}

func (d *disk) save(t *testing.T, s Save) {
	t.Helper()
	if d.pending != nil {
		t.Fatal("two saves at a time")
	}
	d.pending = &s
}

// kindWorld is a world with all kinds of properties, and the account of what they
// owe.
type kindWorld struct {
	*world
	pulses, pulsesDone int // desired, and answered with 200
	pulsesHeard        int // desired in a message that came in time: none of them is taken for an earlier one

	sets     int // how many counts were desired; each is that many thousands
	setSure  bool
	edges    int // of the meter, since the start of the world
	setAt    int // edges when the last count was desired
	clearAt  int // and when a count was last cleared
	kills    int // each may have a pulse answered twice
	lostEdge int // edges that a kill may have taken

	switchDemand map[string]*switching // by line, of those with a button
	locals       map[string]string     // line by button

	valve struct{ on, sure bool } // what its button made of it, which no shadow shows
}

// switching is what a lamp with a button must be, if anything is certain.
type switching struct {
	desiredAt, pressedAt time.Time
	sure                 bool
	on                   bool
	desired              any
	version              int64 // of the document since then
}

// TestKindStorms plays random histories of commands, overrides, rules and all kinds
// of outputs, with a disk that takes its time, fails and loses what it was told. When
// all is well again:
//
//   - the gate went on at most once for each pulse that was desired, and at least
//     once for each that was answered with 200 and cleared;
//   - the count is the last one that was desired, and the edges since then but for
//     those that a kill took before they were saved;
//   - a lamp with a button is what was said last, by desire or by hand, as its
//     override says, where both were two seconds apart at least;
//   - a valve that no shadow shows is what its button made of it, if a kill found that saved;
//   - a setting is what is desired of it, if it takes that, and the alarm that watches
//     it is raised if it is so;
//   - interlocked lines were never on together;
//   - every desired value has its answer, no answer is left of others, no command is
//     still desired, and there is silence.
func TestKindStorms(t *testing.T) {
	if *stormSeed != 0 {
		playKindStorm(t, *stormSeed)
		return
	}
	for i := range *storms {
		seed := uint64(i + 1)
		if !t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { playKindStorm(t, seed) }) {
			t.Logf("play it again with -run TestKindStorms -storm %d", seed)
			return
		}
	}
}

func playKindStorm(t *testing.T, seed uint64) {
	w := &kindWorld{
		world: makeWorld(t, seed, stormConfig), setSure: true,
		switchDemand: map[string]*switching{"lamp": {}, "attic": {}, "hall": {}},
		locals:       map[string]string{"b1": "lamp", "b2": "hall", "b3": "attic"},
	}
	w.disk = &disk{}
	w.sturdy["gate"], w.sturdy["horn"] = true, true
	w.stored = w.account
	w.heard = func(in Input) {
		message, ok := in.(messageAccepted)
		if ok && message.Desired["gate"] == true && w.engine.shadows["main"].replica.InStep() {
			w.pulsesHeard++
		}
	}
	w.start()
	for range 400 {
		w.act()
		w.write()
		if w.lines["up"] && w.lines["down"] {
			t.Fatal("up and down are on together")
		}
	}
	w.disk.broken = false
	for range 300 {
		w.write()
		w.pass(100 * time.Millisecond)
	}
	w.heal()
	w.checkKinds()
}

// account takes note of an update of the engine that was stored over a document. A command
// may be cleared again, for the synchronization.
func (w *kindWorld) account(u sentUpdate, before *shadowdoc.Document) {
	desires := func(key string) bool {
		if before == nil {
			return false
		}
		_, desired := before.Desired.Get(key)
		return desired
	}
	acks, _ := u.Reported[shadow.AckKey].(map[string]any)
	if _, cleared := u.Desired["gate"]; cleared && desires("gate") {
		if ack, ok := acks["gate"].(map[string]any); ok && ack["code"] == shadow.Done {
			w.pulsesDone++
		}
	}
	if _, cleared := u.Desired["turns"]; cleared && desires("turns") {
		w.clearAt = w.edges
	}
}

func (w *kindWorld) act() {
	switch n := w.random.IntN(100); {
	case n < 30:
		w.deliver()
	case n < 50:
		w.pass(time.Duration(w.random.IntN(600)) * time.Millisecond)
	case n < 68:
		w.desire()
	case n < 74:
		w.press(pick(w.world, "b1", "b2", "b3"))
	case n < 77:
		w.pressValve()
	case n < 82:
		w.turn()
	case n < 86:
		w.setLink(!w.link)
	case n < 87:
		w.deleteShadow()
	case n < 91:
		w.breakOrMend()
	case n < 93:
		w.kill()
	case n < 95:
		w.disk.broken = w.chance(40)
	case n < 96:
		w.update("main", pick(w.world, `{"state":{"reported":{"lamp":"rewritten","turns":-1,"band":{"odd":{}}}}}`,
			`{"state":{"reported":{"ack":null}}}`, `{"state":{"reported":{"ack":{"lamp":{"code":400}}}}}`, `{"state":{"reported":null}}`, `{"state":{}}`))
	default:
		w.setLink(true)
	}
}

func (w *kindWorld) desire() {
	label := pick(w.world, "gate", "gate", "gate", "turns", "turns", "horn", "heater", "signal", "lamp", "lamp", "hall",
		"attic", "attic", "fan", "pump", "updown", "other", "limit", "band")
	on := w.chance(50)
	text := fmt.Sprintf(`{%q:%v}`, label, on)
	switch label {
	case "gate":
		if on = w.chance(80); on {
			w.pulses++
		}
		text = fmt.Sprintf(`{"gate":%v}`, on)
		if !on && w.chance(30) {
			text = `{"gate":null}`
		}
	case "turns":
		if w.chance(10) {
			w.setSure = false
			text = `{"turns":null}`
			break
		}
		w.sets++
		w.setSure, w.setAt = true, w.edges
		text = fmt.Sprintf(`{"turns":%d}`, 1000*w.sets)
	case "heater":
		text = `{"heater":` + pick(w.world, `0`, `30`, `33.3`, `50.0`, `100`, `null`, `"x"`, `0.01`) + `}`
	case "signal":
		text = `{"signal":` + pick(w.world, `"stop"`, `"go"`, `"blue"`, `null`) + `}`
	case "horn", "pump":
		if w.chance(20) {
			text = fmt.Sprintf(`{%q:null}`, label)
		}
	case "lamp", "hall", "attic":
		s := w.switchDemand[label]
		s.sure = w.now.Sub(s.pressedAt) > 2*time.Second || label == "hall"
		s.desiredAt, s.on, s.desired = w.now, on, on
	case "updown":
		text = pick(w.world, `{"up":true,"down":true}`, `{"up":false,"down":true}`, `{"up":true}`, `{"down":true}`, `{"up":false}`, `{"down":false}`, `{"up":null}`)
	case "limit":
		text = fmt.Sprintf(`{"limit":%d}`, w.random.IntN(120)) // from 101 on refused
		if w.chance(20) {
			text = `{"limit":null}`
		}
	case "band":
		number := w.random.IntN(100)
		text = pick(w.world, fmt.Sprintf(`{"band":{"low":%d}}`, number), fmt.Sprintf(`{"band":{"high":%d}}`, number), `{"band":{"low":null}}`,
			`{"band":{"odd":1}}`, `{"band":{"odd":null}}`, `{"band":null}`, `{"band":{}}`, `{"band":5}`, fmt.Sprintf(`{"band":{"low":%d,"high":%d}}`, number, number))
	case "other":
		text = pick(w.world, `{"bell":1}`, `{"bell":null}`, `{"bell":{"a":[1]},"horn":true}`)
	}
	w.update("main", `{"state":{"desired":`+text+`}}`)
	if s := w.switchDemand[label]; s != nil {
		s.version = w.shadows["main"].doc.Version
	}
}

// press presses and releases a button.
func (w *kindWorld) press(button string) {
	s := w.switchDemand[w.locals[button]]
	was := w.engine.bank.IsOn(w.locals[button])
	w.step(w.seen(button, lines.Burst{Rising: 1, Falling: 1}))
	if w.locals[button] == "hall" {
		return // what is desired wins in the end
	}
	// Against a value that the engine had not seen, the desired one wins.
	known := w.engine.shadows["main"]
	desired, at := known.replica.Desired(w.locals[button])
	seen := known.replica.InStep() && known.replica.View().Version >= s.version && desired == s.desired && at == s.desiredAt.Unix()
	s.sure = w.now.Sub(s.desiredAt) > 2*time.Second && seen
	s.pressedAt, s.on = w.now, !was
}

// pressValve presses the button of the valve. That may have to wait for its rules, or
// for its chip.
func (w *kindWorld) pressValve() {
	w.valve.on, w.valve.sure = !w.engine.bank.IsOn("valve"), true
	w.step(w.seen("b4", lines.Burst{Rising: 1, Falling: 1}))
}

// turn turns the meter, that is an edge.
func (w *kindWorld) turn() {
	w.edges++
	w.step(w.seen("meter", lines.Burst{Rising: 1, Falling: 1}))
}

// setting is the value of a setting that is in force.
func (w *kindWorld) setting(key string) any {
	return w.engine.shadows["main"].props[key].(*setting).inForce
}

func (w *kindWorld) deleteShadow() {
	w.setSure = false
	for _, s := range w.switchDemand {
		s.sure = false
	}
	w.delete("main")
}

func (w *kindWorld) breakOrMend() {
	label := pick(w.world, "heater", "green+red", "up", "down", "pump", "fan", "valve")
	if w.broken[label] != nil {
		delete(w.broken, label)
		return
	}
	w.broken[label] = errors.New("chip is gone")
	if w.held[label] && w.chance(70) {
		w.release(label)
		w.step(w.failed(label, w.broken[label]))
	}
}

// write lets the disk do its work, or fail.
func (w *kindWorld) write() {
	d := w.disk
	if d.pending == nil || w.chance(50) {
		return
	}
	s := *d.pending
	d.pending = nil
	if d.broken {
		w.step(Saved{s.Seq, errors.New("no space left")})
		return
	}
	w.keep(s)
	w.step(Saved{Seq: s.Seq})
}

// keep keeps a state as a file would.
func (w *kindWorld) keep(s Save) {
	text, err := json.Marshal(s.State)
	if err != nil {
		w.t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	w.saved = state.State{}
	if err := decoder.Decode(&w.saved); err != nil {
		w.t.Fatal(err)
	}
}

// kill ends the process at once; what it was saving may be on the disk, or not.
func (w *kindWorld) kill() {
	if d := w.disk; d.pending != nil {
		if !d.broken && w.chance(50) {
			w.keep(*d.pending)
		}
		d.pending = nil
	}
	before := w.counted()
	for _, s := range w.switchDemand {
		if w.now.Sub(s.pressedAt) < 3*time.Second || w.disk.broken || w.engine.memory.failed {
			s.sure = false // it may not be on the disk
		}
	}
	if saved, waits := w.saved.Demands["G13"]; waits {
		w.valve.sure = w.valve.sure && saved.Levels[0] == w.valve.on
	} else {
		w.valve.sure = w.valve.sure && w.saved.Outputs["G13"] == w.valve.on
	}
	w.kills++
	w.restart()
	if lost := before - w.counted(); lost > 0 && lost < 1000 {
		w.lostEdge += lost
	} else if lost >= 1000 {
		w.lostEdge += before % 1000
	}
}

// counted is what the engine holds for the count.
func (w *kindWorld) counted() int {
	return int(w.engine.shadows["main"].props["turns"].(*count).total())
}

func (w *kindWorld) heal() {
	clear(w.broken)
	for claim := range w.held {
		w.sturdy[claim] = true // lines that go on and off would go on failing
	}
	w.setLink(true)
	for range 2500 {
		w.deliver()
		w.write()
		w.pass(100 * time.Millisecond)
	}
}

func (w *kindWorld) checkKinds() {
	t := w.t
	t.Helper()
	quiet, turns := len(w.times), w.turns["horn"]
	w.pass(5 * time.Minute)
	if n := len(w.times) - quiet; n > 0 {
		t.Errorf("%d requests after everything was said", n)
	}
	doc := w.shadows["main"].doc
	if doc == nil {
		t.Fatal("the shadow does not exist")
	}
	if err := schematest.Load(t, "shadow").Check(doc.JSON()); err != nil {
		t.Errorf("the schema refuses a document: %v\n%s", err, doc.JSON())
	}
	var document struct {
		Desired, Reported map[string]any
	}
	if err := json.Unmarshal(shadowdoc.Append(nil, doc.State()), &document); err != nil {
		t.Fatal(err)
	}
	desired, reported := document.Desired, document.Reported
	for key, value := range desired {
		if value == nil || key == shadow.SyncKey {
			delete(desired, key) // a null where nothing was before desires nothing
		}
	}
	acks, _ := reported[shadow.AckKey].(map[string]any)
	code := func(key string) shadow.Code {
		ack, _ := shadow.ParseAck(acks[key])
		return ack.Code
	}
	w.checkCommands(desired, reported)
	w.checkSettings(desired, reported)
	for _, line := range []string{"lamp", "attic", "hall", "fan", "pump", "up", "down", "gate"} {
		if reported[line] != w.lines[line] {
			t.Errorf("%s: reported %v, the line is %v", line, reported[line], w.lines[line])
		}
		if want, ok := desired[line]; ok && line != "attic" && code(line) != shadow.Conflict && want != w.lines[line] {
			t.Errorf("%s: desired %v, the line is %v", line, want, w.lines[line])
		}
	}
	for line, s := range w.switchDemand {
		if s.sure && w.lines[line] != s.on {
			t.Errorf("%s is %v, want %v as was said last; desired at %v, pressed at %v", line, w.lines[line], s.on, s.desiredAt, s.pressedAt)
		}
	}
	if w.valve.sure && w.lines["valve"] != w.valve.on {
		t.Errorf("the valve is %v, want %v as its button made it", w.lines["valve"], w.valve.on)
	}
	for _, key := range []string{"horn", "heater", "signal"} {
		if code(key) == shadow.Done && !shadow.Equal(desired[key], reported[key]) {
			t.Errorf("%s: desired %v, reported %v", key, desired[key], reported[key])
		}
	}
	if blinks := w.turns["horn"] > turns; blinks != (reported["horn"] == true) {
		t.Errorf("the horn blinks: %v, reported %v", blinks, reported["horn"])
	}
	if w.lines["fan"] {
		t.Error("the fan is on after its longest time")
	}
	for key, value := range desired {
		wants := []shadow.Code{shadow.Done}
		switch {
		case key == "limit" || key == "band":
			continue // see checkSettings
		case key == "bell":
			wants = []shadow.Code{shadow.NoProperty}
		case key == "lamp" || key == "fan":
			wants = []shadow.Code{shadow.Done, 0} // what we desire ourselves is not answered
		case key == "up" || key == "down" || key == "attic":
			wants = []shadow.Code{shadow.Done, shadow.Conflict}
		case value == "x" || value == "blue" || value == 0.01:
			wants = []shadow.Code{shadow.Refused}
		}
		if !containsCode(wants, code(key)) {
			t.Errorf("%s=%v: answer %v, want one of %v", key, value, acks[key], wants)
		}
	}
	for key, value := range acks {
		// Nulls in what was created again meanwhile cannot be deleted, nor do they harm.
		if _, ok := desired[key]; !ok && value != nil && key != "gate" && key != "turns" {
			t.Errorf("answer to %s, which is not desired: %v", key, acks[key])
		}
		if code(key) == shadow.InProgress {
			t.Errorf("%s is in progress for ever", key)
		}
	}
	if t.Failed() {
		t.Logf("document: %s", doc.JSON())
	}
}

// checkCommands checks what was to be carried out once.
func (w *kindWorld) checkCommands(desired, reported map[string]any) {
	t := w.t
	t.Helper()
	if n := w.turns["gate"]; n > w.pulses || n < w.pulsesDone-w.kills-(w.pulses-w.pulsesHeard) {
		t.Errorf("%d pulses seen, want %d that were done to %d that were desired", n, w.pulsesDone, w.pulses)
	}
	if desired["gate"] == true {
		t.Error("a pulse is still desired")
	}
	if count, ok := desired["turns"]; ok {
		t.Errorf("a count of %v is still desired", count)
	}
	number, _ := reported["turns"].(float64)
	count := int(number)
	set, since := count/1000, count%1000
	switch {
	case set > w.sets || w.setSure && set != w.sets:
		t.Errorf("count %d, want %d and what followed", count, 1000*w.sets)
	case w.setSure && (since > w.edges-w.setAt || since < w.edges-max(w.clearAt, w.setAt)-w.lostEdge):
		t.Errorf("%d edges since the count was set, want %d to %d", since, w.edges-max(w.clearAt, w.setAt)-w.lostEdge, w.edges-w.setAt)
	case count != w.counted():
		t.Errorf("reported count %d, counted %d", count, w.counted())
	}
}

// checkSettings checks what settings and the alarm became.
func (w *kindWorld) checkSettings(desired, reported map[string]any) {
	t := w.t
	t.Helper()
	acks, _ := reported[shadow.AckKey].(map[string]any)
	answered := func(key string, wants ...shadow.Code) {
		t.Helper()
		if ack, _ := shadow.ParseAck(acks[key]); !containsCode(wants, ack.Code) {
			t.Errorf("%s=%v: answer %v, want one of %v", key, desired[key], acks[key], wants)
		}
	}
	limit, _ := reported["limit"].(float64)
	switch value, asked := desired["limit"].(float64); {
	case asked && value > 100:
		answered("limit", shadow.Refused)
	case asked:
		answered("limit", shadow.Done)
		if value != limit {
			t.Errorf("limit is %v, want %v", limit, value)
		}
	}
	if over := limit > 50; reported["over"] != over || w.setting("limit") != limit {
		t.Errorf("limit is reported as %v and is %v, over %v", limit, w.setting("limit"), reported["over"])
	}
	band, _ := reported["band"].(map[string]any)
	members, isObject := desired["band"].(map[string]any)
	switch _, odd := members["odd"]; {
	case desired["band"] == nil:
	case !isObject || odd && members["odd"] != nil:
		answered("band", shadow.Refused)
	case len(members) == 0:
		answered("band", shadow.Done, 0) // it was emptied member by member
	default:
		answered("band", shadow.Done, 0)
		for name, value := range members {
			if value != nil && band[name] != value {
				t.Errorf("band is %v, want %v", band, members)
			}
		}
	}
}

func containsCode(codes []shadow.Code, code shadow.Code) bool {
	for _, c := range codes {
		if c == code {
			return true
		}
	}
	return false
}
