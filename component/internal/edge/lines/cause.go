package lines

import (
	"cmp"
	"fmt"
	"time"
)

// Cause is why an output is what it is.
type Cause struct {
	Kind    string `json:"kind,omitempty"`    // one of the words below; "" when nothing was demanded yet
	Name    string `json:"name,omitempty"`    // of what made it: a shadow, a control, an alarm, a schedule, an interlock
	Version int64  `json:"version,omitempty"` // of the shadow's document, of a desired value
}

// The kinds of causes.
const (
	ByDesired   = "desired"   // a desired value, in the shadow Name at Version
	ByControl   = "control"   // an input, as the control Name says
	ByAlarm     = "alarm"     // the alarm Name
	BySchedule  = "schedule"  // the schedule in the property Name
	ByLocal     = "local"     // a local change that is restored
	ByPulseEnd  = "pulse end" // the pulse has had its time
	ByMaxOn     = "maxOn"     // it was on for its longest time
	ByInterlock = "interlock" // it was on beside another line of an interlock
	ByFailsafe  = "failsafe"  // the nucleus was away for too long
	ByStart     = "start"     // its start state
	ByStop      = "stop"      // its stop state
	ByHolder    = "held"      // it was held so over a restart, and nothing else was demanded since
	ByNobody    = "as found"  // nothing was demanded of it, or not what it was found as
	ByChange    = "a change of configuration"
	ByFailure   = "a failure of the line"
)

func (c Cause) String() string {
	switch {
	case c.Version > 0:
		return fmt.Sprintf("%s %s@%d", c.Kind, c.Name, c.Version)
	case c.Name != "":
		return c.Kind + " " + c.Name
	}
	return cmp.Or(c.Kind, "-")
}

// Moved tells that a line of an output was seen to change, or was seen for the
// first time. Of a wave only the first turn is told. Nothing answers.
type Moved struct {
	At       time.Time `json:"at"`
	Line     string    `json:"line"`               // its label then
	Identity string    `json:"identity,omitempty"` // see [Identity]
	On       bool      `json:"on"`
	Cause    Cause     `json:"cause"`
}

func (Moved) effect() {}
