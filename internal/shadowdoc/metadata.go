package shadowdoc

import "strconv"

// metadataOf is the metadata of what an update sends: an entry with the time for
// every leaf, nulls included (ShadowStateMetadata.java).
func metadataOf(v Value, now int64) Value {
	switch v := v.(type) {
	case *Object:
		o := NewObject()
		for key, e := range v.All() {
			o.Set(key, metadataOf(e, now))
		}
		return o
	case Array:
		a := make(Array, len(v))
		for i, e := range v {
			a[i] = metadataOf(e, now)
		}
		return a
	}
	entry := NewObject()
	entry.Set("timestamp", Number(strconv.FormatInt(now, 10)))
	return entry
}

// isEntry recognizes {"timestamp": integer}.
func isEntry(v Value) bool {
	o, ok := v.(*Object)
	if !ok || o.Len() != 1 {
		return false
	}
	t, _ := o.Get("timestamp")
	n, ok := t.(Number)
	return ok && n.integral()
}

// mergeSectionMetadata merges the metadata of a patch into that of a section
// whose state is already merged. The stored metadata is changed.
func mergeSectionMetadata(state, stored *Object, patch Value, q Quirks) (*Object, error) {
	p, ok := patch.(*Object)
	if !ok || p.Len() == 0 {
		return stored, nil // so that {} for a section leaves its metadata behind
	}
	if state == nil {
		return nil, nil
	}
	if stored == nil {
		stored = NewObject()
	}
	if err := mergeMetadata(state, stored, p, q); err != nil {
		return nil, err
	}
	if stored.Len() == 0 {
		return nil, nil
	}
	return stored, nil
}

// mergeMetadata follows the original step by step, since what it does to trees
// whose shapes disagree with each other cannot be said more simply.
func mergeMetadata(state, stored, patch *Object, q Quirks) error {
	for key, p := range patch.All() {
		s, _ := state.Get(key)
		if nothing(s) {
			stored.Delete(key)
			continue
		}
		old, _ := stored.Get(key)
		if a, ok := p.(Array); ok {
			if _, isArray := old.(Array); !isArray && !nothing(old) && q == Faithful {
				return errInternal
			}
			stored.Set(key, a)
			continue
		}
		entries, ok := p.(*Object)
		if !ok {
			// Only the time of a section set to null can stand here, when the update
			// left the section alone and it has a key "timestamp".
			if _, isNumber := old.(Number); !isNumber {
				stored.Set(key, p)
			}
			continue
		}
		if _, isObject := old.(*Object); !isObject || nothing(old) {
			old = clone(p)
			stored.Set(key, old)
		}
		if isEntry(p) || isEntry(old) {
			stored.Set(key, p)
		}
		if isEntry(p) {
			continue
		}
		inner, ok := s.(*Object)
		if !ok {
			if q == Faithful {
				return errInternal
			}
			continue
		}
		// When the stored entry was one of a plain value, this goes on with the
		// entry that was just replaced, so nothing of it is seen any more.
		if err := mergeMetadata(inner, old.(*Object), entries, q); err != nil {
			return err
		}
	}
	return nil
}

// deltaMetadata is the metadata of desired for what is in the delta. Where the
// two disagree in shape the original fails, Fixed puts null.
func deltaMetadata(d, stored Value, q Quirks) (Value, error) {
	switch d := d.(type) {
	case *Object:
		s, ok := stored.(*Object)
		if !ok && q == Faithful && (stored != nil || d.Len() > 0) {
			return nil, errInternal
		}
		result := NewObject()
		for key, e := range d.All() {
			inner, _ := s.Get(key)
			m, err := deltaMetadata(e, inner, q)
			if err != nil {
				return nil, err
			}
			result.Set(key, m)
		}
		return result, nil
	case Array:
		s, ok := stored.(Array)
		if !ok && q == Faithful && (stored != nil || len(d) > 0) {
			return nil, errInternal
		}
		result := make(Array, len(d))
		for i, e := range d {
			var inner Value
			if i < len(s) {
				inner = s[i]
			}
			m, err := deltaMetadata(e, inner, q)
			if err != nil {
				return nil, err
			}
			result[i] = m
		}
		return result, nil
	}
	return stored, nil
}
