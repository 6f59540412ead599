package engine

import (
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// Input is an event: one of the types below, a [replica.Fetched] or a
// [replica.Updated].
type Input any

type (
	// Start is the first input. The engine requests lines and follows shadows.
	Start struct{}

	// Stop ends the run. Outputs take their stop state, and the last reports go out
	// without delay. Only the results of these effects follow. With Kept, another
	// process keeps the lines and carries out their [lines.Guard].
	Stop struct{ Kept bool }

	// Configure puts another configuration in force.
	Configure struct{ Config *config.Config }

	// Refused reports a rejected configuration. The previous configuration stays in
	// force.
	Refused struct{ Reason string }

	// Tick arrives at the time returned by Wake.
	Tick struct{}

	// Clock describes the wall clock. Schedules wait until the clock can be trusted.
	Clock struct {
		Synchronised bool   // according to the kernel
		Kept         bool   // a hardware clock runs while the machine is off
		Set          bool   // set forward while this run watched
		Boot         string // the boot ID of the kernel; "" if unknown
	}

	// Link reports whether the nucleus can be reached. The engine starts without a
	// link.
	Link struct{ Up bool }

	// LinesReady answers a [lines.Request] with the levels of the lines. Held means the
	// lines were held since an earlier run.
	LinesReady struct {
		Claim  string
		Values []bool
		Held   bool
	}

	// LinesWritten answers a [lines.Write] with the levels read back.
	LinesWritten struct {
		Claim  string
		Values []bool
	}

	// LineSeen reports the edges of an input. Request numbers the request that saw
	// them.
	LineSeen struct {
		Claim   string
		Request uint64
		lines.Burst
	}

	// LinesFailed reports a failed request, write or read, or a lost chip. The lines
	// are no longer held.
	LinesFailed struct {
		Claim   string
		Request uint64
		Err     error
	}

	// Sampled reports the value of a sensor.
	Sampled struct {
		ID       shadow.ID
		Property string
		Sensor   string // a late sample of another sensor is ignored
		Value    float64
		Unit     string
		// Err explains a missing value. With NoData, the sensor has no value yet, and
		// Err is nil.
		Err    error
		NoData bool
	}

	// Saved answers the [Save] with the same number.
	Saved struct {
		Seq uint64
		Err error
	}

	// DiskFault reports an unreadable or unwritable file of the work directory. A nil
	// Err ends the fault.
	DiskFault struct {
		What string // such as "state"
		Err  error
	}

	// ShadowLive reports a subscription to the messages of a shadow. Earlier messages
	// are unknown.
	ShadowLive struct {
		ID     shadow.ID
		Direct bool // they come from the cloud, and not from a shadow manager that synchronizes with it
	}

	// ShadowLost reports the end of the messages of a shadow.
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

// Effect is an action for the caller: a [lines.Effect], a [replica.Fetch], a
// [replica.Update], a [FollowShadow], an [UnfollowShadow] or a [Save]. The caller must
// step the answers of lines before any other input. Other answers may take their time.
type Effect any

type (
	// FollowShadow requests the messages of a shadow: [ShadowLive], [ShadowLost],
	// [Accepted] and [Deleted]. After the configuration drops a shadow, the engine
	// follows it until the reported values are deleted.
	FollowShadow struct{ ID shadow.ID }

	// UnfollowShadow ends the messages of a shadow.
	UnfollowShadow struct{ ID shadow.ID }

	// Save stores the state for a later run, in place of any earlier state. [Saved]
	// answers.
	Save struct {
		Seq   uint64
		State state.State
	}
)

// timeFormat is RFC 3339 with milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// silentAfter is how long an alarm may lack a value before a log message.
const silentAfter = 10 * time.Second
