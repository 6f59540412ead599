package engine

import (
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// Snapshot is what the engine knows at one moment, for people and programs on the
// gateway.
type Snapshot struct {
	At      time.Time             `json:"at"`
	Since   time.Time             `json:"since"` // when the component started, or stopped
	Version string                `json:"version"`
	Stopped bool                  `json:"stopped,omitempty"`
	Refused string                `json:"refused,omitempty"` // why the latest configuration is not in force
	Disk    map[string]string     `json:"disk,omitempty"`    // faults of the work directory, by its part: state, configuration, journal
	Lines   map[string]LineView   `json:"lines"`             // by label
	Shadows map[string]ShadowView `json:"shadows"`           // by label
}

// LineView is one line.
type LineView struct {
	Direction string       `json:"direction"`         // input or output
	Value     string       `json:"value,omitempty"`   // on, off; nothing while it is not known
	Demand    string       `json:"demand,omitempty"`  // what an output is to be, in words
	Waiting   string       `json:"waiting,omitempty"` // which rule keeps it from that
	Fault     string       `json:"fault,omitempty"`
	Since     *time.Time   `json:"since,omitempty"` // an output is as it is since then
	Cause     *lines.Cause `json:"cause,omitempty"` // and this is why
}

// ShadowView is one shadow.
type ShadowView struct {
	Thing   string `json:"thing"`
	Name    string `json:"name,omitempty"` // none for the classic shadow
	Sync    string `json:"sync"`           // one of the words of Sync…
	Version int64  `json:"version,omitempty"`
	Warning string `json:"warning,omitempty"` // the trouble of the moment

	Properties map[string]PropertyView `json:"properties"`
}

// How well a shadow is known.
const (
	SyncOutOfReach = "out of reach" // its messages do not arrive
	SyncReading    = "reading"
	SyncReporting  = "reporting" // there are differences to be reported
	SyncInStep     = "in step"
)

// PropertyView is one property, or a desired key that is none.
type PropertyView struct {
	Kind     string      `json:"kind,omitempty"`
	Line     string      `json:"line,omitempty"` // label; several are joined by +
	Output   bool        `json:"output,omitempty"`
	Sensor   string      `json:"sensor,omitempty"`   // of a reading
	Unit     string      `json:"unit,omitempty"`     // of the value
	Fault    string      `json:"fault,omitempty"`    // why a reading has no value, or an alarm stays as it is
	Value    any         `json:"value"`              // what it is, nil while that is not known
	Reported any         `json:"reported,omitempty"` // what the shadow is known to report, if that is not the same
	Desired  any         `json:"desired,omitempty"`
	Ack      *shadow.Ack `json:"ack,omitempty"`     // the answer to what was desired last
	Pending  bool        `json:"pending,omitempty"` // the answer is not in the shadow yet
}

// Snapshot makes a copy of what is known at time now.
func (e *Engine) Snapshot(now time.Time) Snapshot {
	s := Snapshot{
		At: now, Since: e.since, Version: e.version, Stopped: e.stopped, Refused: e.refused, Disk: e.diskFaults,
		Lines: map[string]LineView{}, Shadows: map[string]ShadowView{},
	}
	for label, l := range e.bank.Lines() {
		s.Lines[label] = viewLine(l)
	}
	for label, state := range e.shadows {
		s.Shadows[label] = state.view()
	}
	for _, a := range e.alarms {
		for _, p := range e.flags[a.label] {
			if view := s.Shadows[p.shadow.label].Properties[p.key]; a.silent {
				view.Fault = silence
				s.Shadows[p.shadow.label].Properties[p.key] = view
			}
		}
	}
	return s
}

func viewLine(l lines.LineStatus) LineView {
	v := LineView{Direction: "input", Demand: l.Demand, Waiting: l.Waiting}
	if l.Known {
		v.Value = map[bool]string{false: "off", true: "on"}[l.On]
	}
	if l.Fault != nil {
		v.Fault = l.Fault.Error()
	}
	if !l.Output {
		return v
	}
	v.Direction = "output"
	if l.Cause != (lines.Cause{}) {
		v.Cause = &l.Cause
	}
	if !l.Since.IsZero() {
		v.Since = &l.Since
	}
	return v
}

func (s *shadowState) view() ShadowView {
	v := ShadowView{
		Thing: s.id.Thing, Name: s.id.Name, Sync: s.sync(), Version: max(s.newest, s.gate.Seen(), s.replied), Warning: s.warned,
		Properties: map[string]PropertyView{},
	}
	for key := range s.desired {
		v.Properties[key] = s.viewProperty(key)
	}
	for key, p := range s.props {
		view := s.viewProperty(key)
		view.Kind, view.Output, view.Line, view.Unit = p.Kind.String(), p.Output, p.Line, p.unit()
		switch p.Kind {
		case config.Pattern:
			view.Line = p.output
		case config.Reading:
			view.Sensor = p.Sensor
			if p.meter.fault != nil {
				view.Fault = p.meter.fault.Error()
			}
		}
		v.Properties[key] = view
	}
	return v
}

func (s *shadowState) viewProperty(key string) PropertyView {
	v := PropertyView{Value: s.want[key], Desired: s.desired[key]}
	if have := s.have[key]; !shadow.Equal(have, v.Value) {
		v.Reported = have
	}
	if ack, ok := s.wantAck[key]; ok {
		v.Ack, v.Pending = &ack, ack != s.haveAck[key]
	}
	return v
}

func (s *shadowState) sync() string {
	switch {
	case !s.live:
		return SyncOutOfReach
	case s.phase != synced:
		return SyncReading
	case s.flight != nil || !s.difference().empty():
		return SyncReporting
	}
	return SyncInStep
}
