package shadowdoc

import "errors"

// errInternal is what the shadow manager's internal exceptions become.
var errInternal = errors.New("the shadow manager fails here with an internal error")

// merge merges a patch into a section and returns the section, nil if nothing is
// left of it (JsonMerger.java, ShadowState.java). The section is changed.
func merge(section *Object, patch Value) *Object {
	if nothing(patch) {
		return nil
	}
	p := patch.(*Object)
	if section == nil {
		return p.Clone() // as sent: nulls and empty objects are kept on this path
	}
	if v, ok := p.Get("state"); ok && v == nil {
		clearState(section)
	} else if !emptyState(p) {
		mergeObject(section, p)
	}
	if section.Len() == 0 {
		return nil
	}
	return section
}

// clearState is the effect of a null under the key "state" at the top of a
// section. The merge was made for whole documents, which have such a key.
func clearState(o *Object) {
	inner, ok := o.Get("state")
	if !ok {
		o.clear()
	} else if i, ok := inner.(*Object); ok {
		clearState(i)
	}
}

// emptyState recognizes {} and {"state": {}}, to any depth.
func emptyState(v Value) bool {
	o, ok := v.(*Object)
	if !ok {
		return false
	}
	inner, has := o.Get("state")
	return o.Len() == 0 || has && emptyState(inner)
}

func mergeObject(dst, patch *Object) {
	for key, v := range patch.All() {
		old, _ := dst.Get(key)
		switch {
		case nothing(v):
			if !nothing(old) {
				dst.Delete(key)
			}
		case nothing(old):
			if o, ok := v.(*Object); ok {
				if v = withoutNothing(o); v == nil {
					continue
				}
			}
			dst.Set(key, clone(v))
		default:
			o, ok := old.(*Object)
			p, ok2 := v.(*Object)
			if ok && ok2 {
				mergeObject(o, p)
			} else {
				dst.Set(key, clone(v))
			}
		}
	}
}

// withoutNothing is an object without its nulls and empty objects, and nil if
// nothing remains.
func withoutNothing(o *Object) Value {
	result := NewObject()
	for key, v := range o.All() {
		if inner, ok := v.(*Object); ok {
			v = withoutNothing(inner)
		}
		if v != nil {
			result.Set(key, v)
		}
	}
	if result.Len() == 0 {
		return nil
	}
	return result
}

// delta is the part of desired that reported does not have, nil if there is none
// (JsonUtil.java).
func delta(desired, reported *Object) *Object {
	if desired == nil || reported == nil {
		return desired
	}
	d := deltaObject(desired, reported)
	if d.Len() == 0 {
		return nil
	}
	return d
}

func deltaObject(desired, reported *Object) *Object {
	result := NewObject()
	for key, want := range desired.All() {
		have, _ := reported.Get(key)
		switch {
		case nothing(want):
			if !nothing(have) {
				result.Set(key, nil)
			}
		case nothing(have):
			result.Set(key, want)
		default:
			if d, differs := deltaValue(want, have); differs {
				result.Set(key, d)
			}
		}
	}
	return result
}

func deltaValue(want, have Value) (Value, bool) {
	switch w := want.(type) {
	case *Object:
		if h, ok := have.(*Object); ok {
			d := deltaObject(w, h)
			return d, d.Len() > 0
		}
	case Number:
		if h, ok := have.(Number); ok {
			return want, !sameValue(w, h)
		}
	}
	return want, !Equal(want, have)
}
