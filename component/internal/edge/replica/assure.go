package replica

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// The shadow manager copies each update to the cloud, and each change of the cloud to
// the device, one after the other. Three of its ways lose a part of an update
// (aws-greengrass/aws-greengrass-shadow-manager
// src/main/java/com/aws/greengrass/shadowmanager/sync/model/):
//
//   - LocalUpdateSyncRequest takes the whole local document, after a change of the
//     cloud, as known to the cloud. CloudUpdateSyncRequest.isUpdateNecessary then drops
//     an update stored before that change and not sent yet.
//   - Two waiting updates are merged. A null of the later one is lost if the earlier one
//     has the object around it (sync/RequestMerger.java).
//   - A section that is gone on one side and changed on the other is taken from the
//     other side, with all its keys (util/SyncNodeMerger.java).
//
// The cloud then differs from the device, and nothing tells. So the replica repeats the
// doubtful part, in an update with a change, or else with a number that makes it one. And
// it does not empty the desired section: it leaves a mark there.

const (
	// assureWindow is how long after an own update a change of the cloud leaves it in
	// doubt. It outlasts the time in which the shadow manager copies one change.
	assureWindow = 2 * time.Second
	// nullWindow is how long after another update, by anybody, a null is in doubt.
	nullWindow = time.Second
	// nullPause lets the updates before a repeated null reach the cloud. Further nulls
	// in doubt begin it anew, for up to nullPauses.
	nullPause  = 2 * time.Second
	nullPauses = 10 * time.Second
	// maxRepeats is how often a part is repeated at once if the cloud changes again and
	// again.
	maxRepeats = 2
	// secondPause is how long after a repetition all of it is repeated once more: the link
	// may have been lost before the first one reached the cloud, and nothing tells.
	secondPause = time.Minute
)

// assurance has the parts of own updates that may not have reached the cloud.
type assurance struct {
	recent []written // own updates of the last assureWindow
	sentAt time.Time // of the last own update; zero for none
	moved  time.Time // when the shadow was last written, by anybody, as far as known

	unheard int64 // number of own updates since the last one whose message arrived

	// doubted has the parts to repeat: paths of the reported section, and desired keys
	// with the value that was written.
	doubted written
	at      time.Time // when to repeat them; zero for never
	first   time.Time // when nulls were first doubted, as long as they are; zero for none

	// weak has the parts that the last update repeated without a number. The change that
	// made it an update may be undone by the next one, while both wait.
	weak *written

	// unclear has the cleared keys that a full synchronization may bring back: the clear
	// was in doubt, or the value had come with a full synchronization, after which the
	// shadow manager may have lost its record of both sides.
	unclear map[string]bool

	second   written   // repeated, and to be repeated once more
	secondAt time.Time // zero for never

	number int64 // of the last repetition in this shadow
	lost   bool  // the earlier run ended without a word: all its updates are in doubt
}

// written is what an update wrote, at a time.
type written struct {
	seq               uint64 // of the update
	at                time.Time
	reported, desired map[string]any
	again             bool // it has been repeated: no second repetition follows
	times             int  // how often it has been repeated at once, up to maxRepeats
}

// pending reports whether there are doubted parts to repeat.
func (a *assurance) pending() bool { return !a.at.IsZero() }

// next returns when parts are to be repeated, zero for never.
func (a *assurance) next() time.Time {
	if a.at.IsZero() || !a.secondAt.IsZero() && a.secondAt.Before(a.at) {
		return a.secondAt
	}
	return a.at
}

func (a *assurance) due(now time.Time) bool {
	at := a.next()
	return !at.IsZero() && !now.Before(at)
}

// noteSent records an own update, without what it repeats.
func (r *Replica) noteSent(now time.Time, u Update) {
	a := &r.assure
	if r.direct {
		return
	}
	recent := a.recent[:0]
	for _, w := range a.recent {
		if now.Sub(w.at) <= assureWindow {
			recent = append(recent, w)
		}
	}
	a.recent = append(recent, written{seq: u.Seq, at: now, reported: u.Reported, desired: u.Desired})
	a.unheard++
	for key, value := range u.Desired {
		if q, requested := r.requests[key]; value == nil && requested && !q.Fresh {
			a.setUnclear(key)
		}
	}
	switch {
	case now.Sub(a.moved) >= nullWindow:
		a.first = time.Time{}
	default:
		r.doubtNulls(now, u)
	}
	a.sentAt, a.moved = now, now
}

// doubtNulls doubts the nulls of an update that may wait together with an earlier one.
func (r *Replica) doubtNulls(now time.Time, u Update) {
	a := &r.assure
	reported, desired := nulls(u.Reported), nulls(u.Desired)
	switch {
	case len(reported)+len(desired) == 0:
		return
	case a.first.IsZero():
		a.first = now
	case now.Sub(a.first) > nullPauses:
		return // the shadow does not come to rest
	}
	a.doubt(written{seq: u.Seq, reported: reported, desired: desired})
	if at := now.Add(nullPause); a.at.Before(at) {
		a.at = at
	}
	r.touch()
}

// doubtRecent doubts all own updates of the last time.
func (r *Replica) doubtRecent(now time.Time, window time.Duration) {
	a := &r.assure
	for _, w := range a.recent {
		if window == 0 || now.Sub(w.at) <= window {
			a.doubt(w)
			a.at = now
		}
	}
	a.recent = a.recent[:0]
	r.touch()
}

// doubtAll doubts all that this document has of the component.
func (r *Replica) doubtAll(now time.Time) {
	desired := map[string]any{}
	for key := range r.requests {
		if _, there := r.desired[key]; !there && r.owner.IsCommand(key) {
			desired[key] = nil
		}
	}
	for key, value := range r.desired {
		// What the device itself desires has no answer. Other values are not written
		// again: they would look like new requests.
		_, answered := r.haveAck[key]
		if have, reported := r.have[key]; reported && !answered && key != shadow.SyncKey && shadow.Equal(have, value) {
			desired[key] = value
		}
	}
	reported := r.shown()
	acks, _ := reported[shadow.AckKey].(map[string]any)
	for key := range acks {
		// A member that was removed, too.
		acks[key] = map[string]any{"code": nil, "version": nil, "reason": nil, "value": nil, "id": nil}
	}
	r.assure.doubt(written{reported: reported, desired: desired})
	r.assure.at = now
	r.touch()
}

// add adds the parts of another update.
func (w *written) add(other written) {
	w.seq, w.times = max(w.seq, other.seq), max(w.times, other.times)
	w.reported = overlaid(w.reported, other.reported)
	delete(w.reported, shadow.SyncKey) // it is written when it changes
	w.desired = cloneMap(w.desired)
	maps.Copy(w.desired, other.desired)
}

func (a *assurance) doubt(w written) {
	a.doubted.add(w)
	a.doubted.again = false
	for key, value := range w.desired {
		if value == nil {
			a.setUnclear(key)
		}
	}
}

func (a *assurance) setUnclear(key string) {
	if a.unclear == nil {
		a.unclear = map[string]bool{}
	}
	a.unclear[key] = true
}

// heard notes a single change of the cloud. The shadow manager makes it only with a
// record that is up to date.
func (a *assurance) heard() {
	maps.DeleteFunc(a.unclear, func(key string, _ bool) bool {
		_, doubted := a.doubted.desired[key]
		return !doubted
	})
}

// merged forgets the doubts about updates up to seq: a full synchronization has merged
// them, or does so again until both sides agree. Cleared keys that it brings back stay
// in doubt. And so do the last updates: those that wait follow it to the cloud.
func (a *assurance) merged(now time.Time, seq uint64, desired map[string]any) {
	defer func(recent []written) {
		for _, w := range recent {
			if now.Sub(w.at) < nullWindow && w.seq <= seq {
				a.doubt(w)
				a.at = now.Add(nullPause)
			}
		}
	}(slices.Clone(a.recent))
	a.recent = slices.DeleteFunc(a.recent, func(w written) bool { return w.seq <= seq })
	if a.doubted.seq > seq {
		return
	}
	maps.DeleteFunc(a.doubted.desired, func(key string, value any) bool { return value != nil || desired[key] == nil })
	maps.DeleteFunc(a.unclear, func(key string, _ bool) bool { return desired[key] == nil })
	a.second, a.secondAt = written{}, time.Time{}
	if a.doubted.reported, a.weak = nil, nil; len(a.doubted.desired) == 0 {
		a.doubted, a.at = written{}, time.Time{}
	}
}

// settled forgets the doubts about a desired key, which somebody else has written.
func (a *assurance) settled(key string) {
	delete(a.doubted.desired, key)
	delete(a.second.desired, key)
	for i := range a.recent {
		if _, has := a.recent[i].desired[key]; has {
			a.recent[i].desired = maps.Clone(a.recent[i].desired)
			delete(a.recent[i].desired, key)
		}
	}
}

// repeat adds the doubted parts to an update, with their present values.
func (r *Replica) repeat(now time.Time, u *Update) {
	a := &r.assure
	once := a.doubted
	if once.again {
		once = written{}
	}
	if now.Before(a.secondAt) {
		a.second.add(once)
	} else {
		if !a.secondAt.IsZero() {
			a.doubted.add(a.second)
		}
		a.second, a.secondAt = once, time.Time{}
		if len(once.reported)+len(once.desired) > 0 {
			a.secondAt = now.Add(secondPause)
		} else {
			a.doubted.again = true
		}
	}
	if repeated := present(a.doubted.reported, r.shownUnder(a.doubted.reported)); len(repeated) > 0 {
		u.Reported = overlaid(repeated, u.Reported)
	}
	desired := map[string]any{}
	for key, value := range a.doubted.desired {
		have, there := r.desired[key]
		if value == nil && !there && len(r.desired) > 0 || there && shadow.Equal(have, value) {
			desired[key] = value
		}
	}
	maps.Copy(desired, u.Desired)
	u.Desired = desired
	r.flight.doubted = a.doubted
	if w := a.doubted; w.times < maxRepeats {
		w.seq, w.at, w.times = u.Seq, now, w.times+1
		a.recent = append(a.recent, w)
	}
	a.doubted, a.at = written{}, time.Time{}
}

// redoubt takes back the doubts of an update that was not stored.
func (r *Replica) redoubt(w written) {
	if len(w.reported)+len(w.desired) > 0 {
		again := w.again && !r.assure.pending()
		r.assure.doubt(w)
		r.assure.doubted.again = again
		r.assure.at = r.assure.sentAt // at the next opportunity
	}
}

// shownUnder returns the reported section as known, as far as a tree has paths into it.
// It is empty only if the whole section is.
func (r *Replica) shownUnder(paths map[string]any) map[string]any {
	part := make(map[string]any, len(paths))
	for key := range paths {
		if value, there := r.have[key]; there {
			part[key] = value
		}
	}
	answered, _ := paths[shadow.AckKey].(map[string]any)
	acks := make(map[string]any, len(answered))
	for key := range answered {
		if ack, there := r.haveAck[key]; there {
			acks[key] = ackPatch(ack, shadow.Ack{})
		}
	}
	switch {
	case len(acks) > 0:
		part[shadow.AckKey] = acks
	case len(r.haveAck) > 0:
		part[shadow.AckKey] = map[string]any{"": nil} // there are answers, but none of these
	}
	if len(part) == 0 && len(r.have) > 0 {
		part[""] = nil // there are values, but none of these
	}
	return part
}

// shown returns the reported section as known, the acknowledgements included.
func (r *Replica) shown() map[string]any {
	all := maps.Clone(r.have)
	if len(r.haveAck) > 0 {
		acks := make(map[string]any, len(r.haveAck))
		for key, ack := range r.haveAck {
			acks[key] = ackPatch(ack, shadow.Ack{})
		}
		all[shadow.AckKey] = acks
	}
	return all
}

// noteSync takes over the mark and the number that a document has.
func (r *Replica) noteSync(doc shadow.Document) {
	members, reported := doc.Reported[shadow.SyncKey].(map[string]any)
	if number, ok := members["sent"].(json.Number); ok {
		if n, err := number.Int64(); err == nil {
			r.assure.number = max(r.assure.number, n)
		}
	}
	_, marked := r.desired[shadow.SyncKey]
	switch {
	case r.owner == nil:
		r.setWant(shadow.SyncKey, nil)
	case reported || marked:
		r.setWant(shadow.SyncKey, r.syncValue(marked))
	default:
		delete(r.want, shadow.SyncKey)
	}
}

// syncValue returns the value to report under the key of the synchronization, nil for
// none.
func (r *Replica) syncValue(marked bool) any {
	value := map[string]any{}
	if marked {
		value = maps.Clone(mark)
	}
	if r.assure.number > 0 {
		value["sent"] = r.assure.number
	}
	if len(value) == 0 {
		return nil
	}
	return value
}

// mark is the value of the key of the synchronization in the desired section.
var mark = map[string]any{"kept": true}

// nulls returns the part of an update that consists of nulls.
func nulls(update map[string]any) map[string]any {
	found := map[string]any{}
	for key, value := range update {
		if value == nil {
			found[key] = nil
		} else if members, object := value.(map[string]any); object {
			if inner := nulls(members); len(inner) > 0 {
				found[key] = inner
			}
		}
	}
	return found
}

// present returns the values found under the paths of a tree, and null where there is
// none. An empty section has no paths: it would store a null.
func present(paths, values map[string]any) map[string]any {
	found := map[string]any{}
	if len(values) == 0 {
		return found
	}
	for key, path := range paths {
		value, there := values[key]
		inner, object := path.(map[string]any)
		members, object2 := value.(map[string]any)
		switch {
		case !there:
			found[key] = nil
		case object && object2:
			if part := present(inner, members); len(part) > 0 {
				found[key] = part
			}
		default:
			found[key] = value
		}
	}
	return found
}

// overlaid returns base with the members of top, object by object. It changes neither.
func overlaid(base, top map[string]any) map[string]any {
	all := cloneMap(base)
	for key, value := range top {
		over, object := value.(map[string]any)
		under, object2 := all[key].(map[string]any)
		if object && object2 {
			all[key] = overlaid(under, over)
		} else {
			all[key] = value
		}
	}
	return all
}
