package engine

import (
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// Input is what happened: one of the types below, a [replica.Fetched] or a
// [replica.Updated].
type Input any

type (
	// Start is the first input: lines are requested, shadows are followed.
	Start struct{}

	// Stop is the last input but for its consequences: outputs take their stop state,
	// and the last reports are sent without delay. Kept says that another process
	// keeps the lines and carries out their [lines.Guard].
	Stop struct{ Kept bool }

	// Configure puts another configuration in force.
	Configure struct{ Config *config.Config }

	// Refused says that another configuration was rejected; the one before stays in
	// force.
	Refused struct{ Reason string }

	// Tick says that the time Wake has come.
	Tick struct{}

	// Clock says what is known of the wall clock. A schedule waits until it is set.
	Clock struct {
		Synchronised bool   // the kernel says so
		Kept         bool   // a hardware clock keeps it while the machine is off
		Set          bool   // it was set forward while this run of the component looked
		Boot         string // the run of the kernel; "" where that is not known
	}

	// Link says whether the nucleus can be reached. There is no link at the start.
	Link struct{ Up bool }

	// LinesReady answers a [lines.Request] with the levels of the lines. Held is set
	// when they were held since an earlier run.
	LinesReady struct {
		Claim  string
		Values []bool
		Held   bool
	}

	// LinesWritten answers a [lines.Write] with the levels that the outputs read.
	LinesWritten struct {
		Claim  string
		Values []bool
	}

	// LineSeen tells the edges of an input. Request is the number of the request
	// under which they were seen.
	LineSeen struct {
		Claim   string
		Request uint64
		lines.Burst
	}

	// LinesFailed says that lines could not be requested, written or read, or that
	// their chip is gone. They are no longer held.
	LinesFailed struct {
		Claim   string
		Request uint64
		Err     error
	}

	// Sampled tells the value of a sensor.
	Sampled struct {
		ID       shadow.ID
		Property string
		Sensor   string // a sample of another one is late, and void
		Value    float64
		Unit     string
		// Err is why there is no value; nil with NoData: there is none yet.
		Err    error
		NoData bool
	}

	// Saved answers the [Save] of that number.
	Saved struct {
		Seq uint64
		Err error
	}

	// DiskFault says that a file of the work directory cannot be read or written.
	// Err nil: it can again.
	DiskFault struct {
		What string // such as "state"
		Err  error
	}

	// ShadowLive says that the shadow's messages are subscribed to; earlier ones are
	// unknown.
	ShadowLive struct{ ID shadow.ID }

	// ShadowLost says that messages of the shadow no longer arrive.
	ShadowLost struct {
		ID  shadow.ID
		Err error
	}

	// Accepted is a message of update/accepted.
	Accepted struct {
		ID shadow.ID
		shadow.Accepted
	}

	// Deleted is a message of delete/accepted.
	Deleted struct{ ID shadow.ID }
)

// Effect is what is to be done: a [lines.Effect], a [replica.Fetch], a
// [replica.Update], a [FollowShadow], an [UnfollowShadow] or a [Save]. The answers
// of lines must be stepped before any other input; the others may take their time.
type Effect any

type (
	// FollowShadow asks for the messages of a shadow: [ShadowLive], [ShadowLost],
	// [Accepted] and [Deleted]. A shadow that the configuration no longer has is
	// followed until what was reported there is deleted.
	FollowShadow struct{ ID shadow.ID }

	// UnfollowShadow ends that.
	UnfollowShadow struct{ ID shadow.ID }

	// Save asks to store what a later run has to know, instead of anything
	// earlier; [Saved] answers.
	Save struct {
		Seq   uint64
		State state.State
	}
)

// timeFormat is RFC 3339 to the millisecond.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// silentAfter is how long an alarm may be without a value before it is logged.
const silentAfter = 10 * time.Second
