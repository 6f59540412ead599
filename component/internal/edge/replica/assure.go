package replica

import (
	"encoding/json"
	"maps"
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
	assureWindow = 5 * time.Second
	// nullWindow is how long after an own update a null is in doubt.
	nullWindow = time.Second
	// nullPause lets the updates before a repeated null reach the cloud. Further nulls
	// in doubt begin it anew, up to nullPauses.
	nullPause  = 2 * time.Second
	nullPauses = 10 * time.Second
)

// assurance has the parts of own updates that may not have reached the cloud.
type assurance struct {
	recent []written // own updates of the last assureWindow
	sentAt time.Time // of the last own update; zero for none

	unheard int64 // number of own updates since the last one whose message arrived

	// doubted has the parts to repeat: paths of the reported section, and desired keys
	// with the value that was written.
	doubted written
	at      time.Time // when to repeat them; zero for never
	first   time.Time // when the first null of them was written; zero for none

	// weak has the parts that the last update repeated without a number. The change that
	// made it an update may be undone by the next one, while both wait.
	weak *written

	number int64 // of the last repetition in this shadow
	lost   bool  // the earlier run ended without a word: all its updates are in doubt
}

// written is what an update wrote, at a time.
type written struct {
	at                time.Time
	reported, desired map[string]any
}

// pending reports whether there are doubted parts to repeat.
func (a *assurance) pending() bool { return !a.at.IsZero() }

func (a *assurance) due(now time.Time) bool { return a.pending() && !now.Before(a.at) }

// noteSent records an own update.
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
	a.recent = append(recent, written{now, u.Reported, u.Desired})
	a.unheard++
	if !a.sentAt.IsZero() && now.Sub(a.sentAt) < nullWindow {
		r.doubtNulls(now, u)
	}
	a.sentAt = now
}

// doubtNulls doubts the nulls of an update that may wait together with an earlier one.
func (r *Replica) doubtNulls(now time.Time, u Update) {
	a := &r.assure
	reported, desired := nulls(u.Reported), nulls(u.Desired)
	if len(reported)+len(desired) == 0 {
		return
	}
	a.doubt(written{reported: reported, desired: desired})
	if a.first.IsZero() {
		a.first = now
	}
	if at, last := now.Add(nullPause), a.first.Add(nullPauses); !a.pending() || a.at.Before(at) {
		a.at = at
		if at.After(last) {
			a.at = last
		}
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
	r.assure.doubt(written{reported: r.shown(), desired: desired})
	r.assure.at = now
	r.touch()
}

func (a *assurance) doubt(w written) {
	a.doubted.reported = overlaid(a.doubted.reported, w.reported)
	a.doubted.desired = cloneMap(a.doubted.desired)
	maps.Copy(a.doubted.desired, w.desired)
}

// settled forgets the doubts about a desired key, which somebody else has written.
func (a *assurance) settled(key string) {
	delete(a.doubted.desired, key)
	for i := range a.recent {
		if _, has := a.recent[i].desired[key]; has {
			a.recent[i].desired = maps.Clone(a.recent[i].desired)
			delete(a.recent[i].desired, key)
		}
	}
}

// repeat adds the doubted parts to an update, with their present values.
func (r *Replica) repeat(u *Update) {
	a := &r.assure
	if repeated := present(a.doubted.reported, r.shown()); len(repeated) > 0 {
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
	a.doubted, a.at, a.first = written{}, time.Time{}, time.Time{}
}

// redoubt takes back the doubts of an update that was not stored.
func (r *Replica) redoubt(w written) {
	if len(w.reported)+len(w.desired) > 0 {
		r.assure.doubt(w)
		r.assure.at = r.assure.sentAt // at the next opportunity
	}
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
