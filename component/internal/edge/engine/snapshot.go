package engine

import (
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// Snapshot is the state of the engine at one moment, for people and programs on the
// gateway.
type Snapshot struct {
	At      time.Time             `json:"at"`
	Since   time.Time             `json:"since"` // when the component started or stopped
	Version string                `json:"version"`
	Stopped bool                  `json:"stopped,omitempty"`
	Refused string                `json:"refused,omitempty"` // why the latest configuration was rejected
	Disk    map[string]string     `json:"disk,omitempty"`    // faults of the work directory, by part: state, configuration, journal
	Lines   map[string]LineView   `json:"lines"`             // by label
	Shadows map[string]ShadowView `json:"shadows"`           // by label

	// Withdrawing lists shadows dropped from the configuration whose reported values
	// are not deleted yet.
	Withdrawing []string `json:"withdrawing,omitempty"`
}

// LineView is one line.
type LineView struct {
	Chip      string       `json:"chip,omitempty"`    // as configured
	Line      string       `json:"line,omitempty"`    // name or offset, as configured
	Direction string       `json:"direction"`         // input or output
	Value     string       `json:"value,omitempty"`   // on, off; "" while unknown
	Demand    string       `json:"demand,omitempty"`  // the demand on an output, in words
	Waiting   string       `json:"waiting,omitempty"` // the rule delaying the demand
	Fault     string       `json:"fault,omitempty"`
	Since     *time.Time   `json:"since,omitempty"` // time of the last change of an output
	Cause     *lines.Cause `json:"cause,omitempty"` // cause of the last change
}

// ShadowView is one shadow.
type ShadowView struct {
	Thing   string `json:"thing"`
	Name    string `json:"name,omitempty"` // empty for the classic shadow
	Sync    string `json:"sync"`           // a constant of package replica
	Version int64  `json:"version,omitempty"`
	Warning string `json:"warning,omitempty"` // the current problem

	Properties map[string]PropertyView `json:"properties"`
}

// PropertyView is one property, or a desired key without a property.
type PropertyView struct {
	Kind     string      `json:"kind,omitempty"`
	Line     string      `json:"line,omitempty"` // label; several labels are joined by +
	Output   bool        `json:"output,omitempty"`
	Sensor   string      `json:"sensor,omitempty"`   // of a reading
	Unit     string      `json:"unit,omitempty"`     // of the value
	Fault    string      `json:"fault,omitempty"`    // why a reading or an alarm has no value
	Value    any         `json:"value"`              // nil while unknown
	Reported any         `json:"reported,omitempty"` // the value in the shadow, if different
	Desired  any         `json:"desired,omitempty"`
	Ack      *shadow.Ack `json:"ack,omitempty"`     // the acknowledgement of the last desired value
	Pending  bool        `json:"pending,omitempty"` // the acknowledgement has not reached the shadow
}

// Snapshot returns a copy of the state at time now.
func (e *Engine) Snapshot(now time.Time) Snapshot {
	s := Snapshot{
		At: now, Since: e.since, Version: e.version, Stopped: e.stopped, Refused: e.refused,
		Lines: map[string]LineView{}, Shadows: map[string]ShadowView{},
	}
	for label, l := range e.bank.Lines() {
		s.Lines[label] = viewLine(l)
	}
	for label, bound := range e.shadows {
		s.Shadows[label] = bound.view()
	}
	for what, err := range e.faults {
		if s.Disk == nil {
			s.Disk = map[string]string{}
		}
		s.Disk[what] = err.Error()
	}
	for _, id := range e.ghosts() {
		s.Withdrawing = append(s.Withdrawing, id.String())
	}
	return s
}

func viewLine(l lines.LineStatus) LineView {
	v := LineView{Chip: l.Ref.Chip, Line: l.Ref.Line, Direction: "input", Demand: l.Demand, Waiting: l.Waiting}
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

func (s *boundShadow) view() ShadowView {
	r := s.replica.View()
	v := ShadowView{
		Thing: s.id.Thing, Name: s.id.Name, Sync: r.Sync, Version: r.Version, Warning: r.Warning,
		Properties: map[string]PropertyView{},
	}
	for _, key := range s.replica.DesiredKeys() {
		v.Properties[key] = s.viewKey(key)
	}
	for key, k := range s.props {
		view, p := s.viewKey(key), k.base()
		view.Kind, view.Output, view.Line, view.Sensor, view.Unit = p.Kind.String(), p.Output, p.Line, p.Sensor, unitOf(k)
		switch k := k.(type) {
		case outputKind:
			view.Line = outputOf(k).output
		case *sensorReading:
			if k.fault != nil {
				view.Fault = k.fault.Error()
			}
		case *alarmFlag:
			if k.alarm.silent {
				view.Fault = silence
			}
		}
		v.Properties[key] = view
	}
	return v
}

func (s *boundShadow) viewKey(key string) PropertyView {
	v := s.replica.ViewKey(key)
	return PropertyView{Value: v.Value, Reported: v.Reported, Desired: v.Desired, Ack: v.Ack, Pending: v.Pending}
}

// unitOf returns the unit of the value. After scaling, only the configuration knows the
// unit.
func unitOf(k kind) string {
	p := k.base()
	if p.Unit != "" || p.Scale != 0 && p.Scale != 1 {
		return p.Unit
	}
	if u, ok := k.(interface{ unit() string }); ok {
		return u.unit()
	}
	return ""
}
