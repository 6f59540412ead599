package shadow

import "encoding/json"

// AckKey is the key of the reported section that holds the answers.
const AckKey = "ack"

// SyncKey is a key of both sections for the synchronization with the cloud; see package
// replica. It requests nothing.
const SyncKey = "sync"

// RestKey is the key in reported.ack that answers all desired keys without a property
// that have no answer of their own. No property has this name.
const RestKey = "*"

// StatusKey is the key of the reported section in which the component tells of
// itself.
const StatusKey = "status"

// Code is the outcome of one desired value.
type Code int

// The codes, with the meaning of the HTTP status codes they borrow.
const (
	Done       Code = 200 // it is as desired
	InProgress Code = 202 // it will be: a pulse runs, or a rule makes it wait
	Refused    Code = 400 // unknown value, wrong type, or an input line
	NoProperty Code = 404 // no such property
	Expired    Code = 408 // a command that came later than it may
	Conflict   Code = 409 // an interlock does not allow it
	LineFailed Code = 500 // the line could not be set, or is not what was set
)

// Codes are all codes, with what they mean.
var Codes = []struct {
	Code    Code
	Meaning string
}{
	{Done, "it is as desired"},
	{InProgress, "it will be: a pulse runs, or a rule makes it wait; `reason` says which"},
	{Refused, "unknown value, wrong type, out of range, or the property is an input; `reason` says which"},
	{NoProperty, "no such property; `*` answers those beyond the first 16"},
	{Expired, "the command came later than its property's `expires` allows; it was not carried out, and is deleted"},
	{Conflict, "an interlock does not allow it, it was overruled on the device, or what raised an alarm goes on; stands until it is desired anew"},
	{LineFailed, "the line failed, or does not read what was set; it is retried, and answered again when it works"},
}

// Ack answers one desired value in reported.ack.<property>.
type Ack struct {
	Code    Code   `json:"code"`
	Version int64  `json:"version"` // of the document that was answered
	Reason  string `json:"reason,omitempty"`
	// Value is what was refused by a [Conflict], which stands over a restart: a
	// bool, float64 or string. Times of a shadow are whole seconds, so they do not
	// tell which of two values of one second was answered.
	Value any `json:"value,omitempty"`
	// ID is the ID of the command, if it has one.
	ID string `json:"id,omitempty"`
}

// MaxRequestID is the largest ID of a command, in bytes.
const MaxRequestID = 64

// RequestID returns the ID of a requested command, which has the form {"id": …}; "" for
// none.
func RequestID(value any) string {
	members, _ := value.(map[string]any)
	id, _ := members["id"].(string)
	if len(id) > MaxRequestID {
		return ""
	}
	return id
}

// Scalar is a value of a shadow as an [Ack] has it, nil if it is no scalar.
func Scalar(value any) any {
	switch value := value.(type) {
	case bool, string, float64:
		return value
	case json.Number:
		if f, err := value.Float64(); err == nil {
			return f
		}
	}
	return nil
}

// MaxReason is the largest reason in bytes; longer ones are cut.
const MaxReason = 120
