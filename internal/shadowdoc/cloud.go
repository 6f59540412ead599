package shadowdoc

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// Refusals of the device shadow service of AWS IoT (awsdocs/aws-iot-docs
// developerguide/device-shadow-error-messages.md). Depth and size are refused in
// the same words as by the shadow manager.
var (
	errCloudJSON     = &Refusal{400, "Invalid JSON"}
	errNoState       = &Refusal{400, "Missing required node: state"}
	errState         = &Refusal{400, "State node must be an object"}
	errToken         = &Refusal{400, "Invalid clientToken"}
	errCloudEncoding = &Refusal{415, "Unsupported documented encoding; supported encoding is UTF-8"}
)

// ClientToken is the client token of a request to the cloud, nil if it has none or
// one that is refused.
func ClientToken(payload []byte) *string {
	request := struct{ ClientToken *string }{}
	if json.Unmarshal(payload, &request) != nil || request.ClientToken == nil || len(*request.ClientToken) > maxToken {
		return nil
	}
	return request.ClientToken
}

// ParseCloudUpdate reads an update request as the device shadow service of AWS IoT
// does. It fails with a *[Refusal].
func ParseCloudUpdate(payload []byte) (*Update, error) {
	if !utf8.Valid(payload) {
		return nil, errCloudEncoding
	}
	v, err := Parse(payload)
	request, ok := v.(*Object)
	if err != nil || !ok || !json.Valid(payload) {
		return nil, errCloudJSON
	}
	state, ok := request.Get("state")
	if !ok {
		return nil, errNoState
	}
	if err := checkCloudState(state); err != nil {
		return nil, err
	}
	u := &Update{state: state}
	if version, ok := request.Get("version"); ok {
		n, ok := version.(Number)
		if !ok || !n.integral() || n.double() < 0 {
			return nil, errVersion
		}
		u.version = &n
	}
	if token, ok := request.Get("clientToken"); ok {
		s, ok := token.(string)
		if !ok || len(s) > maxToken {
			return nil, errToken
		}
		u.Token = &s
	}
	return u, nil
}

// checkCloudState is checkState by the cloud's rules. How it words a null in an
// array, which it refuses, is not documented.
func checkCloudState(v Value) error {
	state, ok := v.(*Object)
	if !ok && v != nil {
		return errState
	}
	for name, section := range state.All() {
		title, known := map[string]string{"desired": "Desired", "reported": "Reported"}[name]
		if !known {
			return &Refusal{400, fmt.Sprintf("State contains an invalid node: '%s'", name)}
		}
		if _, ok := section.(*Object); !ok && section != nil {
			return &Refusal{400, title + " node must be an object"}
		}
	}
	if nullInArray(state, false) {
		return errCloudJSON
	}
	return nil
}

// ApplyCloud is [Apply] by the rules of the device shadow service of AWS IoT. d is
// nil for a shadow that does not exist; last is then the version from which it
// goes on, 0 if it never existed. It fails with a *[Refusal].
//
// Otherwise than the shadow manager's, its documents never hold nulls, an empty
// object changes nothing, and each key is merged like any other.
func ApplyCloud(d *Document, last int64, u *Update, now int64, sizeLimit int) (*Change, error) {
	if err := u.checkDepth(); err != nil {
		return nil, err
	}
	if err := u.checkCloudVersion(d, last); err != nil {
		return nil, err
	}
	c := &Change{Before: d, After: &Document{Version: last}, Token: u.Token, state: u.state, metadata: metadataOf(u.state, now)}
	if d != nil {
		*c.After = Document{d.Version, d.Desired.Clone(), d.Reported.Clone(), d.DesiredMetadata.Clone(), d.ReportedMetadata.Clone()}
	}
	c.After.Version++
	c.After.mergeCloud(u.state, now)
	if c.After.Size() > sizeLimit {
		return nil, errSize
	}
	if c.delta = c.After.Delta(); c.delta != nil {
		c.deltaMD = c.After.deltaMetadata(c.delta)
	}
	return c, nil
}

func (u *Update) checkCloudVersion(d *Document, last int64) error {
	switch {
	case u.version == nil, d != nil && u.version.long() == d.Version, d == nil && u.version.long() == last:
		return nil
	case d == nil && last == 0 && u.version.long() == 1:
		return nil
	case d == nil && last == 0:
		return errVersion
	}
	return errConflict
}

func (d *Document) mergeCloud(update Value, now int64) {
	state, ok := update.(*Object)
	if !ok {
		*d = Document{Version: d.Version}
		return
	}
	if v, ok := state.Get("desired"); ok {
		d.Desired, d.DesiredMetadata = mergeCloudSection(d.Desired, d.DesiredMetadata, v, now)
	}
	if v, ok := state.Get("reported"); ok {
		d.Reported, d.ReportedMetadata = mergeCloudSection(d.Reported, d.ReportedMetadata, v, now)
	}
}

// mergeCloudSection merges a patch into a section and its metadata, which are nil
// for an absent one, and both are changed.
func mergeCloudSection(section, metadata *Object, patch Value, now int64) (*Object, *Object) {
	p, ok := patch.(*Object)
	if !ok {
		return nil, nil
	}
	if section == nil {
		section, metadata = NewObject(), NewObject()
	}
	if metadata == nil {
		metadata = NewObject()
	}
	mergeCloudObject(section, metadata, p, now)
	if section.Len() == 0 {
		return nil, nil
	}
	return section, metadata
}

func mergeCloudObject(dst, metadata, patch *Object, now int64) {
	for key, v := range patch.All() {
		if v == nil {
			dst.Delete(key)
			metadata.Delete(key)
			continue
		}
		if p, ok := v.(*Object); ok {
			old, _ := dst.Get(key)
			times, _ := metadata.Get(key)
			o, ok := old.(*Object)
			m, ok2 := times.(*Object)
			if ok && ok2 {
				mergeCloudObject(o, m, p, now)
				continue
			}
			if v = withoutNothing(p); v == nil {
				continue
			}
		}
		dst.Set(key, clone(v))
		metadata.Set(key, metadataOf(v, now))
	}
}

func (d *Document) deltaMetadata(delta *Object) Value {
	var stored Value
	if d.DesiredMetadata != nil {
		stored = d.DesiredMetadata
	}
	m, _ := deltaMetadata(delta, stored, Fixed) // which never fails
	return m
}

// GotFromCloud is the cloud's reply to a get: it has the metadata of the delta,
// and the client token.
func (d *Document) GotFromCloud(token *string, now int64) []byte {
	state, metadata := d.State(), d.Metadata()
	if delta := d.Delta(); delta != nil {
		state.Set("delta", delta)
		metadata.Set("delta", d.deltaMetadata(delta))
	}
	return newMessage().set("state", state).set("metadata", metadata).
		number("version", d.Version).number("timestamp", now).token(token).bytes()
}

// DeletedFromCloud is the cloud's reply to a deletion.
func (d *Document) DeletedFromCloud(token *string, now int64) []byte {
	return newMessage().number("version", d.Version).number("timestamp", now).token(token).bytes()
}
