package shadow

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Update is an update document. Nil values delete their keys.
type Update struct {
	Reported, Desired map[string]any
	// Version is that of the document which is to be changed, else the update is
	// refused; 0 is any, for what the component alone writes.
	Version     int64
	ClientToken string
}

// Encode returns the JSON of the update, without HTML escapes, which would only
// cost bytes.
func (u Update) Encode() ([]byte, error) {
	type state struct {
		Desired  map[string]any `json:"desired,omitempty"`
		Reported map[string]any `json:"reported,omitempty"`
	}
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(struct {
		State       state  `json:"state"`
		ClientToken string `json:"clientToken,omitempty"`
		Version     int64  `json:"version,omitempty"`
	}{state{u.Desired, u.Reported}, u.ClientToken, u.Version})
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
}

// CutReason shortens the reason of an ack to [MaxReason] bytes of valid UTF-8,
// on one line.
func CutReason(reason string) string {
	reason = strings.Join(strings.Fields(reason), " ")
	if len(reason) <= MaxReason {
		return reason
	}
	return strings.ToValidUTF8(reason[:MaxReason-len(ellipsis)], "") + ellipsis
}

// ellipsis stands for what was cut off.
const ellipsis = "…"
