package engine

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/reading"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/tools/configgen"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// confJudge knows what the component owes, by the identities of lines and properties.
// At all times:
//
//   - an output goes on only if all others of its interlock are off, and have been for
//     the dead time; it keeps minOn and minOff, and is off after maxOn;
//   - an output goes on only if something asked for it: a desired value, a control, an
//     alarm, a schedule, its start or failsafe state, or that it was on before;
//   - a pulse is carried out at most once for each time it was desired;
//   - a change of the configuration moves no output that it is not about;
//   - requests keep within the budget of each thing and of all things.
//
// At rest:
//
//   - what is reported is what the lines are, and is the same as after another start;
//   - a count is the one that was set last, and the edges since then but for those that
//     a kill took before they were saved; a setting is what was desired of it last; a
//     latched alarm that was not reset is raised: whatever was relabelled, removed and
//     brought back meanwhile;
//   - each desired value has its answer, each command one; no command is desired any more,
//     and nothing is in progress;
//   - nothing is reported or answered of what is not configured any more;
//   - a change of the configuration changed nothing that it was not about.
type confJudge struct {
	w *confWorld

	// Of lines, as the configuration has them.
	is      map[gpio.Ref]bool      // they are on
	since   map[gpio.Ref]time.Time // and since when; no entry is since ever
	ruled   map[gpio.Ref]time.Time // since when their rules are as they are
	strays  map[gpio.Ref]bool      // they did not follow, or their chip failed
	could   map[gpio.Ref]bool      // something may have asked them to be on, since the last rest
	locals  map[gpio.Ref]int       // how often a control may have turned them on since then
	dropped map[gpio.Ref]confLevel // as they were when they were given up in this step
	turned  map[gpio.Ref]int       // how often the engine moved them
	waving  map[gpio.Ref]bool      // the engine moves them at rest
	changed map[configgen.PropertyID]bool
	limited map[gpio.Ref]bool // they had a maxOn under an earlier configuration

	began    time.Time // of this run
	stopping bool

	writes                    map[confKey][]any                  // since the last rest
	wrote                     map[confKey]int                    // how many of them there ever were, that are not null
	numbers                   map[confKey]int                    // the number of the last one of them
	number                    int                                // of the last one of all
	heard                     map[shadow.ID]int                  // up to which of them the engine may have heard
	spent                     map[configgen.PropertyID]int       // up to which of them no pulse can come any more
	pulsed                    map[configgen.PropertyID]int       // pulses since the value was last desired
	counts                    map[configgen.PropertyID]confCount // of all there ever were
	savingCounts, savedCounts map[configgen.PropertyID]confCount
	settings                  map[configgen.PropertyID]any // as they were adopted
	latched                   map[string]bool              // alarms by what they watch
	cleared                   map[confKey]int              // commands that were answered with 200 and cleared
	ends                      int                          // runs that ended
	excused                   map[confKey]bool             // what may stay reported
	stale                     map[confKey]bool             // what may be reported of another kind
	unsure                    map[shadow.ID]bool           // others wrote there what is ours, since the last rest
	lost                      bool                         // the state was lost since the last rest
	fresh                     bool                         // a save since the last change of the configuration is on the disk
	freshing                  bool                         // is under way
}

// confKey is a key of a shadow, whatever it shows.
type confKey struct {
	id  shadow.ID
	key string
}

// confLevel is whether a line is on, and since when.
type confLevel struct {
	on    bool
	since time.Time
}

// confCount is what a count may be, in edges.
type confCount struct {
	low, high int64
	since     int64 // edges since a value was last desired
	after     int64 // and since it was answered with 200; -1 before that
}

func (c confCount) plus(edges int64) confCount {
	c.low, c.high, c.since = c.low+edges, c.high+edges, c.since+edges
	if c.after >= 0 {
		c.after += edges
	}
	return c
}

func newConfJudge(w *confWorld) *confJudge {
	return &confJudge{
		w: w, is: map[gpio.Ref]bool{}, since: map[gpio.Ref]time.Time{}, ruled: map[gpio.Ref]time.Time{}, strays: map[gpio.Ref]bool{},
		could: map[gpio.Ref]bool{}, locals: map[gpio.Ref]int{}, dropped: map[gpio.Ref]confLevel{}, turned: map[gpio.Ref]int{}, waving: map[gpio.Ref]bool{}, changed: map[configgen.PropertyID]bool{}, limited: map[gpio.Ref]bool{},
		writes: map[confKey][]any{}, wrote: map[confKey]int{}, numbers: map[confKey]int{}, heard: map[shadow.ID]int{}, spent: map[configgen.PropertyID]int{}, pulsed: map[configgen.PropertyID]int{},
		counts: map[configgen.PropertyID]confCount{}, savingCounts: map[configgen.PropertyID]confCount{}, savedCounts: map[configgen.PropertyID]confCount{},
		settings: map[configgen.PropertyID]any{}, latched: map[string]bool{}, cleared: map[confKey]int{},
		excused: map[confKey]bool{}, stale: map[confKey]bool{}, unsure: map[shadow.ID]bool{},
	}
}

// confProperty is a property and its identity.
type confProperty struct {
	config.Property
	configgen.PropertyID
}

func (p confProperty) address() confKey { return confKey{p.PropertyID.Shadow, p.Key} }

// propertiesOf are all of a configuration, in order.
func propertiesOf(cfg *config.Config) (all []confProperty) {
	for _, label := range slices.Sorted(maps.Keys(cfg.Shadows)) {
		s := cfg.Shadows[label]
		for _, key := range slices.Sorted(maps.Keys(s.Properties)) {
			p := s.Properties[key]
			all = append(all, confProperty{p, configgen.PropertyID{Shadow: s.ID, Key: key, Kind: p.Kind}})
		}
	}
	return all
}

// refsOf are the lines that a property shows or drives; of a schedule the output that it
// switches.
func refsOf(cfg *config.Config, p config.Property) (refs []gpio.Ref) {
	labels := p.Lines()
	if p.Kind == config.Schedule {
		labels = []string{p.Drives}
	}
	for _, label := range labels {
		refs = append(refs, cfg.Lines[label].Ref)
	}
	return refs
}

// driver is the property that drives an output, if there is one.
func (j *confJudge) driver(ref gpio.Ref) (confProperty, bool) {
	for _, p := range j.w.props {
		if p.Output && p.Property.Kind != config.Schedule && slices.Contains(refsOf(j.w.cfg, p.Property), ref) {
			return p, true
		}
	}
	return confProperty{}, false
}

// others are the further lines of the interlock of an output, and the interlock.
func (j *confJudge) others(label string) ([]gpio.Ref, config.Interlock) {
	var refs []gpio.Ref
	for _, name := range slices.Sorted(maps.Keys(j.w.cfg.Interlocks)) {
		i := j.w.cfg.Interlocks[name]
		if !slices.Contains(i.Lines, label) {
			continue
		}
		for _, other := range i.Lines {
			if other != label {
				refs = append(refs, j.w.cfg.Lines[other].Ref)
			}
		}
		return refs, i
	}
	return nil, config.Interlock{}
}

// isSwitched reports whether an alarm or a schedule may turn an output on at any time.
func isSwitched(cfg *config.Config, label string) bool {
	for _, a := range cfg.Alarms {
		if a.Output == label {
			return true
		}
	}
	return isScheduled(cfg, label)
}

func isScheduled(cfg *config.Config, label string) bool {
	for _, p := range propertiesOf(cfg) {
		if p.Property.Kind == config.Schedule && p.Drives == label {
			return true
		}
	}
	return false
}

func (j *confJudge) isScheduled(label string) bool { return isScheduled(j.w.cfg, label) }

func labelOf(cfg *config.Config, ref gpio.Ref) string {
	for label, l := range cfg.Lines {
		if l.Ref == ref {
			return label
		}
	}
	return ""
}

// asks reports whether a desired value asks for a line to be on, now or later.
func asks(cfg *config.Config, p config.Property, ref gpio.Ref, value any) bool {
	if value == nil {
		return false
	}
	switch p.Kind {
	case config.PWM:
		percent, err := p.ParseDuty(value)
		return err == nil && percent > 0
	case config.Pattern:
		word, _ := value.(string)
		for label, on := range p.Patterns[word] {
			if cfg.Lines[label].Ref == ref && on {
				return true
			}
		}
		return false
	}
	on, err := p.Values.Line(value)
	return err == nil && on
}

// hears takes note of what the engine is about to hear.
func (j *confJudge) hears(in any) {
	w := j.w
	switch in := in.(type) {
	case inFetched:
		j.heard[in.id] = max(j.heard[in.id], in.number)
	case inAccepted:
		j.heard[in.id] = max(j.heard[in.id], in.number)
	case inFailed:
		if h := w.claims[in.claim]; h != nil && h.request == in.request {
			delete(w.claims, in.claim)
		}
	case inSeen:
		h := w.claims[in.claim]
		if h == nil || h.request != in.request {
			return // seen under an older request
		}
		label, cfg := w.labels[h.refs[0]], w.cfg
		for _, name := range slices.Sorted(maps.Keys(cfg.Controls)) {
			if c := cfg.Controls[name]; c.Input == label && c.Action != config.Reset {
				output := cfg.Lines[c.Output].Ref
				j.could[output] = true
				j.locals[output] += in.burst.Rising + in.burst.Falling + 1
			}
		}
		for _, p := range propertiesOf(cfg) {
			if p.Property.Kind != config.Count || p.Line != label {
				continue
			}
			n := int64(0)
			if p.Edges&gpio.RisingEdges != 0 {
				n += int64(in.burst.Rising)
			}
			if p.Edges&gpio.FallingEdges != 0 {
				n += int64(in.burst.Falling)
			}
			c := j.counts[p.PropertyID]
			j.counts[p.PropertyID] = c.plus(n)
		}
	}
}

// moved takes note that a wire changed, and checks that it might.
func (j *confJudge) moved(ref gpio.Ref, how string) {
	w := j.w
	label, configured := w.labels[ref]
	if !configured || w.cfg.Lines[label].Direction != gpio.Output {
		return
	}
	on, was, since := w.on(ref), j.is[ref], j.since[ref]
	if on == was {
		return
	}
	if held, dropped := j.dropped[ref]; dropped && on == held.on && how == "requested" {
		j.is[ref], j.since[ref] = on, held.since // requested anew as it was
		return
	}
	if how == "given up" {
		j.dropped[ref] = confLevel{was, since}
	}
	j.is[ref], j.since[ref] = on, w.now
	j.turned[ref]++
	j.waving[ref] = true
	if how != "written" && how != "requested" {
		return
	}
	cfg := w.cfg.Lines[label]
	others, lock := j.others(label)
	lasted := w.now.Sub(since)
	switch {
	case !on && how == "written" && lasted < cfg.MinOn && !j.stopping && !slices.ContainsFunc(others, w.on):
		w.fail("minOn: %v goes off after %v, want %v", ref, lasted, cfg.MinOn)
	case on && how == "written" && lasted < cfg.MinOff && !j.stopping:
		w.fail("minOff: %v goes on after %v, want %v", ref, lasted, cfg.MinOff)
	case !on:
		return
	}
	for _, other := range others {
		if j.lostUnheard(other) {
			continue
		}
		if w.on(other) {
			w.fail("interlock: %v goes on while %v is on", ref, other)
		}
		if off := w.now.Sub(j.since[other]); off < lock.DeadTime && !j.stopping {
			w.fail("dead time: %v goes on %v after %v went off, want %v", ref, off, other, lock.DeadTime)
		}
	}
	j.mayGoOn(ref, label, how)
}

// mayGoOn checks that something asked for an output to go on.
func (j *confJudge) mayGoOn(ref gpio.Ref, label, how string) {
	w := j.w
	cfg := w.cfg.Lines[label]
	free := isSwitched(w.cfg, label) || cfg.Start == config.StartOn || cfg.Failsafe != nil && cfg.Failsafe.On || j.stopping && cfg.Stop == config.StopOn
	p, driven := j.driver(ref)
	if driven && p.Property.Kind == config.Pulse && !free {
		switch at := p.address(); {
		case j.strays[ref]:
			delete(j.strays, ref) // it takes up what it could not do
		case j.spent[p.PropertyID] < j.numbers[at] && j.spent[p.PropertyID] < j.heard[at.id]:
			j.spent[p.PropertyID] = j.heard[at.id] // values that were replaced do not come any more
		case j.locals[ref] > 0:
			j.locals[ref]--
		default:
			w.fail("pulse: %v pulses again for %v, desired %d times", ref, p.PropertyID, j.wrote[at])
		}
		j.pulsed[p.PropertyID]++
	}
	asked := driven && asks(w.cfg, p.Property, ref, w.content(p.PropertyID.Shadow).Desired[p.Key])
	if !free && !asked && !j.could[ref] {
		w.fail("no reason: %v is %s on, and nothing asked for that", ref, how)
	}
	j.could[ref] = true
}

// stray notes that a line did not follow.
func (j *confJudge) stray(ref gpio.Ref) { j.strays[ref] = true }

// held reports whether the engine holds a line whose chip is well.
func (j *confJudge) held(ref gpio.Ref) bool {
	for _, h := range j.w.claims {
		if slices.Contains(h.refs, ref) {
			return !h.dead && !j.w.broken[ref]
		}
	}
	return false
}

// lostUnheard reports whether the chip of a line is gone, and the engine cannot know.
func (j *confJudge) lostUnheard(ref gpio.Ref) bool {
	for _, h := range j.w.claims {
		if slices.Contains(h.refs, ref) && h.dead {
			return true
		}
	}
	return false
}

// rules checks what has to hold after each step.
func (j *confJudge) rules() {
	w := j.w
	if wake := w.engine.Wake(); j.stopping || !wake.IsZero() && !wake.After(w.now) {
		return // there is something to be done at once
	}
	for ref, label := range w.labels {
		cfg := w.cfg.Lines[label]
		if !j.is[ref] || cfg.Direction != gpio.Output || j.strays[ref] || !j.held(ref) {
			continue
		}
		begun := latest(j.since[ref], latest(j.ruled[ref], j.began))
		if cfg.MaxOn > 0 && w.now.Sub(begun) > cfg.MaxOn+time.Millisecond {
			w.fail("maxOn: %v is on for %v, want %v at most", ref, w.now.Sub(begun), cfg.MaxOn)
		}
		others, _ := j.others(label)
		for _, other := range others {
			if j.is[other] && !j.strays[other] && j.held(other) {
				w.fail("interlock: %v and %v are on", ref, other)
			}
		}
	}
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// started notes that another run begins with what was saved.
func (j *confJudge) started() {
	j.began, j.stopping = j.w.now, false
	before := j.counts
	j.counts = maps.Clone(j.savedCounts)
	for id, c := range before {
		if _, saved := j.savedCounts[id]; !saved {
			j.counts[id] = confCount{0, c.high, c.since, -1}
		}
	}
	for id, c := range j.counts {
		c.after = -1 // that it was set may be forgotten
		j.counts[id] = c
	}
}

// ended notes that a run ended. What it configured and could not save may stay reported.
func (j *confJudge) ended(before *config.Config) {
	j.ends++
	if !j.fresh {
		j.excuseAll()
	}
}

// excuseAll notes that what is reported now may stay so, though nobody remembers it.
func (j *confJudge) excuseAll() {
	for _, s := range j.w.shadows() {
		for key := range j.w.content(s.id).Reported {
			j.excused[confKey{s.id, key}], j.stale[confKey{s.id, key}] = true, true
		}
	}
	for _, p := range j.w.props { // on its way
		j.excused[p.address()], j.stale[p.address()] = true, true
		j.excused[confKey{p.PropertyID.Shadow, shadow.AckKey}] = true
		j.excused[confKey{p.PropertyID.Shadow, shadow.StatusKey}] = true
	}
}

// lostState notes that nothing is remembered but by the shadows.
func (j *confJudge) lostState() {
	j.ends++
	j.lost = true
	j.excuseAll()
	j.savedCounts = map[configgen.PropertyID]confCount{}
	for _, p := range j.w.props {
		at := p.address()
		if p.Property.Kind != config.Count {
			continue
		}
		if n, ok := edgesOfCount(p.Property, j.w.content(at.id).Reported[at.key]); ok && !j.unsure[at.id] {
			j.savedCounts[p.PropertyID] = confCount{min(n, j.counts[p.PropertyID].low), max(n, j.counts[p.PropertyID].high), j.counts[p.PropertyID].since, -1}
		}
	}
	for id := range j.counts {
		if _, known := j.savedCounts[id]; !known {
			j.savedCounts[id] = confCount{0, j.counts[id].high, j.counts[id].since, -1}
		}
	}
	for at := range j.wrote { // a command that is still desired may not be remembered
		for _, kind := range []config.Kind{config.Pulse} {
			id := configgen.PropertyID{Shadow: at.id, Key: at.key, Kind: kind}
			if j.w.content(at.id).Desired[at.key] != nil {
				j.spent[id] = min(j.spent[id], j.numbers[at]-1)
			}
		}
	}
	for _, p := range j.w.props {
		j.settings[p.PropertyID] = nil
	}
	for id := range j.settings {
		j.settings[id] = unknownSetting
	}
	clear(j.latched)
}

func (j *confJudge) saving() {
	j.savingCounts = maps.Clone(j.counts)
	j.freshing = true
}

func (j *confJudge) kept() { j.savedCounts, j.fresh = maps.Clone(j.savingCounts), j.freshing }

// stored takes note of an update of the engine that was stored.
func (j *confJudge) stored(u outUpdate) {
	acks, _ := u.reported[shadow.AckKey].(map[string]any)
	for key, value := range u.desired {
		ack, ok := acks[key].(map[string]any)
		if value != nil || !ok || ack["code"] != shadow.Done {
			continue
		}
		at := confKey{u.id, key}
		id := configgen.PropertyID{Shadow: u.id, Key: key, Kind: config.Count}
		if c, counts := j.counts[id]; counts && c.after < 0 && j.numbers[at] <= j.heard[u.id] {
			c.after = 0
			j.counts[id] = c
		}
		if j.cleared[at]++; j.cleared[at] > j.wrote[at]+j.ends {
			j.w.fail("answered twice: %v %s is answered with 200 and cleared %d times, desired %d times", u.id, key, j.cleared[at], j.wrote[at])
		}
	}
}

// excuses reports whether an update may come at rest, too: a schedule is carried out,
// or a value is reported again after its longest interval.
func (j *confJudge) excuses(u outUpdate) bool {
	properties := j.w.properties(u.id)
	for key := range u.reported {
		p := properties[key]
		switch {
		case key == shadow.AckKey, p.Kind == config.Schedule, p.Rules.MaxInterval > 0:
		case p.Output && slices.ContainsFunc(p.Lines(), j.isScheduled):
		default:
			return false
		}
	}
	for key := range u.desired {
		if p := properties[key]; !slices.ContainsFunc(p.Lines(), j.isScheduled) {
			return false
		}
	}
	return true
}

// written takes note of a desired value.
func (j *confJudge) written(id shadow.ID, key string, value any) {
	at := confKey{id, key}
	j.writes[at] = append(j.writes[at], value)
	if value == nil {
		return
	}
	j.wrote[at]++
	j.number++
	j.numbers[at] = j.number
	for _, p := range j.w.props {
		if p.address() != at {
			continue
		}
		for _, ref := range refsOf(j.w.cfg, p.Property) {
			j.could[ref] = j.could[ref] || p.Output && asks(j.w.cfg, p.Property, ref, value)
		}
	}
	for pid := range j.pulsed {
		if pid.Shadow == id && pid.Key == key {
			j.pulsed[pid] = 0
		}
	}
	counter := configgen.PropertyID{Shadow: id, Key: key, Kind: config.Count}
	c := j.counts[counter]
	c.since, c.after = 0, -1
	j.counts[counter] = c
}

// rewritten takes note that somebody else wrote what is ours, or deleted it.
func (j *confJudge) rewritten(id shadow.ID) { j.unsure[id] = true }

// configures takes note of another configuration, which is the present one already.
func (j *confJudge) configures(before *config.Config) {
	for _, l := range before.Lines {
		if l.MaxOn > 0 {
			j.limited[l.Ref] = true
		}
	}
	w := j.w
	j.fresh, j.freshing = false, false
	was := map[gpio.Ref]config.Line{}
	for _, l := range before.Lines {
		was[l.Ref] = l
	}
	for ref, label := range w.labels {
		cfg := w.cfg.Lines[label]
		old, configured := was[ref]
		if !configured || old.MaxOn != cfg.MaxOn || old.ActiveLow != cfg.ActiveLow {
			j.ruled[ref] = w.now
		}
		if cfg.Direction != gpio.Output {
			continue
		}
		if on := w.on(ref); on != j.is[ref] {
			j.could[ref] = true // it was on, or is
			j.is[ref], j.since[ref] = on, w.now
		}
	}
	kinds := map[confKey]config.Kind{}
	for _, p := range propertiesOf(before) {
		kinds[p.address()] = p.Property.Kind
	}
	for _, l := range before.Lines { // what is gone may have asked for something that waits
		if label, configured := w.labels[l.Ref]; configured {
			starts := l.Start == config.StartOn || l.Failsafe != nil && l.Failsafe.On
			j.could[l.Ref] = j.could[l.Ref] || starts || isSwitched(before, labelOf(before, l.Ref)) || isSwitched(w.cfg, label)
		}
	}
	for _, c := range w.cfg.Controls { // an edge may still wait for its delay
		if in := w.cfg.Lines[c.Input]; in.OnDelay+in.OffDelay > 0 && c.Action != config.Reset {
			output := w.cfg.Lines[c.Output].Ref
			j.could[output] = true
			j.locals[output]++
		}
	}
	old := map[configgen.PropertyID]bool{}
	for _, p := range propertiesOf(before) {
		old[p.PropertyID] = true
	}
	for id := range old {
		if c, ok := j.counts[id]; ok && j.lost {
			j.counts[id] = confCount{0, c.high, c.since, -1} // it may be gone before its shadow was read
		}
	}
	for _, p := range w.props {
		if !old[p.PropertyID] {
			j.changed[p.PropertyID] = true
		}
		value := w.content(p.PropertyID.Shadow).Desired[p.Key]
		for _, ref := range refsOf(w.cfg, p.Property) {
			j.could[ref] = j.could[ref] || p.Output && asks(w.cfg, p.Property, ref, value)
		}
		if _, configured := kinds[p.address()]; p.Property.Kind == config.Pulse && !configured && value != nil && j.pulsed[p.PropertyID] == 0 {
			// A value that stands where nothing was configured is a request.
			j.spent[p.PropertyID] = min(j.spent[p.PropertyID], j.numbers[p.address()]-1)
		}
	}
	for id, latched := range j.latched {
		if latched && !j.keepsAlarm(id, before) {
			delete(j.latched, id)
		}
	}
}

// stays checks that a change moved no output that it is not about.
func (j *confJudge) stays(levels map[gpio.Ref]bool, step configgen.Step, before *config.Config) {
	w := j.w
	about := j.affected(step, before)
	for _, label := range slices.Sorted(maps.Keys(w.cfg.Lines)) {
		l := w.cfg.Lines[label]
		if l.Direction == gpio.Output && !about.lines[l.Ref] && levels[l.Ref] != w.high[l.Ref] {
			w.fail("moved: %v goes from %v to %v by a change that is not about it: %s", l.Ref, levels[l.Ref], w.high[l.Ref], step.Text)
		}
	}
}

// confScope is what a change may have an effect on.
type confScope struct {
	lines      map[gpio.Ref]bool
	properties map[configgen.PropertyID]bool
}

// affected is what a step is about, with all that follows from it under the configuration
// before or the present one.
func (j *confJudge) affected(step configgen.Step, before *config.Config) confScope {
	s := confScope{map[gpio.Ref]bool{}, map[configgen.PropertyID]bool{}}
	for _, ref := range step.Lines {
		s.lines[ref] = true
	}
	for _, id := range step.Properties {
		s.properties[id] = true
	}
	s.close(before, j.w.cfg)
	return s
}

// close adds what depends on what is in the confScope.
func (s confScope) close(cfgs ...*config.Config) {
	for size := -1; size != len(s.lines)+len(s.properties); {
		size = len(s.lines) + len(s.properties)
		for _, cfg := range cfgs {
			s.grow(cfg)
		}
	}
}

func (s confScope) grow(cfg *config.Config) {
	ids := map[config.Path]configgen.PropertyID{}
	for label, sh := range cfg.Shadows {
		for key, p := range sh.Properties {
			ids[config.Path{Shadow: label, Key: key}] = configgen.PropertyID{Shadow: sh.ID, Key: key, Kind: p.Kind}
		}
	}
	for _, p := range propertiesOf(cfg) {
		refs := refsOf(cfg, p.Property)
		if p.Property.Kind != config.Schedule && slices.ContainsFunc(refs, func(ref gpio.Ref) bool { return s.lines[ref] }) {
			s.properties[p.PropertyID] = true
		}
		if s.properties[p.PropertyID] && (p.Output || p.Property.Kind == config.Schedule) {
			for _, ref := range refs {
				s.lines[ref] = true
			}
		}
	}
	for _, i := range cfg.Interlocks {
		if slices.ContainsFunc(i.Lines, func(label string) bool { return s.lines[cfg.Lines[label].Ref] }) {
			for _, label := range i.Lines {
				s.lines[cfg.Lines[label].Ref] = true
			}
		}
	}
	for _, c := range cfg.Controls {
		if s.lines[cfg.Lines[c.Input].Ref] { // an edge whose delay is over at once
			s.lines[cfg.Lines[c.Output].Ref] = true
		}
	}
	for label, a := range cfg.Alarms {
		if !(a.Line != "" && s.lines[cfg.Lines[a.Line].Ref] || s.properties[ids[a.Property]] || s.properties[ids[a.Setting]]) {
			continue
		}
		if a.Output != "" {
			s.lines[cfg.Lines[a.Output].Ref] = true
		}
		for _, p := range propertiesOf(cfg) {
			if p.Property.Kind == config.Flag && p.Alarm == label {
				s.properties[p.PropertyID] = true
			}
		}
	}
}

// restarted is what another start with the same configuration may change: outputs whose
// start state is on or off, and those that go on and off and keep the level they have.
func (j *confJudge) restarted() confScope {
	s := confScope{map[gpio.Ref]bool{}, map[configgen.PropertyID]bool{}}
	for _, l := range j.w.cfg.Lines {
		p, driven := j.driver(l.Ref)
		waves := driven && (p.Property.Kind == config.Blink || p.Property.Kind == config.PWM)
		pulsed := driven && p.Property.Kind == config.Pulse && j.is[l.Ref] // by its failsafe state, say; it starts off
		if l.Start == config.StartOn || l.Start == config.StartOff || l.Start == config.StartKeep && waves || pulsed {
			s.lines[l.Ref] = true
		}
	}
	s.close(j.w.cfg)
	return s
}

// confView is what there is to see at rest.
type confView struct {
	ids   map[shadow.ID]bool // of the configuration
	props map[configgen.PropertyID]confShown
	high  map[gpio.Ref]bool
}

// confShown is what there is to see of a property.
type confShown struct {
	reported, desired any
	ack               shadow.Ack
	doubt             bool // nothing tells whether the answer is younger than the desired value
}

func (j *confJudge) view() confView {
	v := confView{map[shadow.ID]bool{}, map[configgen.PropertyID]confShown{}, maps.Clone(j.w.high)}
	for _, p := range j.w.props {
		c := j.w.content(p.PropertyID.Shadow)
		v.props[p.PropertyID] = confShown{c.Reported[p.Key], c.Desired[p.Key], answer(c.Reported, p.Key), c.doubt[p.Key]}
	}
	return v
}

// isSteady reports whether a value at rest is that of a single sample, whatever was before.
func isSteady(r reading.Rules) bool {
	return r.Median < 2 && r.Average < 2 && r.Deadband == 0 && r.DeadbandPercent == 0
}

// same compares what is to see with what there was before a change at rest.
func (j *confJudge) same(was confView, about confScope, step string) {
	w := j.w
	now := j.view()
	for _, p := range w.props {
		a, seen := was.props[p.PropertyID]
		b := now.props[p.PropertyID]
		if !seen || about.properties[p.PropertyID] || p.Property.Kind == config.Schedule || slices.ContainsFunc(p.Lines(), j.isScheduled) {
			continue
		}
		turned := slices.ContainsFunc(refsOf(w.cfg, p.Property), func(ref gpio.Ref) bool { return j.turned[ref] > 0 })
		if a.ack.Code == b.ack.Code && (a.doubt || turned || a.ack.Reason != b.ack.Reason) { // it may be answered anew, as after a change of a label
			a.ack.Version, a.ack.Reason = b.ack.Version, b.ack.Reason
		}
		if a.doubt && a.ack.Code == shadow.Done && b.ack.Code == shadow.Conflict && p.Override == config.HoldsUntilNextDesired {
			a.ack = b.ack // it is not known to be done before the local change
		}
		if a.ack.Code == 0 && b.ack.Code == shadow.Done && p.Override == config.UpdatesDesired {
			a.ack = b.ack // the component desired it itself; the next run does not know that
		}
		switch {
		case !shadow.Equal(a.reported, b.reported) && isSteady(p.Rules):
			w.fail("changed value: %v goes from %v to %v by %s", p.PropertyID, a.reported, b.reported, step)
		case a.ack != b.ack:
			w.fail("changed answer: %v goes from %v to %v by %s", p.PropertyID, a.ack, b.ack, step)
		case !shadow.Equal(a.desired, b.desired):
			w.fail("changed desired: %v goes from %v to %v by %s", p.PropertyID, a.desired, b.desired, step)
		}
	}
	for _, label := range slices.Sorted(maps.Keys(w.cfg.Lines)) {
		l := w.cfg.Lines[label]
		if l.Direction != gpio.Output || about.lines[l.Ref] || j.isScheduled(label) {
			continue
		}
		p, driven := j.driver(l.Ref)
		if driven && (p.Property.Kind == config.Blink || p.Property.Kind == config.PWM) {
			continue
		}
		if j.turned[l.Ref] > 0 {
			w.fail("turned: %v moves %d times after %s", l.Ref, j.turned[l.Ref], step)
		}
	}
}

// check checks the lines and all shadows at rest, and takes what they show for what is.
func (j *confJudge) check() {
	j.budget()
	j.commands()
	j.counters()
	j.values()
	j.ghosts()
	j.settle()
}

func (j *confJudge) budget() {
	byThing := map[string][]time.Time{}
	var all []time.Time
	for _, r := range j.w.times {
		byThing[r.thing] = append(byThing[r.thing], r.at)
		all = append(all, r.at)
	}
	within := func(times []time.Time, most int, what string) {
		for i := most; i < len(times); i++ {
			if d := times[i].Sub(times[i-most]); d < time.Second {
				j.w.fail("budget: %d requests of %s within %v", most+1, what, d)
			}
		}
	}
	for thing, times := range byThing {
		within(times, stormPerThing, thing)
	}
	within(all, stormAllThings, "all things")
	j.w.times = j.w.times[:0:0]
}

// answer is the answer in a shadow to a desired value.
func answer(reported map[string]any, key string) shadow.Ack {
	acks, _ := reported[shadow.AckKey].(map[string]any)
	ack, _ := shadow.ParseAck(acks[key])
	return ack
}

// commands checks that all that is desired is answered, and no command left.
func (j *confJudge) commands() {
	w := j.w
	for _, label := range slices.Sorted(maps.Keys(w.cfg.Shadows)) {
		s := w.cfg.Shadows[label]
		if w.shadow(s.ID).doc == nil {
			continue // there was nothing to say
		}
		if at := w.shadow(s.ID); at.checked != at.doc && !strings.Contains(string(at.doc.JSON()), `"odd":{}`) { // a stranger's value stays where the component shows none
			if err := w.schema.Check(at.doc.JSON()); err != nil {
				w.fail("schema: %v: %v\n%s", s.ID, err, at.doc.JSON())
			}
			at.checked = at.doc
		}
		c := w.content(s.ID)
		for _, key := range slices.Sorted(maps.Keys(c.Desired)) {
			j.desired(s, key, c.Desired[key], c.Reported)
		}
		acks, _ := c.Reported[shadow.AckKey].(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(acks)) {
			p, configured := s.Properties[key]
			_, desired := c.Desired[key]
			if !desired && acks[key] != nil && !(configured && isCommand(p.Kind)) {
				w.fail("left answer: %v answers %s, which is not desired: %v", s.ID, key, acks[key])
			}
		}
	}
}

func isCommand(kind config.Kind) bool {
	return kind == config.Pulse || kind == config.Count || kind == config.Flag
}

func (j *confJudge) desired(s config.Shadow, key string, value any, reported map[string]any) {
	w := j.w
	if members, object := value.(map[string]any); object && emptied(members) {
		return // emptied member by member, it desires nothing
	}
	p, configured := s.Properties[key]
	ack := answer(reported, key)
	id := fmt.Sprintf("%v %s=%v", s.ID, key, value)
	fits := func(codes ...shadow.Code) {
		if !slices.Contains(codes, ack.Code) {
			w.fail("answer: %s is answered with %v %q, want one of %v", id, ack.Code, ack.Reason, codes)
		}
	}
	switch {
	case !configured:
		fits(shadow.NoProperty)
		return
	case p.Kind == config.Setting:
		if _, err := p.ParseSetting(value, nil); err != nil {
			fits(shadow.Refused)
		} else {
			fits(shadow.Done)
		}
		return
	case p.Kind == config.Schedule:
		fits(shadow.Done, shadow.Refused)
		return
	case isCommand(p.Kind):
		if p.Kind == config.Pulse && !asks(w.cfg, p, gpio.Ref{}, value) {
			fits(shadow.Done, shadow.Refused, shadow.Conflict)
		} else {
			fits(shadow.Refused, shadow.Conflict) // else it is cleared
		}
		return
	case !p.Output:
		fits(shadow.Refused)
		return
	}
	var err error
	switch p.Kind {
	case config.PWM:
		_, err = p.ParseDuty(value)
	case config.Pattern:
		_, err = p.ParsePattern(value)
	default:
		_, err = p.Values.Line(value)
	}
	same := shadow.Equal(value, reported[key])
	switch {
	case err != nil:
		fits(shadow.Refused)
	case same && p.Override == config.UpdatesDesired && ack.Code == 0: // the component desires it itself
	case p.Kind == config.PWM:
		fits(shadow.Done, shadow.Conflict, shadow.Refused)
	default:
		fits(shadow.Done, shadow.Conflict)
	}
	// A value whose output was on for its longest time stays answered with 200, also when the limit is gone.
	limited := w.cfg.Lines[p.Line].MaxOn > 0 || j.limited[w.cfg.Lines[p.Line].Ref]
	if err == nil && ack.Code == shadow.Done && p.Override != config.HoldsUntilNextDesired && !limited && !same {
		w.fail("not done: %s is answered with 200, reported is %v", id, reported[key])
	}
}

// emptied reports whether nothing is left of an object but nulls.
func emptied(members map[string]any) bool {
	for _, value := range members {
		if inner, object := value.(map[string]any); value != nil && !(object && emptied(inner)) {
			return false
		}
	}
	return true
}

// counters checks what is confCount.
func (j *confJudge) counters() {
	w := j.w
	for _, p := range w.props {
		if p.Property.Kind != config.Count {
			continue
		}
		at, id := p.address(), p.PropertyID
		value := w.content(at.id).Reported[at.key]
		n, ok := edgesOfCount(p.Property, value)
		if !ok {
			w.fail("count: %v reports %v", id, value)
		}
		c := j.counts[id]
		writes := j.writes[at]
		switch {
		case j.unsure[at.id] && (len(writes) > 0 || j.changed[id] || j.lost):
		case len(writes) == 0 || allRefused(p.Property, writes):
			if n < c.low || n > c.high {
				w.fail("count: %v is %d edges, want %d to %d", id, n, c.low, c.high)
			}
		case j.changed[id] || allRefused(p.Property, writes[len(writes)-1:]): // it may have come too late
		default:
			last, set := lastCount(p.Property, writes)
			within := set && n >= last+max(c.after, 0) && n <= last+c.since
			if !within && !(answer(w.content(at.id).Reported, at.key).Code != shadow.Done && n >= c.low && n <= c.high) {
				w.fail("count: %v is %d edges, want %d, as was desired last and counted since then, to %d", id, n, last+max(c.after, 0), last+c.since)
			}
		}
		j.counts[id] = confCount{n, n, 0, -1}
	}
	if w.pending == nil {
		j.savedCounts = maps.Clone(j.counts)
	}
}

// lastCount is the last of the values that a count takes, in edges.
func lastCount(p config.Property, writes []any) (edges int64, ok bool) {
	for _, value := range slices.Backward(writes) {
		if edges, err := p.ParseCount(value); err == nil {
			return edges, true
		}
	}
	return 0, false
}

func allRefused(p config.Property, writes []any) bool {
	_, ok := lastCount(p, writes)
	return !ok
}

// values checks what is reported against the lines, and what is in force.
func (j *confJudge) values() {
	w := j.w
	for _, p := range w.props {
		at, id := p.address(), p.PropertyID
		c := w.content(at.id)
		got := c.Reported[at.key]
		want := got
		refs := refsOf(w.cfg, p.Property)
		switch p.Property.Kind {
		case config.Level, config.Pulse:
			want = p.Values.Value(w.on(refs[0]))
		case config.Blink:
			want = p.Values.Value(j.waving[refs[0]] || w.on(refs[0]))
		case config.PWM:
			// A percentage that is next to nothing is reported as it was desired.
			if percent, ok := got.(float64); !j.waving[refs[0]] && !(ok && (percent > 99.9) == w.on(refs[0]) && (percent < 0.1) != w.on(refs[0])) {
				want = map[bool]any{true: 100.0, false: 0.0}[w.on(refs[0])]
			}
		case config.Pattern:
			want = nil
			for _, word := range slices.Sorted(maps.Keys(p.Patterns)) {
				if matches(w, p.Patterns[word]) {
					want = word
				}
			}
		case config.Rate, config.Period, config.Duty, config.LastPulse, config.Reading:
			_, number := got.(float64)
			want = j.ofKind(at, got, number)
		case config.Changed:
			text, _ := got.(string)
			_, err := time.Parse(timeFormat, text)
			want = j.ofKind(at, got, err == nil)
		case config.Setting:
			j.setting(p, c.Desired[at.key], got)
		case config.Flag:
			_, boolean := got.(bool)
			want = j.ofKind(at, got, boolean)
			j.flag(p, got)
		}
		if !shadow.Equal(want, got) {
			w.fail("reported: %v is %v, want %v", id, got, want)
		}
	}
}

// ofKind is what is to be reported of a property that may have no value: not one of
// another kind, unless nobody can know that it is one.
func (j *confJudge) ofKind(at confKey, got any, fits bool) any {
	switch {
	case fits || got == nil:
		delete(j.stale, at)
	case !j.stale[at]:
		return nil
	}
	return got
}

func matches(w *confWorld, states map[string]bool) bool {
	for label, on := range states {
		if w.on(w.cfg.Lines[label].Ref) != on {
			return false
		}
	}
	return true
}

// unknownSetting is what is remembered of a setting that may be one of several values.
const unknownSetting = "\x00unknown"

// setting checks a setting that is no object.
func (j *confJudge) setting(p confProperty, desired, got any) {
	w := j.w
	id, at := p.PropertyID, p.address()
	if p.Domain.Type == config.ObjectValue {
		return // see the comparisons at rest
	}
	adopted, err := p.ParseSetting(desired, nil)
	remembered, known := j.settings[id]
	untouched := j.wrote[at] == 0 && !j.changed[id] && !j.lost && !j.unsure[at.id]
	switch {
	case desired != nil && err == nil:
		j.settings[id] = adopted
	case remembered == unknownSetting:
		return
	case !known && untouched || known && len(j.writes[at]) == 0 && !j.lost:
		j.settings[id] = remembered
		adopted = remembered
	default:
		j.settings[id] = unknownSetting // it may be one of several
		return
	}
	want, _ := p.Initial(adopted)
	if !shadow.Equal(want, got) {
		w.fail("setting: %v is %v, want %v, remembered is %v", id, got, want, adopted)
	}
}

// watchedBy is what an alarm watches, and how: its identity. Another alarm with the same
// makes it ambiguous.
func watchedBy(cfg *config.Config, a config.Alarm) string {
	if a.Line != "" {
		return fmt.Sprint(cfg.Lines[a.Line].Ref, " ", a.Test)
	}
	s := cfg.Shadows[a.Property.Shadow]
	return fmt.Sprint(configgen.PropertyID{Shadow: s.ID, Key: a.Property.Key, Kind: s.Properties[a.Property.Key].Kind}, " ", a.Test)
}

func alarmsOf(cfg *config.Config, watched string) (alarms []config.Alarm) {
	for _, label := range slices.Sorted(maps.Keys(cfg.Alarms)) {
		if a := cfg.Alarms[label]; watchedBy(cfg, a) == watched {
			alarms = append(alarms, a)
		}
	}
	return alarms
}

// keepsAlarm reports whether a latched alarm is still one, or is gone for a time.
func (j *confJudge) keepsAlarm(watched string, before *config.Config) bool {
	alarms := alarmsOf(j.w.cfg, watched)
	return len(alarms) == 0 || len(alarms) == 1 && alarms[0].Latched && len(alarmsOf(before, watched)) < 2
}

// flag checks what is reported of an alarm.
func (j *confJudge) flag(p confProperty, got any) {
	w := j.w
	a := w.cfg.Alarms[p.Alarm]
	watched := watchedBy(w.cfg, a)
	if len(alarmsOf(w.cfg, watched)) > 1 {
		return
	}
	reset := false
	for _, q := range w.props {
		if q.Property.Kind == config.Flag && q.Alarm == p.Alarm {
			reset = reset || len(j.writes[q.address()]) > 0
		}
	}
	if a.Line != "" && got != nil {
		holds := w.on(w.cfg.Lines[a.Line].Ref) == a.Limit
		if holds && got != true || !holds && got == true && !a.Latched {
			w.fail("alarm: %v is %v, the line that it watches is %v", p.PropertyID, got, w.on(w.cfg.Lines[a.Line].Ref))
		}
	}
	if j.latched[watched] && a.Latched && got != true && !reset && !j.lost {
		w.fail("alarm: %v is %v, want true, since it is latched and was not reset", p.PropertyID, got)
	}
	// It counts if all of its flags show it, and what it watches has a value: else they
	// may still show what the alarm was before.
	shown := a.Line != ""
	if !shown {
		s := w.cfg.Shadows[a.Property.Shadow]
		shown = w.content(s.ID).Reported[a.Property.Key] != nil
	}
	for _, q := range w.props {
		shown = shown && !(q.Property.Kind == config.Flag && q.Alarm == p.Alarm && w.content(q.PropertyID.Shadow).Reported[q.Key] != true)
	}
	j.latched[watched] = a.Latched && shown
}

// ghosts checks that nothing is left of what is not configured.
func (j *confJudge) ghosts() {
	w := j.w
	for _, s := range w.shadows() {
		properties := w.properties(s.id)
		status := false
		for _, c := range w.cfg.Shadows {
			status = status || c.ID == s.id && c.Status
		}
		reported := w.content(s.id).Reported
		for _, key := range slices.Sorted(maps.Keys(reported)) {
			_, configured := properties[key]
			if configured || key == "foreign" || reported[key] == nil || key == shadow.AckKey && properties != nil || key == shadow.StatusKey && status {
				delete(j.excused, confKey{s.id, key})
				continue
			}
			if !j.excused[confKey{s.id, key}] {
				w.fail("ghost: %v still reports %s=%v", s.id, key, reported[key])
			}
		}
	}
}

// settle takes what there is at rest for the ground of what follows.
func (j *confJudge) settle() {
	w := j.w
	configured := map[configgen.PropertyID]bool{}
	for _, p := range w.props {
		configured[p.PropertyID] = true
	}
	for id := range j.counts {
		if !configured[id] && len(j.writes[confKey{id.Shadow, id.Key}]) > 0 {
			j.counts[id] = confCount{0, math.MaxInt64 / 2, 0, -1} // it may have been set before it was removed
			j.savedCounts[id] = j.counts[id]
		}
	}
	for id := range j.settings {
		if !configured[id] && len(j.writes[confKey{id.Shadow, id.Key}]) > 0 {
			j.settings[id] = unknownSetting
		}
	}
	maps.DeleteFunc(j.writes, func(at confKey, _ []any) bool {
		// What is desired where nothing is configured may be heard later.
		_, configured := w.properties(at.id)[at.key]
		return configured || w.content(at.id).Desired[at.key] == nil
	})
	clear(j.changed)
	clear(j.unsure)
	clear(j.locals)
	clear(j.strays)
	j.lost = false
	for _, p := range w.props {
		id := p.PropertyID
		id.Kind = config.Pulse
		j.spent[id] = j.number
		for _, ref := range refsOf(w.cfg, p.Property) {
			if p.Output && !j.is[ref] && !j.waving[ref] {
				delete(j.could, ref)
			}
			if p.Output && asks(w.cfg, p.Property, ref, w.content(p.PropertyID.Shadow).Desired[p.Key]) {
				j.could[ref] = true
			}
		}
	}
	for _, label := range slices.Sorted(maps.Keys(w.cfg.Lines)) {
		ref := w.cfg.Lines[label].Ref
		if _, driven := j.driver(ref); w.cfg.Lines[label].Direction == gpio.Output && !driven && !j.is[ref] && !j.waving[ref] {
			delete(j.could, ref)
		}
	}
}
