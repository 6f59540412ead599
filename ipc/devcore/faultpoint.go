package devcore

import (
	"errors"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// Faults returns the rules by which the core fails on purpose. There are none at
// first.
func (c *Core) Faults() *faults.Set { return c.faults }

// addFaults puts the rules before all operations and behind all events.
func (c *Core) addFaults(cfg *server.Config) {
	c.faults = faults.New(faults.Host{
		Restart:   c.Restart,
		NotReady:  c.Shadows().NotReady,
		Throttled: errThrottled,
		Observe: func(h faults.Hit) {
			c.observe(Event{Kind: FaultMade, Component: h.Component, Operation: h.Operation, Fault: h})
		},
	})
	cfg.Intercept, cfg.InterceptEvent = c.faults.Intercept, c.faults.InterceptEvent
}

// errNotReady is how requests fail before the database is open
// (aws-greengrass/aws-greengrass-shadow-manager ShadowManagerDAOImpl.java).
var errNotReady = errors.New( //lint:ignore ST1005 text of the wire
	"Database pool not initialized. Shadow manager most likely isn't running yet. Wait for Shadow manager to be running.")

// NotReady closes the database of the shadows for a time from now, as it is while
// a nucleus starts: all requests that get as far as that fail. 0 opens it.
func (h *Shadows) NotReady(d time.Duration) {
	h.service.closedUntil.Store(time.Now().Add(d).UnixNano())
}

// ready returns errNotReady while the database is closed.
func (s *shadows) ready() error {
	if time.Now().UnixNano() < s.closedUntil.Load() {
		return errNotReady
	}
	return nil
}
