// Package devcore is a Greengrass core device to develop components against: the
// IPC services of the classic nucleus and its shadow manager, in one process and
// without the cloud.
//
// It answers as those do, to the wording of errors and the order of messages;
// the official AWS clients cannot tell the difference. What is stored, the
// shadows and what components and deployments change of configurations, lies under
// [Config.Dir] in files that a person can read, and is written and synced before
// a request is answered: what was answered survives the end of the process and,
// as far as the disk keeps what it was told to, a power cut. The directory is that of
// one core at a time.
//
// # Services
//
// The core has local publish/subscribe; device shadows; configuration, its updates
// and validation; component updates and their deferral; metrics; validation of
// tokens; access control. Messages to and from AWS IoT Core go through a spool to
// [Config.Broker], by default a broker in this process; [Core.SetLink] takes the
// link away. [Core.Deploy] does to configurations what deployments do.
//
// Components are listed, restarted, stopped, paused and resumed if [Config.Components]
// runs them; without it, no component is found.
//
// Local deployments, debug passwords, secrets and client devices are answered as on a
// core where their provider is not installed.
//
// [Config.Lite] takes away what nucleus lite does not have: the shadows of a component
// are then those of [Config.Broker], if a shadow service is behind it.
//
// # Failing on purpose
//
// [Core.Faults] has rules by which requests and events fail, see package faults;
// [Core.Restart] has the core go away and come back; [Shadows.NotReady] closes the
// database of the shadows.
//
// # Observing
//
// [Config.Observe] is told what happens, in order, synchronously. It must not
// block and must not call the core.
package devcore

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// Names of services, as policies and refusals have them.
const (
	serviceShadows = "aws.greengrass.ShadowManager"
	servicePubSub  = "aws.greengrass.ipc.pubsub"

	serviceMQTTProxy = "aws.greengrass.ipc.mqttproxy"
	serviceLifecycle = "aws.greengrass.ipc.lifecycle"
	serviceMetrics   = "aws.greengrass.ipc.componentmetric"
)

// Core is a development core device. Its methods may be called from any goroutine.
type Core struct {
	cfg     Config
	log     *slog.Logger
	server  *server.Server
	tokens  tokens
	pubsub  *pubsub
	shadows *shadows
	config  configurations
	access  accessControl
	mqtt    *mqttProxy
	sync    *synchronizer // nil without one
	lock    *os.File      // holds Dir; nil without one

	validations validations
	updates     updates
	deploying   chan struct{} // one slot

	faults   *faults.Set
	restarts restarts
	observer sync.Mutex
}

// New makes a core and loads its state. It fails if the configuration is wrong, or
// the directory cannot be used or is that of another core; files in it that cannot
// be read are set aside. It is freed with [Core.Close].
func New(cfg Config) (*Core, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	c := &Core{cfg: cfg, log: cfg.Logger, deploying: make(chan struct{}, 1)}
	c.access = accessControl{log: c.log, interpolate: c.interpolate, lenient: cfg.LenientAccessControl, byName: map[string]permissions{}}
	if cfg.Authorize == nil && cfg.EnforceAccessControl {
		c.cfg.Authorize = c.access.allowed
	}
	c.pubsub = &pubsub{core: c}
	c.updates.core = c
	c.config.log, c.config.changed = c.log, c.access.set
	var err error
	if cfg.Dir != "" {
		c.config.dir = filepath.Join(cfg.Dir, "configuration")
		if c.lock, err = lockDir(cfg.Dir); err != nil {
			return nil, err
		}
	}
	if err := c.start(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// start loads the state and brings the services up.
func (c *Core) start() (err error) {
	if c.shadows, err = newShadows(c); err != nil {
		return err
	}
	c.mqtt = newMQTTProxy(c)
	if c.sync, err = newSynchronizer(c); err != nil {
		return err
	}
	if c.server, err = c.newServer(); err == nil {
		c.sync.setLink(true)
	}
	return err
}

// Close leaves the broker and lets go of the directory, which another core may then
// use. It is called when Serve has returned, and once.
func (c *Core) Close() error {
	c.sync.setLink(false)
	if c.mqtt != nil {
		c.mqtt.session.Close()
	}
	if c.lock == nil {
		return nil
	}
	return c.lock.Close()
}

// interpolate fills in the thing name where the nucleus is told to.
func (c *Core) interpolate(resource string) string {
	if !c.cfg.InterpolateThingName {
		return resource
	}
	return strings.ReplaceAll(resource, "{iot:thingName}", c.cfg.ThingName)
}

func (c *Core) newServer() (*server.Server, error) {
	cfg := c.cfg.Server
	cfg.Authenticate = c.tokens.component
	cfg.Logger = c.log
	cfg.Up = func(p server.Peer) {
		c.observe(Event{Kind: Connected, Component: p.Component, Connection: p.Connection})
	}
	cfg.Down = func(p server.Peer, err error) {
		c.observe(Event{Kind: Disconnected, Component: p.Component, Connection: p.Connection, Reason: err.Error()})
	}
	c.addFaults(&cfg)
	s, err := server.New(cfg)
	if err != nil {
		return nil, err
	}
	s.HandleAbsent(absent...)
	c.pubsub.register(s)
	c.shadows.register(s)
	c.registerConfiguration(s)
	c.registerLifecycle(s)
	c.registerComponents(s)
	c.validations.register(s)
	c.updates.register(s)
	c.mqtt.register(s)
	server.Handle(s, model.PutComponentMetric, c.putComponentMetric)
	server.Handle(s, model.ValidateAuthorizationToken, c.validateAuthorizationToken)
	if c.cfg.Lite {
		c.registerLite(s)
	}
	return s, nil
}

// absent are the operations whose provider this core does not have
// (aws-greengrass/aws-greengrass-nucleus ipc/IPCEventStreamService.java).
var absent = []string{
	"AuthorizeClientDeviceAction", "CancelLocalDeployment", "CreateDebugPassword", "CreateLocalDeployment",
	"GetClientDeviceAuthToken", "GetLocalDeploymentStatus", "GetSecretValue", "ListLocalDeployments",
	"SubscribeToCertificateUpdates", "VerifyClientDeviceIdentity",
}

// ThingName is the name of the core device as a thing.
func (c *Core) ThingName() string { return c.cfg.ThingName }

// authorize returns the error with which the classic nucleus refuses, or nil
// (aws-greengrass/aws-greengrass-nucleus authorization/AuthorizationHandler.java).
func (c *Core) authorize(component, service string, op model.Operation, resource string) *server.Error {
	if c.cfg.Authorize == nil || c.cfg.Authorize(component, service, op.ID(), resource) {
		return nil
	}
	return &server.Error{
		Code: model.Unauthorized,
		Message: fmt.Sprintf("Principal %s is not authorized to perform %s:%s on resource %s",
			component, service, op.ID(), resource),
	}
}
