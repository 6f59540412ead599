// Package devcore is a Greengrass core device to develop components against: the
// IPC services of the classic nucleus and its shadow manager, in one process and
// without the cloud.
//
// It answers as those do, to the wording of errors and the order of messages;
// the official AWS clients cannot tell the difference. What is stored, the
// shadows and what components change of their configuration, lies under
// [Config.Dir] in files that a person can read, and is written and synced before
// a request is answered: what was answered survives the end of the process and,
// as far as the disk keeps what it was told to, a power cut. (A shadow that
// [Shadows.Drop] removed may come back.)
//
// # Services
//
// Local publish/subscribe, device shadows, configuration, and reporting state.
// The other operations of the service answer as on a core where their provider is
// not installed.
//
// # Observing
//
// [Config.Observe] is told what happens, in order, synchronously. It must not
// block and must not call the core.
package devcore

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"

	"github.com/shadowgpio/shadowgpio/ipc/devcore/shadowdoc"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// Quirks says whether failures of the shadow manager are reproduced.
type Quirks = shadowdoc.Quirks

// The two settings of [Config.Quirks].
const (
	Faithful = shadowdoc.Faithful
	Fixed    = shadowdoc.Fixed
)

// Names of services, as policies and refusals have them.
const (
	serviceShadows = "aws.greengrass.ShadowManager"
	servicePubSub  = "aws.greengrass.ipc.pubsub"
)

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

	// Quirks reproduces the failures of the shadow manager that lose updates,
	// so that tests catch clients which trip over them, or not. Either way they
	// are logged.
	Quirks Quirks

	// Authorize decides whether a component may run an operation ("aws.greengrass#…")
	// of a service on a resource. nil leaves it to EnforceAccessControl.
	Authorize func(component, service, operation, resource string) bool

	// EnforceAccessControl takes policies from the key "accessControl" of each
	// component's configuration, unless Authorize is set.
	EnforceAccessControl bool

	// InterpolateThingName fills in {iot:thingName} in policies, as a nucleus does
	// that has interpolateComponentConfiguration; it is literal otherwise.
	InterpolateThingName bool

	// Server has the limits of connections. Authenticate, Logger, Up and Down
	// are set by the core.
	Server server.Config
}

// Core is a development core device. Its methods may be called from any goroutine.
type Core struct {
	cfg      Config
	log      *slog.Logger
	server   *server.Server
	tokens   tokens
	pubsub   *pubsub
	shadows  *shadows
	config   configurations
	observer sync.Mutex
}

// New makes a core and loads its state. It fails if the configuration is wrong
// or the directory cannot be used; files in it that cannot be read are set aside.
func New(cfg Config) (*Core, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.ShadowDocumentSizeLimit == 0 {
		cfg.ShadowDocumentSizeLimit = shadowdoc.DefaultSizeLimit
	}
	if n := cfg.ShadowDocumentSizeLimit; n < 0 || n > shadowdoc.MaxSizeLimit {
		return nil, fmt.Errorf("shadow document size limit: want 1 to %d bytes, got %d", shadowdoc.MaxSizeLimit, n)
	}
	if err := cfg.RateLimits.setDefaults(); err != nil {
		return nil, err
	}
	c := &Core{cfg: cfg, log: cfg.Logger}
	if cfg.Authorize == nil && cfg.EnforceAccessControl {
		c.cfg.Authorize = c.allowed
	}
	c.pubsub = &pubsub{core: c}
	if cfg.Dir != "" {
		c.config.dir = filepath.Join(cfg.Dir, "configuration")
	}
	var err error
	if c.shadows, err = newShadows(c); err != nil {
		return nil, err
	}
	c.server = c.newServer()
	return c, nil
}

func (c *Core) newServer() *server.Server {
	cfg := c.cfg.Server
	cfg.Authenticate = c.tokens.component
	cfg.Logger = c.log
	cfg.Up = func(p server.Peer) {
		c.observe(Event{Kind: Connected, Component: p.Component, Connection: p.Connection})
	}
	cfg.Down = func(p server.Peer, err error) {
		c.observe(Event{Kind: Disconnected, Component: p.Component, Connection: p.Connection, Reason: err.Error()})
	}
	s := server.New(cfg)
	s.HandleAbsent(absent...)
	c.pubsub.register(s)
	c.shadows.register(s)
	c.registerConfiguration(s)
	c.registerLifecycle(s)
	return s
}

// absent are the operations that this core does not have
// (awslabs/smithy-iot-device-sdk-greengrass-ipc greengrass-ipc-model/main.smithy).
var absent = []string{
	"AuthorizeClientDeviceAction", "CancelLocalDeployment", "CreateDebugPassword", "CreateLocalDeployment",
	"DeferComponentUpdate", "GetClientDeviceAuthToken", "GetComponentDetails", "GetLocalDeploymentStatus",
	"GetSecretValue", "ListComponents", "ListLocalDeployments", "PauseComponent", "PublishToIoTCore",
	"PutComponentMetric", "RestartComponent", "ResumeComponent", "SendConfigurationValidityReport",
	"StopComponent", "SubscribeToCertificateUpdates", "SubscribeToComponentUpdates",
	"SubscribeToIoTCore", "SubscribeToValidateConfigurationUpdates",
	"ValidateAuthorizationToken", "VerifyClientDeviceIdentity",
}

// Serve serves the clients of a listener, such as one of [server.Listen], until
// ctx is done, and returns when all its connections are closed.
func (c *Core) Serve(ctx context.Context, l net.Listener) error { return c.server.Serve(ctx, l) }

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

// tokens knows the components by their tokens.
type tokens struct {
	mu      sync.Mutex
	byName  map[string]string
	byToken map[string]string
}

func (t *tokens) component(token string) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	name, ok := t.byToken[token]
	return name, ok
}

func (t *tokens) known(component string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.byName[component]
	return ok
}

func (t *tokens) set(component, token string) {
	if t.byName == nil {
		t.byName, t.byToken = map[string]string{}, map[string]string{}
	}
	// The old token may have been given to another component meanwhile.
	if old := t.byName[component]; t.byToken[old] == component {
		delete(t.byToken, old)
	}
	t.byName[component], t.byToken[token] = token, component
}

// IssueToken returns the token with which a component connects, its environment
// variable SVCUID. It stays the same as long as the core lives, unless
// [Core.SetToken] replaces it.
func (c *Core) IssueToken(component string) string {
	c.tokens.mu.Lock()
	defer c.tokens.mu.Unlock()
	if token, ok := c.tokens.byName[component]; ok {
		return token
	}
	token := newToken()
	c.tokens.set(component, token)
	return token
}

// SetToken gives a component a token of the caller's choice, such as the one
// that it had when the core ran before. Its earlier token is no longer valid.
func (c *Core) SetToken(component, token string) {
	c.tokens.mu.Lock()
	defer c.tokens.mu.Unlock()
	c.tokens.set(component, token)
}

// newToken makes a token of the form that the classic nucleus uses: 16 of 32
// characters, without I and O.
func newToken() string {
	const alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ01234567"
	token := make([]byte, 16)
	rand.Read(token)
	for i, b := range token {
		token[i] = alphabet[b%32]
	}
	return string(token)
}
