package engine

import (
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// Input is what happened. The set is closed: the types below.
type Input interface{ apply(*Engine, time.Time) }

type (
	// Start is the first input: the lines are to be requested.
	Start struct{}

	// Stop is the last but for what it causes: outputs take their stop state,
	// and what is left to report is reported without delay. Kept says that
	// somebody keeps the lines and carries out their [lines.Guard].
	Stop struct{ Kept bool }

	// Configure says that another configuration is in force from now on.
	Configure struct{ Config *config.Config }

	// Refused says that another configuration was refused; the one before stays in
	// force.
	Refused struct{ Reason string }

	// Tick says that the time Wake has come.
	Tick struct{}

	// Clock says what is known of the wall clock. A schedule waits until it is set.
	Clock struct {
		Synchronised bool   // the kernel says so
		Kept         bool   // a hardware clock keeps it while the machine is off
		Set          bool   // somebody set it forward while this run of the component looked
		Boot         string // which run of the kernel this is; "" where that is not known
	}

	// Link says whether the nucleus can be reached. There is no link at the start.
	Link struct{ Up bool }

	// LinesReady says that lines were requested, and what they read. Held is set
	// when they were held since an earlier run.
	LinesReady struct {
		Claim  string
		Values []bool
		Held   bool
	}

	// LinesWritten says what outputs read after they were written.
	LinesWritten struct {
		Claim  string
		Values []bool
	}

	// LineSeen says what was seen of an input under the request of that number.
	LineSeen struct {
		Claim   string
		Request uint64
		lines.Burst
	}

	// LinesFailed says that lines could not be requested, written or read, or
	// that their chip is gone. They are no longer held under the request of that
	// number.
	LinesFailed struct {
		Claim   string
		Request uint64
		Err     error
	}

	// Saved answers the Save of that number.
	Saved struct {
		Seq uint64
		Err error
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
	Conflict             // refused since the document has another version
)

// Effect is what is to be done: a [lines.Effect], [FetchShadow], [UpdateShadow] or
// [Save]. The answers of lines must be stepped before any other input; the others
// may take their time.
type Effect any

type (
	// FetchShadow asks for the document; Fetched answers.
	FetchShadow struct {
		Shadow string
		Seq    uint64
	}

	// UpdateShadow asks to write; Updated answers. The values belong to the
	// receiver; nil ones delete their keys.
	UpdateShadow struct {
		Shadow   string
		Seq      uint64
		Token    string // the client token, by which we know our own message again
		Reported map[string]any
		Desired  map[string]any
		Version  int64 // of the document that it is meant for; 0 for any
	}

	// Save asks to store what a later run has to know, instead of anything
	// earlier; Saved answers.
	Save struct {
		Seq   uint64
		State state.State
	}
)
