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

	"github.com/shadowgpio/shadowgpio/component/internal/shadow"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// Config is a valid configuration. It is not changed after Parse.
type Config struct {
	LogLevel slog.Level
	Lines    map[string]Line   // by our label
	Shadows  map[string]Shadow // by our label
}

// Line is one GPIO line.
type Line struct {
	Ref       gpio.Ref
	Direction gpio.Direction // Input or Output
	ActiveLow bool
	Bias      gpio.Bias
	Drive     gpio.Drive    // outputs
	Debounce  time.Duration // inputs; 0 to 10s
	Start     Start         // outputs
	Stop      Stop          // outputs
}

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
	StopKeep Stop = iota // as it is; what the driver makes of a released line is its choice
	StopOn
	StopOff
)

var (
	startNames = []string{"restore", "keep", "on", "off"}
	stopNames  = []string{"keep", "on", "off"}
)

func (s Start) String() string { return startNames[s] }
func (s Stop) String() string  { return stopNames[s] }

// Shadow is one device shadow and what its properties are bound to.
type Shadow struct {
	ID         shadow.ID
	Properties map[string]Property // by the key in the shadow
}

// Property binds one key of a shadow to a line.
type Property struct {
	Line   string // label in Config.Lines
	Output bool   // the direction of that line
	Values Values
}

// Limits of the shadow service that a configuration is checked against
// (aws-greengrass/aws-greengrass-shadow-manager README.md).
const (
	MaxDocument = 8192             // bytes of desired and reported together
	MaxDebounce = 10 * time.Second // more is a mistake, not a bouncing contact
)
