package engine

import (
	"maps"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/tools/configgen"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// confJudge checks an engine against what it owes. It knows lines and properties by
// their identities, never by labels.
//
// At all times (configstormlines_test.go):
//
//   - an output goes on only when all others of its interlock are off, and have been off
//     for the dead time; it keeps minOn and minOff, and goes off after maxOn;
//   - an output goes on only if there is a reason: a desired value, a control, an alarm,
//     a schedule, its start or fail-safe state, or that it was on before;
//   - each desired pulse is carried out once at most;
//   - a configuration change moves no output that it is not about.
//
// At rest (configstormrest_test.go):
//
//   - reported values match the lines;
//   - a count is the value set last plus the edges since then, less the edges that a kill
//     took before they were saved; a setting is the value desired last; a latched alarm
//     stays raised until it is reset. Relabeling, removal with a later rollback, and
//     restarts change none of them;
//   - each desired value has one answer, and no command is left in desired;
//   - a shadow reports nothing that is not configured;
//   - requests stay within the budget of each thing and of all things.
//
// A change, or a restart, that is made at rest leaves everything as it was that it is not
// about (configstormscope_test.go).
type confJudge struct {
	w *confWorld

	// Lines, by their identities. A missing time means "since ever".
	on         map[gpio.Ref]bool      // outputs that are on, under the present configuration
	changedAt  map[gpio.Ref]time.Time // when they last went on or off
	rulesSince map[gpio.Ref]time.Time // when their limits or their polarity last changed
	faulty     map[gpio.Ref]bool      // they did not follow, or their chip failed
	demanded   map[gpio.Ref]bool      // outputs with a reason to go on since the last rest
	toggles    map[gpio.Ref]int       // how often controls may have turned them on since then
	released   map[gpio.Ref]confLevel // levels of outputs that were released in this step
	turns      map[gpio.Ref]int       // how often the engine moved them
	waves      map[gpio.Ref]bool      // outputs that go on and off at rest
	limited    map[gpio.Ref]bool      // outputs that had a maxOn under some configuration
	unbidden   map[gpio.Ref]bool      // outputs that are off, with a start, fail-safe, alarm or schedule of an earlier configuration that may still wait for a rule

	began    time.Time // start of this run
	stopping bool
	runs     int // runs that ended

	// Desired values. Those that are not null have consecutive numbers.
	requests      map[confKey][]any // since the last rest
	requestCount  map[confKey]int   // of all times, without nulls
	requestNumber int               // of the latest value of all
	lastRequest   map[confKey]int   // number of the latest value of a key
	numbers       map[confKey][]int // of all of them, of a key
	heard         map[shadow.ID]int // number of the latest value that the engine may have heard
	read          map[shadow.ID]int // number of the latest value in a document that it read; it carries out no older one
	concluded     map[confKey]int   // commands that were answered with 200 and cleared

	// Properties, by their identities.
	spent                     map[configgen.PropertyID]int       // number of the latest value that cannot pulse any more
	pulsesSince               map[configgen.PropertyID]int       // pulses since the latest desired value
	counts                    map[configgen.PropertyID]confCount // now,
	countsSaving, countsSaved map[configgen.PropertyID]confCount // in the state on its way to the disk, and on the disk
	meanings                  map[configgen.PropertyID][]int64   // edges that the latest value of a count may mean, by the scales in force until its answer
	settings                  map[configgen.PropertyID]any       // adopted values
	latched                   map[string]bool                    // by [watchedBy]
	added                     map[configgen.PropertyID]bool      // configured since the last rest

	// Excuses of the engine.
	leftovers    map[confKey]bool   // keys that may stay reported, since nobody remembers them
	otherKind    map[confKey]bool   // keys that may report a value of another kind, likewise
	rewritten    map[shadow.ID]bool // shadows that others overwrote or deleted since the last rest
	stateLost    bool               // the state was lost since the last rest
	configSaving bool               // a state of the present configuration is on its way to the disk
	configSaved  bool               // or there
}

// confKey names a key of a shadow, whatever its property is.
type confKey struct {
	id  shadow.ID
	key string
}

// confLevel says whether a line is on, and since when.
type confLevel struct {
	on    bool
	since time.Time
}

// confCount bounds a count, in edges.
type confCount struct {
	low, high int64
	since     int64 // edges since the latest desired value
	after     int64 // edges since the answer 200 to it; -1 before that
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
		w:          w,
		on:         map[gpio.Ref]bool{},
		changedAt:  map[gpio.Ref]time.Time{},
		rulesSince: map[gpio.Ref]time.Time{},
		faulty:     map[gpio.Ref]bool{},
		demanded:   map[gpio.Ref]bool{},
		toggles:    map[gpio.Ref]int{},
		released:   map[gpio.Ref]confLevel{},
		turns:      map[gpio.Ref]int{},
		waves:      map[gpio.Ref]bool{},
		limited:    map[gpio.Ref]bool{},
		unbidden:   map[gpio.Ref]bool{},

		requests:     map[confKey][]any{},
		requestCount: map[confKey]int{},
		lastRequest:  map[confKey]int{},
		numbers:      map[confKey][]int{},
		heard:        map[shadow.ID]int{},
		read:         map[shadow.ID]int{},
		concluded:    map[confKey]int{},

		spent:        map[configgen.PropertyID]int{},
		pulsesSince:  map[configgen.PropertyID]int{},
		counts:       map[configgen.PropertyID]confCount{},
		countsSaving: map[configgen.PropertyID]confCount{},
		countsSaved:  map[configgen.PropertyID]confCount{},
		meanings:     map[configgen.PropertyID][]int64{},
		settings:     map[configgen.PropertyID]any{},
		latched:      map[string]bool{},
		added:        map[configgen.PropertyID]bool{},

		leftovers: map[confKey]bool{},
		otherKind: map[confKey]bool{},
		rewritten: map[shadow.ID]bool{},
	}
}

// keyOf is the key of a property.
func keyOf(p configgen.Property) confKey { return confKey{p.ID.Shadow, p.ID.Key} }

// driver finds the property that drives an output.
func (j *confJudge) driver(ref gpio.Ref) (configgen.Property, bool) {
	for _, p := range j.w.props {
		if p.Output && p.Kind != config.Schedule && slices.Contains(configgen.Refs(j.w.cfg, p.Property), ref) {
			return p, true
		}
	}
	return configgen.Property{}, false
}

// others lists the other lines of the interlock of an output.
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

// isSwitched reports whether an alarm or a schedule may switch an output at any time.
func isSwitched(cfg *config.Config, label string) bool {
	for _, a := range cfg.Alarms {
		if a.Output == label {
			return true
		}
	}
	return isScheduled(cfg, label)
}

func isScheduled(cfg *config.Config, label string) bool {
	for _, p := range configgen.Properties(cfg) {
		if p.Kind == config.Schedule && p.Drives == label {
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

// asks reports whether a desired value turns a line on, now or later.
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

// hears notes an input before the engine gets it.
func (j *confJudge) hears(in any) {
	w := j.w
	switch in := in.(type) {
	case inFetched:
		j.heard[in.id] = max(j.heard[in.id], in.number)
		if in.outcome == stormOK {
			j.read[in.id] = max(j.read[in.id], in.number)
		}
	case inAccepted:
		j.heard[in.id] = max(j.heard[in.id], in.number)
	case inFailed:
		if h := w.claims[in.claim]; h != nil && h.request == in.request {
			delete(w.claims, in.claim)
		}
	case inSeen:
		h := w.claims[in.claim]
		if h == nil || h.request != in.request {
			return // an edge of an older request
		}
		label, cfg := w.labels[h.refs[0]], w.cfg
		for _, name := range slices.Sorted(maps.Keys(cfg.Controls)) {
			if c := cfg.Controls[name]; c.Input == label && c.Action != config.Reset {
				output := cfg.Lines[c.Output].Ref
				j.demanded[output] = true
				j.toggles[output] += in.burst.Rising + in.burst.Falling + 1
			}
		}
		for _, p := range configgen.Properties(cfg) {
			if p.Kind != config.Count || p.Line != label {
				continue
			}
			n := int64(0)
			if p.Edges&gpio.RisingEdges != 0 {
				n += int64(in.burst.Rising)
			}
			if p.Edges&gpio.FallingEdges != 0 {
				n += int64(in.burst.Falling)
			}
			c := j.counts[p.ID]
			j.counts[p.ID] = c.plus(n)
		}
	}
}

// written notes a desired value.
func (j *confJudge) written(id shadow.ID, key string, value any) {
	at := confKey{id, key}
	j.requests[at] = append(j.requests[at], value)
	if value == nil {
		return
	}
	j.requestCount[at]++
	j.requestNumber++
	j.lastRequest[at] = j.requestNumber
	j.numbers[at] = append(j.numbers[at], j.requestNumber)
	for _, p := range j.w.props {
		if keyOf(p) != at {
			continue
		}
		if p.Kind == config.Count {
			if edges, err := p.ParseCount(value); err == nil {
				j.meanings[p.ID] = []int64{edges}
			}
		}
		for _, ref := range configgen.Refs(j.w.cfg, p.Property) {
			j.demanded[ref] = j.demanded[ref] || p.Output && asks(j.w.cfg, p.Property, ref, value)
		}
	}
	for pid := range j.pulsesSince {
		if pid.Shadow == id && pid.Key == key {
			j.pulsesSince[pid] = 0
		}
	}
	counter := configgen.PropertyID{Shadow: id, Key: key, Kind: config.Count}
	c := j.counts[counter]
	c.since, c.after = 0, -1
	j.counts[counter] = c
}

// noteRewrite notes that somebody else overwrites or deletes values of the component.
func (j *confJudge) noteRewrite(id shadow.ID) { j.rewritten[id] = true }

// stored notes an update of the engine that the shadow manager stored, over these desired
// values. A cleared value may be cleared again, for the synchronization.
func (j *confJudge) stored(u outUpdate, desired map[string]any) {
	acks, _ := u.reported[shadow.AckKey].(map[string]any)
	for key, value := range u.desired {
		ack, ok := acks[key].(map[string]any)
		if value != nil || desired[key] == nil || !ok || ack["code"] != shadow.Done {
			continue
		}
		at := confKey{u.id, key}
		id := configgen.PropertyID{Shadow: u.id, Key: key, Kind: config.Count}
		if c, counts := j.counts[id]; counts && c.after < 0 && j.lastRequest[at] <= j.heard[u.id] {
			c.after = 0
			j.counts[id] = c
		}
		if j.concluded[at]++; j.concluded[at] > j.requestCount[at]+j.runs {
			j.w.fail("answered twice: %v %s is answered with 200 and cleared %d times, desired %d times", u.id, key, j.concluded[at], j.requestCount[at])
		}
	}
}

// storedLate notes that an update was stored after the engine gave it up. The engine does
// not hear of it if it stops following the shadow, which is no longer configured. A later
// run does not know the update: it remembers only the keys that no run has seen deleted,
// and it may not have been subscribed when the update was stored.
func (j *confJudge) storedLate(u lateUpdate) {
	if j.w.properties(u.id) != nil && u.run == j.w.runs {
		return
	}
	for key := range u.reported {
		j.leftovers[confKey{u.id, key}], j.otherKind[confKey{u.id, key}] = true, true
	}
}

// excuses reports whether an update may come at rest: a schedule is due, or a value is
// repeated after its longest interval.
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

// saving notes that a state is on its way to the disk.
func (j *confJudge) saving() {
	j.countsSaving = maps.Clone(j.counts)
	j.configSaving = true
}

// kept notes that this state is on the disk.
func (j *confJudge) kept() { j.countsSaved, j.configSaved = maps.Clone(j.countsSaving), j.configSaving }

// started notes the start of a run, which has the saved state.
func (j *confJudge) started() {
	j.began, j.stopping = j.w.now, false
	before := j.counts
	j.counts = maps.Clone(j.countsSaved)
	for id, c := range before {
		if _, saved := j.countsSaved[id]; !saved {
			j.counts[id] = confCount{0, c.high, c.since, -1}
		}
	}
	for id, c := range j.counts {
		c.after = -1 // the run may have forgotten the set value
		j.counts[id] = c
	}
}

// ended notes the end of a run. Values that it reported and could not save may stay
// reported.
func (j *confJudge) ended(before *config.Config) {
	j.runs++
	if !j.configSaved {
		j.excuseAll()
	}
}

// excuseAll allows all that is reported now, or about to be, to stay so.
func (j *confJudge) excuseAll() {
	for _, s := range j.w.shadows() {
		for key := range j.w.content(s.id).Reported {
			j.leftovers[confKey{s.id, key}], j.otherKind[confKey{s.id, key}] = true, true
		}
	}
	for _, p := range j.w.props { // their reports may be on their way
		j.leftovers[keyOf(p)], j.otherKind[keyOf(p)] = true, true
		j.leftovers[confKey{p.ID.Shadow, shadow.AckKey}] = true
		j.leftovers[confKey{p.ID.Shadow, shadow.StatusKey}] = true
	}
}

// lostState notes that the state is gone: only the shadows know totals and settings.
func (j *confJudge) lostState() {
	j.runs++
	j.stateLost = true
	j.excuseAll()
	j.countsSaved = map[configgen.PropertyID]confCount{}
	for _, p := range j.w.props {
		at := keyOf(p)
		if p.Kind != config.Count {
			continue
		}
		if n, ok := edgesOfCount(p.Property, j.w.content(at.id).Reported[at.key]); ok && !j.rewritten[at.id] {
			j.countsSaved[p.ID] = confCount{min(n, j.counts[p.ID].low), max(n, j.counts[p.ID].high), j.counts[p.ID].since, -1}
		}
	}
	for id := range j.counts {
		if _, known := j.countsSaved[id]; !known {
			j.countsSaved[id] = confCount{0, j.counts[id].high, j.counts[id].since, -1}
		}
	}
	for at := range j.requestCount { // a command that is still desired may be forgotten
		id := configgen.PropertyID{Shadow: at.id, Key: at.key, Kind: config.Pulse}
		if j.w.content(at.id).Desired[at.key] != nil {
			j.spent[id] = min(j.spent[id], j.lastRequest[at]-1)
		}
	}
	for _, p := range j.w.props {
		j.settings[p.ID] = nil
	}
	for id := range j.settings {
		j.settings[id] = unknownSetting
	}
	clear(j.latched)
}

// configures notes another configuration, which is the present one already.
func (j *confJudge) configures(before *config.Config) {
	w := j.w
	j.configSaved, j.configSaving = false, false
	was := map[gpio.Ref]config.Line{}
	for _, l := range before.Lines {
		was[l.Ref] = l
		j.limited[l.Ref] = j.limited[l.Ref] || l.MaxOn > 0
	}
	for ref, label := range w.labels {
		cfg := w.cfg.Lines[label]
		old, configured := was[ref]
		if !configured || old.MaxOn != cfg.MaxOn || old.ActiveLow != cfg.ActiveLow {
			j.rulesSince[ref] = w.now
		}
		if cfg.Direction != gpio.Output {
			continue
		}
		if on := w.on(ref); on != j.on[ref] {
			j.demanded[ref] = true
			j.on[ref], j.changedAt[ref] = on, w.now
		}
	}
	kinds := map[confKey]config.Kind{}
	for _, p := range configgen.Properties(before) {
		kinds[keyOf(p)] = p.Kind
	}
	for _, l := range before.Lines { // a demand of a removed alarm may still wait
		if label, configured := w.labels[l.Ref]; configured {
			waits := l.Start == config.StartOn || l.Failsafe != nil && l.Failsafe.On || isSwitched(before, labelOf(before, l.Ref))
			j.demanded[l.Ref] = j.demanded[l.Ref] || waits || isSwitched(w.cfg, label)
			j.unbidden[l.Ref] = j.unbidden[l.Ref] || waits && !j.on[l.Ref]
		}
	}
	for _, c := range w.cfg.Controls { // an edge may wait for the delay of its input
		if in := w.cfg.Lines[c.Input]; in.OnDelay+in.OffDelay > 0 && c.Action != config.Reset {
			output := w.cfg.Lines[c.Output].Ref
			j.demanded[output] = true
			j.toggles[output]++
		}
	}
	old := map[configgen.PropertyID]bool{}
	for _, p := range configgen.Properties(before) {
		old[p.ID] = true
	}
	for id := range old {
		if c, ok := j.counts[id]; ok && j.stateLost {
			c.low = 0 // its shadow may not have been read
			j.counts[id], j.countsSaved[id] = c, c
		}
	}
	j.rescaled(before)
	for _, p := range w.props {
		if !old[p.ID] {
			j.added[p.ID] = true
		}
		value := w.content(p.ID.Shadow).Desired[p.ID.Key]
		for _, ref := range configgen.Refs(w.cfg, p.Property) {
			j.demanded[ref] = j.demanded[ref] || p.Output && asks(w.cfg, p.Property, ref, value)
		}
		if _, configured := kinds[keyOf(p)]; p.Kind == config.Pulse && !configured && value != nil && j.pulsesSince[p.ID] == 0 {
			// A desired value without a property is a request to the new property.
			j.spent[p.ID] = min(j.spent[p.ID], j.lastRequest[keyOf(p)]-1)
		}
	}
	for _, p := range configgen.Properties(before) {
		if p.Kind == config.Flag && len(j.requests[keyOf(p)]) > 0 {
			delete(j.latched, watchedBy(before, before.Alarms[p.Alarm])) // it may have been reset
		}
	}
	for id, latched := range j.latched {
		if latched && !j.keepsAlarm(id, before) {
			delete(j.latched, id)
		}
	}
}

// rescaled allows for counts with another scale. A desired value means other edges if the
// engine adopts it only now. And nothing tells by which scale an earlier run reported a
// count, if the state was lost before the shadow is read.
func (j *confJudge) rescaled(before *config.Config) {
	was := map[configgen.PropertyID]config.Property{}
	for _, p := range configgen.Properties(before) {
		was[p.ID] = p.Property
	}
	for _, p := range j.w.props {
		old, stays := was[p.ID]
		if p.Kind != config.Count || !stays || old.Scale == p.Scale {
			continue
		}
		at := keyOf(p)
		c := j.counts[p.ID]
		if edges, set := lastCount(p.Property, j.requests[at]); set && c.after < 0 {
			j.meanings[p.ID] = append(j.meanings[p.ID], edges)
		}
		reported := j.w.content(at.id).Reported[at.key]
		if n, ok := edgesOfCount(p.Property, reported); ok && j.stateLost {
			m, _ := edgesOfCount(old, reported)
			c.high += max(n-m, 0)
			j.counts[p.ID], j.countsSaved[p.ID] = c, c
		}
	}
}
