package engine

import (
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/shadow"
)

// Input is what happened. The set is closed: the types below.
type Input interface{ apply(*Engine, time.Time) }

type (
	// Start is the first input: the lines are to be requested.
	Start struct{}

	// Stop is the last but for what it causes: outputs take their stop state,
	// and what is left to report is reported without delay.
	Stop struct{}

	// Tick says that the time Wake has come.
	Tick struct{}

	// LineReady says that a line was requested, and what it is.
	LineReady struct {
		Line  string
		Value bool
	}

	// LineSet says what an output reads after it was set.
	LineSet struct {
		Line  string
		Value bool
	}

	// LineChanged says what an input reads after edges.
	LineChanged struct {
		Line  string
		Value bool
		Time  time.Time // of the last edge, by the kernel
		Edges int       // how many edges were seen since the last LineChanged
		Lost  int       // how many more there were, by the gaps of sequence numbers
	}

	// LineFailed says that a line could not be requested, set or read, or that
	// its chip is gone. The line is no longer held.
	LineFailed struct {
		Line string
		Err  error
	}

	// ShadowLive says that the shadow's messages are subscribed to; what was
	// published before is unknown.
	ShadowLive struct{ Shadow string }

	// ShadowLost says that messages of the shadow no longer arrive.
	ShadowLost struct {
		Shadow string
		Err    error
	}

	// Fetched answers the FetchShadow of that number.
	Fetched struct {
		Shadow   string
		Seq      uint64
		Document shadow.Document // when Outcome is OK
		Outcome  Outcome
		Err      error // for people; nil when Outcome is OK
	}

	// Accepted is a message of update/accepted.
	Accepted struct {
		Shadow string
		shadow.Accepted
	}

	// Deleted is a message of delete/accepted.
	Deleted struct{ Shadow string }

	// Updated answers the UpdateShadow of that number.
	Updated struct {
		Shadow  string
		Seq     uint64
		Version int64 // when Outcome is OK
		Outcome Outcome
		Err     error // for people; nil when Outcome is OK
	}
)

// Outcome is how a request to the shadow manager ended.
type Outcome uint8

// The outcomes.
const (
	OK           Outcome = iota
	Missing              // there is no such shadow
	NotSent              // certainly not carried out: there was no connection
	Throttled            // certainly not carried out: over the rate limit
	Unknown              // it may have been carried out
	Invalid              // refused for what was sent; the same again is refused again
	TooLarge             // refused for its size
	Unauthorized         // refused for lack of permission
)

// Effect is what is to be done. The set is closed: the types below. The answers
// of lines must be stepped before any other input; those of shadows may take
// their time.
type Effect interface{ effect() }

type (
	// RequestLine asks for a line; LineReady or LineFailed answers.
	RequestLine struct {
		Line string
		// Value is what an output is to be from the first moment; nil adopts the
		// level that the line has.
		Value *bool
	}

	// SetLine asks to set an output and to read it back; LineSet or LineFailed
	// answers.
	SetLine struct {
		Line  string
		Value bool
	}

	// FetchShadow asks for the document; Fetched answers.
	FetchShadow struct {
		Shadow string
		Seq    uint64
	}

	// UpdateShadow asks to report; Updated answers. The values belong to the
	// receiver.
	UpdateShadow struct {
		Shadow   string
		Seq      uint64
		Token    string // the client token, by which we know our own message again
		Reported map[string]any
	}

	// SaveOutputs asks to store what the outputs are.
	SaveOutputs struct{ Outputs map[string]bool }
)

func (RequestLine) effect()  {}
func (SetLine) effect()      {}
func (FetchShadow) effect()  {}
func (UpdateShadow) effect() {}
func (SaveOutputs) effect()  {}
