package devcore

import (
	"cmp"
	"fmt"
	"log/slog"

	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// Quirks says whether failures of the shadow manager are reproduced.
type Quirks int

// The two settings of [Config.Quirks].
const (
	Faithful = Quirks(shadowdoc.Faithful) // they happen
	Fixed    = Quirks(shadowdoc.Fixed)    // they are only logged
)

func (q Quirks) String() string { return shadowdoc.Quirks(q).String() }

// Config is how a core behaves. The zero value works and keeps everything in memory.
type Config struct {
	Dir       string       // holds the state and is created; "" keeps it in memory
	ThingName string       // of the core device
	Logger    *slog.Logger // nil discards

	// Observe is called for everything that happens, one call at a time, in
	// order. It must neither block nor call the core.
	Observe func(Event)

	// ShadowDocumentSizeLimit is in bytes; default 8192, at most 30720.
	ShadowDocumentSizeLimit int
	RateLimits              RateLimits

	// Lite makes the core a nucleus lite, as far as its operations and the MQTT proxy go:
	// no shadow manager, no spool, and no messages that wait while the link is down.
	Lite bool

	// Quirks reproduces the failures of the shadow manager that lose updates,
	// so that tests catch clients which trip over them, or not. Either way they
	// are logged.
	Quirks Quirks

	// Authorize decides whether a component may run an operation ("aws.greengrass#…")
	// of a service on a resource. nil leaves it to EnforceAccessControl.
	Authorize func(component, service, operation, resource string) bool

	// EnforceAccessControl takes policies from the key "accessControl" of each
	// component's configuration, unless Authorize is set. A component that lacks the
	// key may do nothing that needs one, or, with LenientAccessControl, everything.
	EnforceAccessControl bool
	LenientAccessControl bool

	// InterpolateThingName fills in {iot:thingName} in policies, as a nucleus does
	// that has interpolateComponentConfiguration; it is literal otherwise.
	InterpolateThingName bool

	// Broker is AWS IoT Core; nil is one in this process that nobody else uses.
	Broker Broker
	// Synchronize keeps shadows the same as those of the cloud; none without it. See
	// also [Core.SetSynchronized].
	Synchronize Synchronize
	// SpoolLimit is how many bytes of payload wait for the link; default
	// [DefaultSpoolLimit].
	SpoolLimit int
	// KeepQoS0WhenOffline spools messages of quality of service 0, too, which are
	// refused otherwise while the link is down.
	KeepQoS0WhenOffline bool

	// Components are those that the core runs; nil runs none.
	Components Components

	// Server has the limits of connections. Its functions and Logger are set by the
	// core.
	Server server.Config
}

// setDefaults completes the configuration. It fails on the first thing that is wrong.
func (c *Config) setDefaults() error {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.ShadowDocumentSizeLimit == 0 {
		c.ShadowDocumentSizeLimit = shadowdoc.DefaultSizeLimit
	}
	if n := c.ShadowDocumentSizeLimit; n < 0 || n > shadowdoc.MaxSizeLimit {
		return fmt.Errorf("shadow document size limit: want 1 to %d bytes, got %d", shadowdoc.MaxSizeLimit, n)
	}
	if err := c.RateLimits.setDefaults(); err != nil {
		return err
	}
	if c.SpoolLimit < 0 {
		return fmt.Errorf("spool limit: want above 0 bytes, or 0 for the default, got %d", c.SpoolLimit)
	}
	c.SpoolLimit = cmp.Or(c.SpoolLimit, DefaultSpoolLimit)
	if c.Broker == nil {
		c.Broker = NewBroker()
	}
	return nil
}
