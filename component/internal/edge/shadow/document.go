package shadow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
)

// Document is a shadow as a get returns it.
type Document struct {
	Version  int64
	Desired  map[string]any // nil when the section is absent; numbers are json.Number
	Reported map[string]any

	// DesiredAt is when each desired key was last sent, in seconds since the
	// epoch; of an object the latest of its members. AckAt likewise of the acks.
	DesiredAt map[string]int64
	AckAt     map[string]int64
	// ReportedSince is when the oldest part of the reported section was written; 0 if
	// there is none.
	ReportedSince int64
}

// Accepted is the message of update/accepted: what somebody wrote, as it was sent.
//
// It is what the component follows, rather than update/delta: it comes with every
// version, so that a gap shows, and it tells of desired values that are met already, of
// deleted ones, and of other writers of what we report, none of which leaves a
// delta. Nor does it repeat itself.
type Accepted struct {
	Version     int64
	ClientToken string

	// Desired and Reported are what was written to the sections; nil values
	// deleted their keys. A cleared section has no members left.
	Desired, Reported               map[string]any
	DesiredCleared, ReportedCleared bool

	DesiredAt map[string]int64 // see Document
}

// wire is the common form of documents, messages and replies.
type wire struct {
	Version     int64           `json:"version"`
	ClientToken string          `json:"clientToken"`
	State       json.RawMessage `json:"state"`
	Metadata    json.RawMessage `json:"metadata"`
}

// ParseDocument reads the payload of a get.
func ParseDocument(payload []byte) (Document, error) {
	var w wire
	var state, metadata struct {
		Desired  map[string]any `json:"desired"`
		Reported map[string]any `json:"reported"`
	}
	if err := parse(payload, &w, &state, &metadata); err != nil {
		return Document{}, fmt.Errorf("shadow document: %w", err)
	}
	acks, _ := metadata.Reported[AckKey].(map[string]any)
	return Document{
		Version:   w.Version,
		Desired:   state.Desired,
		Reported:  state.Reported,
		DesiredAt: times(metadata.Desired),
		AckAt:     times(acks),

		ReportedSince: oldest(metadata.Reported),
	}, nil
}

// ParseAccepted reads the payload of an update/accepted message.
func ParseAccepted(payload []byte) (Accepted, error) {
	var w wire
	var metadata struct {
		Desired map[string]any `json:"desired"`
	}
	var state map[string]json.RawMessage
	if err := parse(payload, &w, &state, &metadata); err != nil {
		return Accepted{}, fmt.Errorf("shadow update: %w", err)
	}
	a := Accepted{Version: w.Version, ClientToken: w.ClientToken, DesiredAt: times(metadata.Desired)}
	// A document emptied as a whole comes with a state that is null.
	emptied := state == nil
	var err, err2 error
	a.Desired, a.DesiredCleared, err = section(state, "desired", emptied)
	a.Reported, a.ReportedCleared, err2 = section(state, "reported", emptied)
	if err := errors.Join(err, err2); err != nil {
		return Accepted{}, fmt.Errorf("shadow update: %w", err)
	}
	return a, nil
}

// section reads one section of an update. Both null and an empty object clear it
// (aws-greengrass/aws-greengrass-shadow-manager
// src/main/java/com/aws/greengrass/shadowmanager/util/JsonMerger.java).
func section(state map[string]json.RawMessage, name string, emptied bool) (members map[string]any, cleared bool, err error) {
	text, present := state[name]
	if !present {
		return nil, emptied, nil
	}
	if err := decode(text, &members); err != nil {
		return nil, false, fmt.Errorf("%s: %w", name, err)
	}
	return members, len(members) == 0, nil
}

// ParseVersion reads the version of an update reply or a delete/accepted message.
func ParseVersion(payload []byte) (int64, error) {
	var w wire
	if err := decode(payload, &w); err != nil {
		return 0, fmt.Errorf("shadow reply: %w", err)
	}
	return w.Version, nil
}

func parse(payload []byte, w *wire, state, metadata any) error {
	if err := decode(payload, w); err != nil {
		return err
	}
	if err := decode(w.State, state); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	if err := decode(w.Metadata, metadata); err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	return nil
}

// decode reads one JSON value and keeps numbers as they are written. Nothing at
// all leaves dst as it is.
func decode(text []byte, dst any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(dst); err != nil && err != io.EOF {
		return err
	}
	return nil
}

// times reduces a metadata tree to the latest time under each key.
func times(metadata map[string]any) map[string]int64 {
	out := make(map[string]int64, len(metadata))
	for key, entry := range metadata {
		out[key] = latest(entry)
	}
	return out
}

// oldest returns the oldest time in a metadata tree, 0 for none.
func oldest(entry any) (at int64) {
	note := func(t int64) {
		if t != 0 && (at == 0 || t < at) {
			at = t
		}
	}
	switch e := entry.(type) {
	case json.Number:
		at, _ = e.Int64()
	case map[string]any:
		for _, v := range e {
			note(oldest(v))
		}
	case []any:
		for _, v := range e {
			note(oldest(v))
		}
	}
	return at
}

func latest(entry any) (at int64) {
	switch e := entry.(type) {
	case json.Number:
		at, _ = e.Int64()
	case map[string]any:
		for _, v := range e {
			at = max(at, latest(v))
		}
	case []any:
		for _, v := range e {
			at = max(at, latest(v))
		}
	}
	return at
}

// ParseAck reads one value under reported.ack; anything else is no ack.
func ParseAck(value any) (Ack, bool) {
	text, err := json.Marshal(value)
	if err != nil {
		return Ack{}, false
	}
	var ack Ack
	if json.Unmarshal(text, &ack) != nil || ack.Code == 0 {
		return Ack{}, false
	}
	ack.Value = Scalar(ack.Value)
	return ack, true
}

// Equal compares two values of a shadow as the shadow manager does: numbers by
// value, everything else as trees, and numbers inside of arrays as they are
// written (aws-greengrass/aws-greengrass-shadow-manager
// src/main/java/com/aws/greengrass/shadowmanager/util/JsonUtil.java).
func Equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, Equal)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, identical)
	}
	x, xok := number(a)
	y, yok := number(b)
	if xok || yok {
		return xok && yok && x == y
	}
	return a == b
}

func identical(a, b any) bool {
	x, xerr := json.Marshal(a)
	y, yerr := json.Marshal(b)
	return xerr == nil && yerr == nil && bytes.Equal(x, y)
}

// comparable is what makes two numbers equal: whole part and double.
type comparableNumber struct {
	whole  int64
	double float64
}

func number(v any) (comparableNumber, bool) {
	var text string
	switch v := v.(type) {
	case json.Number:
		text = v.String()
	case float64:
		return comparableNumber{int64(v), v}, true
	case int:
		return comparableNumber{int64(v), float64(v)}, true
	case int64:
		return comparableNumber{v, float64(v)}, true
	default:
		return comparableNumber{}, false
	}
	double, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(double, 0) {
		return comparableNumber{}, false
	}
	whole, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		whole = int64(double)
	}
	return comparableNumber{whole, double}, true
}
