package shadowdoc

import "strconv"

// MergeThree is the state that makes two documents one, given the last in which
// they agreed, nil if they never did (aws-greengrass/aws-greengrass-shadow-manager
// util/SyncNodeMerger.java). What only one side has changed counts; of what both
// have, desired is the cloud's and reported the device's. What was deleted is null.
func MergeThree(local, cloud, base *Document) *Object {
	if base == nil {
		base = &Document{}
	}
	state := NewObject()
	desired := mergeNode(sectionValue(local.Desired), sectionValue(cloud.Desired), sectionValue(base.Desired), false)
	reported := mergeNode(sectionValue(local.Reported), sectionValue(cloud.Reported), sectionValue(base.Reported), true)
	if desired != nil {
		state.Set("desired", desired)
	}
	if reported != nil {
		state.Set("reported", reported)
	}
	return state
}

func sectionValue(o *Object) Value {
	if o == nil {
		return nil
	}
	return o
}

// mergeNode merges one value. A value that is absent is nil; with localWins, a
// conflict is decided for the device.
func mergeNode(local, cloud, base Value, localWins bool) Value {
	l, ok1 := local.(*Object)
	c, ok2 := cloud.(*Object)
	b, ok3 := base.(*Object)
	if ok1 && ok2 && ok3 {
		return mergeNodes(l, c, b, localWins)
	}
	localChanged, cloudChanged := changed(local, base), changed(cloud, base)
	if localChanged == cloudChanged {
		if localWins {
			return local
		}
		return cloud
	}
	if localChanged {
		return local
	}
	return cloud
}

func mergeNodes(local, cloud, base *Object, localWins bool) Value {
	result := NewObject()
	for _, side := range []*Object{local, cloud} {
		for key := range side.All() {
			if _, done := result.Get(key); done {
				continue
			}
			l, _ := local.Get(key)
			c, _ := cloud.Get(key)
			b, _ := base.Get(key)
			result.Set(key, mergeNode(l, c, b, localWins))
		}
	}
	if result.Len() == 0 {
		return nil
	}
	return result
}

func changed(latest, base Value) bool {
	n, ok1 := latest.(Number)
	m, ok2 := base.(Number)
	if ok1 && ok2 {
		return !sameValue(n, m)
	}
	return !Equal(latest, base)
}

// Changes reports whether the state of an update would change a document.
func (u *Update) Changes(d *Document) bool {
	after := Document{Desired: d.Desired.Clone(), Reported: d.Reported.Clone()}
	after.mergeState(u.state)
	return !Equal(after.State(), d.State())
}

// MergeUpdates makes one update of two that wait, the earlier one first, as the
// shadow manager does: what the later one deletes and the earlier one does not
// have is forgotten; and what a device sent, and hears again while something newer
// waits, may undo what it has changed since.
func MergeUpdates(earlier, later []byte) ([]byte, error) {
	a, err := Parse(earlier)
	if err != nil {
		return nil, err
	}
	b, err := Parse(later)
	if err != nil {
		return nil, err
	}
	first, ok1 := a.(*Object)
	second, ok2 := b.(*Object)
	if !ok1 || !ok2 {
		return later, nil
	}
	return Append(nil, merge(first, second)), nil
}

// UpdateOf is an update with a state, and with a version unless that is 0.
func UpdateOf(state *Object, version int64) []byte {
	m := newMessage().set("state", state)
	if version != 0 {
		m.number("version", version)
	}
	return m.bytes()
}

// WithVersion is an update with another version, or with none if that is 0, and
// without metadata.
func WithVersion(update []byte, version int64) ([]byte, error) {
	v, err := Parse(update)
	o, ok := v.(*Object)
	if err != nil || !ok {
		return nil, err
	}
	o.Delete("metadata")
	o.Delete("timestamp")
	o.Delete("version")
	if version != 0 {
		o.Set("version", Number(strconv.FormatInt(version, 10)))
	}
	return Append(nil, o), nil
}

// ParseDocument reads a document as a get answers it, or the JSON of one.
func ParseDocument(text []byte) (*Document, error) {
	v, err := Parse(text)
	if err != nil {
		return nil, err
	}
	o, _ := v.(*Object)
	state, _ := o.Get("state")
	metadata, _ := o.Get("metadata")
	n, _ := o.Get("version")
	version, _ := n.(Number)
	return NewDocument(version.long(), state, metadata)
}

// LastChange is the newest time in the metadata, in seconds since the epoch; 0 if
// there is none.
func (d *Document) LastChange() int64 { return newest(d.Metadata()) }

func newest(v Value) (latest int64) {
	switch v := v.(type) {
	case *Object:
		if isEntry(v) {
			t, _ := v.Get("timestamp")
			return t.(Number).long()
		}
		for _, e := range v.All() {
			latest = max(latest, newest(e))
		}
	case Array:
		for _, e := range v {
			latest = max(latest, newest(e))
		}
	}
	return latest
}
