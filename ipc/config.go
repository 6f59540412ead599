package ipc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
)

// The variables that a nucleus sets for every component it starts.
const (
	EnvSocket = "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT"
	EnvToken  = "SVCUID"
)

// Config says where a nucleus is and how to talk to it.
type Config struct {
	// Socket is the path of the Unix socket. Required unless Dial is set.
	// A path longer than the 107 characters of a socket address works on Linux
	// as long as its last element is short.
	Socket string
	// Token is the component's token. An empty one is sent, and refused.
	Token Token
	// MessageLimit is the size in bytes of the largest message accepted, headers
	// included, from 1 kB to 24 MiB (eventstream.MaxMessage); 0 is the largest. A
	// longer one ends the connection before anything is allocated for it.
	MessageLimit int
	// PayloadLimit is the size in bytes of the largest message that is kept, headers
	// included, from 1 kB to 24 MiB; 0 is MessageLimit. A longer one up to MessageLimit
	// is read without memory for it, and the connection goes on: a call whose answer
	// it is fails with [ErrOutcomeUnknown] and [ErrMessageTooLarge], a stream whose event it
	// is ends with [ErrMessageTooLarge].
	PayloadLimit int
	// InboxLimit is how many bytes of events of one stream wait for their consumer, besides
	// the bound of [InboxSize]; 0 is no further bound. An event that finds none waiting
	// is always taken. One too many ends the stream with [ErrOverflow].
	InboxLimit int
	// RequestLimit is the size in bytes of the largest request sent, headers
	// included, from 1 kB to 24 MiB; 0 is the largest. A larger one fails with
	// [ErrNotSent] and [ErrTooLarge]. For nucleus lite, which drops the connection
	// at a larger one, set eventstream.MaxLiteMessage.
	RequestLimit int
	// CallTimeout bounds the handshake, and every call whose context has no
	// deadline; a deadline counts alone, be it earlier or later. 0 is 10 seconds, a
	// negative value no bound. SubscribeToIoTCore and DeferComponentUpdate may
	// rightly take long, and only their context bounds them.
	CallTimeout time.Duration
	// Dial makes the connection; nil dials Socket.
	Dial func(ctx context.Context) (net.Conn, error)
	// Logger gets details at debug level; nil discards. It never gets the token
	// or a payload.
	Logger *slog.Logger
}

const (
	defaultCallTimeout = 10 * time.Second
	// writeTimeout is how long one frame may take once its first byte may have
	// been written; nucleus lite uses the same.
	writeTimeout = 5 * time.Second
	// frameTimeout is how long one frame of the nucleus may take from its first byte
	// to its last. Without it, a frame that never ends would look like a nucleus
	// that has nothing to say.
	frameTimeout = 30 * time.Second
	// minLimit is the least limit of messages: the handshake and an error fit in it.
	minLimit = 1000
)

// ConfigError is a value of a [Config] or [SessionConfig] that cannot be meant.
type ConfigError struct {
	Field string // its name in the struct
	Want  string
	Got   any
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("ipc: %s: want %s, got %v", e.Field, e.Want, e.Got)
}

// faults are the values that cannot be meant, each a *ConfigError.
func (c Config) faults() []error {
	var faults []error
	if c.Dial == nil {
		if c.Socket == "" {
			faults = append(faults, &ConfigError{"Socket", "a path", `""`})
		} else if err := checkSocketPath(c.Socket); err != nil {
			faults = append(faults, &ConfigError{"Socket", "a path that fits a socket address", err})
		}
	}
	for _, limit := range []struct {
		field string
		value int
	}{{"MessageLimit", c.MessageLimit}, {"PayloadLimit", c.PayloadLimit}, {"RequestLimit", c.RequestLimit}} {
		if v := limit.value; v != 0 && (v < minLimit || v > eventstream.MaxMessage) {
			want := fmt.Sprintf("0, or %d to %d bytes", minLimit, eventstream.MaxMessage)
			faults = append(faults, &ConfigError{limit.field, want, v})
		}
	}
	if c.InboxLimit < 0 {
		faults = append(faults, &ConfigError{"InboxLimit", "0 or more bytes", c.InboxLimit})
	}
	return faults
}

// resolved has every zero value replaced, and refuses those that cannot be meant.
func (c Config) resolved() (Config, error) {
	if err := errors.Join(c.faults()...); err != nil {
		return Config{}, err
	}
	return c.withDefaults(), nil
}

func (c Config) withDefaults() Config {
	if c.MessageLimit == 0 {
		c.MessageLimit = eventstream.MaxMessage
	}
	if c.PayloadLimit == 0 {
		c.PayloadLimit = c.MessageLimit
	}
	if c.CallTimeout == 0 {
		c.CallTimeout = defaultCallTimeout
	}
	if c.Dial == nil {
		socket := c.Socket
		c.Dial = func(ctx context.Context) (net.Conn, error) { return dialSocket(ctx, socket) }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// EnvironmentError says that the process does not have what a nucleus gives to a
// component.
type EnvironmentError struct {
	Missing []string // names of the variables
}

func (e *EnvironmentError) Error() string {
	return "not in the environment: " + strings.Join(e.Missing, ", ") +
		": a Greengrass nucleus sets them for the components it starts;" +
		" under a nucleus, look whether sudo is sudo-rs, which ignores the -E that keeps them" +
		" (aws-greengrass-nucleus issue 1799), and use the classic sudo"
}

// ConfigFromEnv takes socket and token from the variables [EnvSocket] and
// [EnvToken]; getenv is normally os.Getenv. It fails with an *[EnvironmentError]
// that names every variable that is missing or empty. A nucleus may give a
// relative path, so it is made absolute at once: call this before any chdir.
func ConfigFromEnv(getenv func(string) string) (Config, error) {
	c := Config{Socket: getenv(EnvSocket), Token: Token(getenv(EnvToken))}
	var missing []string
	if c.Socket == "" {
		missing = append(missing, EnvSocket)
	}
	if c.Token == "" {
		missing = append(missing, EnvToken)
	}
	if missing != nil {
		return Config{}, &EnvironmentError{Missing: missing}
	}
	path, err := filepath.Abs(c.Socket)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", EnvSocket, err)
	}
	if err := checkSocketPath(path); err != nil {
		return Config{}, fmt.Errorf("%s: %w", EnvSocket, err)
	}
	c.Socket = path
	return c, nil
}
