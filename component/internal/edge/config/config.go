// Package config is the configuration of the component: what people write,
// turned into values that later code cannot misread.
//
// The same configuration comes from two places, a file (YAML or JSON) and the
// component configuration of a deployment (JSON over IPC). [Parse] is strict:
// unknown keys are faults with the nearest known key, and all faults are named
// at once, each with its path, what was wanted and what was found. Parsing has no
// side effects and touches no line.
package config

import (
	"log/slog"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/reading"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// Config is a valid configuration. It is not changed after Parse.
type Config struct {
	LogLevel   slog.Level
	Transport  Transport
	HoldFor    time.Duration        // how long outputs stay held after the component is gone; 0 is not at all
	Lines      map[string]Line      // by our label
	Interlocks map[string]Interlock // by our label
	Controls   map[string]Control   // by our label
	Alarms     map[string]Alarm     // by our label
	Shadows    map[string]Shadow    // by our label
}

// Transport is the way to the shadows.
type Transport uint8

// The transports. Auto is the default.
const (
	Auto          Transport = iota // IoTCore where the nucleus is lite, which has no shadow manager; else ShadowManager
	ShadowManager                  // the shadow manager's operations
	IoTCore                        // the shadow topics of AWS IoT Core, through the nucleus's MQTT client
)

// Line is one GPIO line.
type Line struct {
	Ref       gpio.Ref
	Direction gpio.Direction // Input or Output
	ActiveLow bool
	Bias      gpio.Bias

	// Of inputs.
	Debounce time.Duration // 0 to MaxDebounce; edges that are closer together are none
	OnDelay  time.Duration // 0 to MaxDelay; how long it must be on to count as on
	OffDelay time.Duration // 0 to MaxDelay
	Poll     time.Duration // MinPoll to MaxPoll; how often it is read where the chip reports no edges

	// Of outputs.
	Drive    gpio.Drive
	Start    Start
	Stop     Stop
	Failsafe *Failsafe     // nil is none
	MinOn    time.Duration // 0 to MaxTime; 0 is no limit, here and below
	MinOff   time.Duration // 0 to MaxTime
	MaxOn    time.Duration // 0 to MaxTime
}

// Failsafe is what an output becomes when the nucleus is away.
type Failsafe struct {
	After time.Duration // MinFailsafe to MaxTime
	On    bool
}

// Interlock is a group of outputs of which one at most is on.
type Interlock struct {
	Lines    []string      // labels, two at least
	DeadTime time.Duration // 0 to MaxTime; from the observed off of one to the on of another
}

// Control lets an input drive an output, with or without a link.
type Control struct {
	Input  string     // label of an input
	Edge   gpio.Edges // never NoEdges
	Action Action
	Output string // label of an output that no pattern holds
}

// Action is what a control does to its output.
type Action uint8

// The actions.
const (
	Toggle Action = iota
	Set           // on
	Reset         // off
)

// Start is the state of an output before its shadow is known.
type Start uint8

// The start states. Restore is the default.
const (
	StartRestore Start = iota // as it was last, from the local state; Keep where there is none
	StartKeep                 // as the line is
	StartOn
	StartOff
)

// Stop is the state of an output when the component stops.
type Stop uint8

// The stop states. Keep is the default.
const (
	StopKeep Stop = iota // as it is
	StopOn
	StopOff
)

var (
	transportNames = []string{"auto", "shadowManager", "iotCore"}
	startNames     = []string{"restore", "keep", "on", "off"}
	stopNames      = []string{"keep", "on", "off"}
	actionNames    = []string{"toggle", "set", "reset"}
)

func (t Transport) String() string { return transportNames[t] }
func (s Start) String() string     { return startNames[s] }
func (s Stop) String() string      { return stopNames[s] }
func (a Action) String() string    { return actionNames[a] }

// Shadow is one device shadow and what its properties are bound to.
type Shadow struct {
	ID         shadow.ID
	Status     bool                // the component tells of itself in it, under shadow.StatusKey
	Properties map[string]Property // by the key in the shadow
}

// Kind says what a property shows of its lines, and what can be desired of it.
type Kind uint8

// The kinds. Level is the one without a key of its own.
const (
	Level     Kind = iota // on or off: of an input, or of an output that is set
	Pulse                 // an output that is on for a time when true is desired
	Blink                 // an output that goes on and off while true is desired
	PWM                   // an output that is on for a desired part of each period, in percent
	Pattern               // several outputs, set together to what a desired word stands for
	Count                 // edges of an input, a number that can be set
	Rate                  // edges of an input in a unit of time
	Period                // seconds from edge to edge of an input
	Changed               // time of the last edge of an input
	Duty                  // part of the time that an input is on, in percent
	LastPulse             // seconds that an input was on, or off, the last time
	Reading               // number that a sensor of the machine shows
	Setting               // a value that is adopted from desired
	Flag                  // whether an alarm is raised
	Schedule              // when an output is switched, adopted from desired
)

// Property binds one key of a shadow to a line, or to several by patterns.
type Property struct {
	Kind   Kind
	Line   string // label in Config.Lines; "" for a Pattern, and for what has no line
	Output bool   // the direction of its lines
	Values Values // of Level, Pulse and Blink

	// Of outputs.
	Override Override
	Pulse    time.Duration              // of Pulse: MinWave to MaxTime
	Expires  time.Duration              // of Pulse, Count and Flag, their commands: 1 s to MaxTime; 0 for never
	On, Off  time.Duration              // of Blink: MinWave to MaxTime each
	Period   time.Duration              // of PWM: 10 MinWave to MaxTime
	Patterns map[string]map[string]bool // of Pattern: line states by word and line label

	// Of inputs.
	Edges    gpio.Edges    // of Count, Rate, Period and Changed
	Scale    float64       // of Count and Rate: what one edge stands for; MinScale to MaxScale
	Per      time.Duration // of Rate: the unit of time
	Timeout  time.Duration // of Rate, Period and Duty: without an edge for so long they are at rest
	Pulsed   bool          // of LastPulse: the time on, else the time off
	Interval time.Duration // of what is measured: the time from one sample to the next

	// Of what is measured, but counts.
	Sensor string        // of Reading: its name in package sensor
	Unit   string        // of Count, Rate, Duty, LastPulse and Reading: for people; "" is that of what is measured
	Rules  reading.Rules // from samples to reports

	// Of what has no line.
	Domain  Domain // of Setting
	Alarm   string // of Flag: label in Config.Alarms
	Drives  string // of Schedule: label of an output that no pattern holds
	MaxSize int    // of Schedule: bytes of what can be desired, as JSON
}

// Override says who wins when an output was changed locally: by a control, an alarm
// or a schedule, or by its MaxOn.
type Override uint8

// The overrides. UpdatesDesired is the default.
const (
	// UpdatesDesired writes the local state as desired and reported together, so
	// that nothing pulls it back.
	UpdatesDesired Override = iota
	// CloudWins lets those act only while the shadow is out of reach, and then
	// applies what is desired again.
	CloudWins
	// HoldsUntilNextDesired keeps the local state, against what is desired, until
	// it is desired anew.
	HoldsUntilNextDesired
)

var overrideNames = []string{"updatesDesired", "cloudWins", "holdsUntilNextDesired"}

func (o Override) String() string { return overrideNames[o] }

// Limits of the shadow service that a configuration is checked against
// (aws-greengrass/aws-greengrass-shadow-manager README.md).
const (
	MaxDocument = 8192 // bytes of desired and reported together

	// MinScale and MaxScale bound what one edge stands for.
	MinScale = 1e-9
	MaxScale = 1e9
)

// Bounds of durations.
const (
	MaxDebounce = 10 * time.Second // more is a mistake, not a bouncing contact
	MaxDelay    = 24 * time.Hour
	MaxTime     = 7 * 24 * time.Hour
	MinWave     = 10 * time.Millisecond // less is not to be timed by a program
	MinPoll     = time.Millisecond
	MaxPoll     = time.Minute
	MinFailsafe = time.Second
)

// Defaults.
const (
	DefaultHoldFor  = time.Minute
	DefaultPoll     = 20 * time.Millisecond
	DefaultPer      = time.Second
	DefaultTimeout  = 10 * time.Second
	DefaultInterval = time.Second
	DefaultMaxSize  = 1024             // bytes of a schedule
	DefaultSample   = 30 * time.Second // interval of a reading
	DefaultDecimals = 3
)
