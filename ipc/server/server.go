// Package server is the nucleus side of Greengrass IPC: event-stream RPC over a
// Unix socket, as the classic nucleus serves it.
//
// It does the handshake, keeps the rules about streams as strictly as the C
// runtime below the classic nucleus does (awslabs/aws-c-event-stream
// source/event_stream_rpc_server.c), and hands requests to operations
// registered with [Handle] and [HandleStream]. What the operations do is up to
// its user, package devcore in this module.
//
// # Order
//
// The requests of one connection are served one after the other in the order of
// their arrival, and answered in it, until an operation that has to wait says so
// with [Call.Async]: the requests behind it go on, and it is answered whenever it
// is done. An operation that waits for another request of the same connection must
// say so. Connections are independent of each other. On one connection, everything
// sent arrives in the order in which it was sent; the response of a streaming
// operation comes before the first event of its stream. No response follows the
// end of its stream.
//
// # Limits
//
// A message of a client may have [Config.MaxMessage] bytes, the payload of a PING
// [MaxPing]. What is sent to a client that does not read waits in a queue of at
// most [Config.MaxQueue] bytes; a client that lets it overflow, or does not take a
// message for [Config.WriteTimeout], is disconnected. So is one with more than
// [Config.MaxPending] requests that wait, or one that takes more than
// [Config.ReadTimeout] for a message. A client has [Config.HandshakeTimeout] to say
// who it is. A connection beyond [Config.MaxConnections] is closed at once.
//
// # Known difference
//
// Members of a request are found by their name in any case, as encoding/json does
// it. The classic nucleus wants the case of the model and takes any other name for
// an unknown member, which it ignores.
package server

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// Defaults of a [Config].
const (
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultWriteTimeout     = 10 * time.Second
	DefaultReadTimeout      = 30 * time.Second
	DefaultMaxQueue         = 32 << 20
	DefaultMaxPending       = 1000
	DefaultMaxConnections   = 1000
)

// MaxPing is how many bytes of payload a PING may have, which are sent back. The
// classic nucleus takes as many as in any message; nobody needs them.
const MaxPing = 64 << 10

// Config is how a server behaves. Zero values mean the defaults.
type Config struct {
	// Authenticate tells the component that a token belongs to. Required.
	Authenticate func(token string) (component string, ok bool)

	Logger           *slog.Logger  // nil discards
	MaxMessage       int           // bytes, from 16; default and at most eventstream.MaxMessage
	HandshakeTimeout time.Duration // from accept to CONNECT
	WriteTimeout     time.Duration // for one message
	ReadTimeout      time.Duration // for one message, from its first byte to its last
	MaxQueue         int           // bytes waiting for one client
	MaxPending       int           // requests of one client that wait, see [Call.Async]
	MaxConnections   int           // at a time, over all listeners

	// Up and Down tell of connections that passed the handshake, each from the
	// goroutine of the connection. They must not block.
	Up   func(Peer)
	Down func(Peer, error)

	// Intercept, if set, gets every request of an operation that is registered. To
	// let it pass is r.Answer(r.Serve()). It runs as operations do, and must
	// call Async before it waits.
	Intercept func(r *Request)

	// InterceptEvent, if set, gets every event of a stream. To let it pass is
	// e.Deliver(). It must not block, and may deliver later.
	InterceptEvent func(e *Event)
}

// minMessage is the smallest frame.
const minMessage = 16

// setDefaults completes the configuration. It names everything that is wrong.
func (c *Config) setDefaults() error {
	var errs []error
	if c.Authenticate == nil {
		errs = append(errs, errors.New("server: Authenticate: want a function, got nil"))
	}
	if n := c.MaxMessage; n != 0 && (n < minMessage || n > eventstream.MaxMessage) {
		errs = append(errs, fmt.Errorf("server: MaxMessage: want %d to %d bytes, or 0 for the default, got %d", minMessage, eventstream.MaxMessage, n))
	}
	c.MaxMessage = cmp.Or(c.MaxMessage, eventstream.MaxMessage)
	errs = append(errs,
		setDefault("HandshakeTimeout", &c.HandshakeTimeout, DefaultHandshakeTimeout),
		setDefault("WriteTimeout", &c.WriteTimeout, DefaultWriteTimeout),
		setDefault("ReadTimeout", &c.ReadTimeout, DefaultReadTimeout),
		setDefault("MaxQueue", &c.MaxQueue, DefaultMaxQueue),
		setDefault("MaxPending", &c.MaxPending, DefaultMaxPending),
		setDefault("MaxConnections", &c.MaxConnections, DefaultMaxConnections),
	)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return errors.Join(errs...)
}

func setDefault[T int | time.Duration](name string, value *T, or T) error {
	if *value < 0 {
		return fmt.Errorf("server: %s: want above 0, or 0 for the default, got %v", name, *value)
	}
	*value = cmp.Or(*value, or)
	return nil
}

// Peer is the client of a connection.
type Peer struct {
	Connection uint64 // a number of its own for every connection
	Component  string
}

// Server serves operations to the clients of any number of listeners.
// Operations are registered before the first Serve.
type Server struct {
	cfg        Config
	log        *slog.Logger
	operations map[string]operation

	places chan struct{} // has one entry for each connection

	mu   sync.Mutex
	last uint64    // number of the last connection
	told time.Time // when a connection too many was logged
}

// New returns a server without operations. The error names every setting that is
// wrong.
func New(cfg Config) (*Server, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	return &Server{cfg: cfg, log: cfg.Logger, operations: map[string]operation{}, places: make(chan struct{}, cfg.MaxConnections)}, nil
}

// operation is a registered one without its types.
type operation struct {
	model.Operation
	serve func(*Call, *Stream, []byte) (any, error)
}

// Handle registers an operation that has one response.
func Handle[Req, Resp any](s *Server, op model.Operation, serve func(*Call, *Req) (Resp, error)) {
	s.register(op, false, func(c *Call, _ *Stream, payload []byte) (any, error) {
		req, err := decode[Req](payload)
		if err != nil {
			return nil, err
		}
		return serve(c, req)
	})
}

// HandleStream registers an operation that has events after its response. Events
// sent before the operation returns wait for the response.
func HandleStream[Req, Resp any](s *Server, op model.Operation, serve func(*Call, *Stream, *Req) (Resp, error)) {
	s.register(op, true, func(c *Call, stream *Stream, payload []byte) (any, error) {
		req, err := decode[Req](payload)
		if err != nil {
			return nil, err
		}
		return serve(c, stream, req)
	})
}

// HandleAbsent registers operations of the service whose provider is not
// installed.
func (s *Server) HandleAbsent(names ...string) {
	for _, name := range names {
		op := model.Operation{Name: name}
		s.operations[op.ID()] = operation{op, func(*Call, *Stream, []byte) (any, error) {
			return nil, &Error{
				Code:    model.ServiceFailure,
				Message: fmt.Sprintf("Operation %s is not supported by Greengrass", op.ID()),
			}
		}}
	}
}

func (s *Server) register(op model.Operation, streams bool, serve func(*Call, *Stream, []byte) (any, error)) {
	if streams != (op.Event != "") {
		panic("server: " + op.Name + " is registered with the wrong kind of handler")
	}
	s.operations[op.ID()] = operation{op, serve}
}

// decode reads a request. A request without any value becomes null in the
// classic nucleus, on which its operations fail without a text.
func decode[Req any](payload []byte) (*Req, error) {
	if text := bytes.TrimSpace(payload); len(text) == 0 || string(text) == "null" {
		return nil, &Error{Code: model.ServiceFailure}
	}
	req := new(Req)
	if err := json.Unmarshal(payload, req); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return req, nil
}

// Marshal makes JSON as it goes over IPC: nothing escaped without need.
func Marshal(v any) (json.RawMessage, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

func mustMarshal(v any) []byte {
	data, err := Marshal(v)
	if err != nil {
		panic(err) // our own shapes are JSON
	}
	return data
}

// Serve accepts connections until ctx is done, which is not an error, or the
// listener fails. It closes the listener and all its connections, and returns
// when all goroutines that it started have ended.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var connections sync.WaitGroup
	defer connections.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	defer l.Close()
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			select {
			case s.places <- struct{}{}:
				connections.Go(func() {
					defer func() { <-s.places }()
					s.newConn(ctx, nc).run()
				})
			default:
				nc.Close()
				s.refused()
			}
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ECONNABORTED):
			s.log.Warn("accept failed, trying again", "err", err)
			pause(ctx, 100*time.Millisecond)
		default:
			return fmt.Errorf("accept: %w", err)
		}
	}
}

// refused logs a connection too many, once a minute.
func (s *Server) refused() {
	s.mu.Lock()
	again := time.Since(s.told) < time.Minute
	if !again {
		s.told = time.Now()
	}
	s.mu.Unlock()
	if !again {
		s.log.Warn("connection refused: too many are open", "limit", s.cfg.MaxConnections)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (s *Server) newConn(ctx context.Context, nc net.Conn) *conn {
	s.mu.Lock()
	s.last++
	number := s.last
	s.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	return &conn{
		server:  s,
		net:     nc,
		ctx:     ctx,
		cancel:  cancel,
		log:     s.log.With("connection", number),
		peer:    Peer{Connection: number},
		out:     newOutbox(s.cfg.MaxQueue),
		ended:   make(chan error, 1),
		machine: newMachine(),
		streams: map[int32]*Stream{},
		reader:  eventstream.NewReader(nc, s.cfg.MaxMessage),
	}
}
