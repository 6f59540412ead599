package shadow

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Update returns the update document that reports those keys. It sends neither
// a version, since the component owns what it reports, nor HTML escapes, which
// would only cost bytes. A nil value deletes its key.
func Update(reported map[string]any, clientToken string) ([]byte, error) {
	type state struct {
		Reported map[string]any `json:"reported"`
	}
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(struct {
		State       state  `json:"state"`
		ClientToken string `json:"clientToken,omitempty"`
	}{state{reported}, clientToken})
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
}

// CutReason shortens the reason of an ack to [MaxReason] bytes of valid UTF-8,
// on one line.
func CutReason(reason string) string {
	reason = strings.Join(strings.Fields(reason), " ")
	if len(reason) <= MaxReason {
		return reason
	}
	const ellipsis = "…"
	return strings.ToValidUTF8(reason[:MaxReason-len(ellipsis)], "") + ellipsis
}
