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
// their arrival, so an operation must not wait for another request of the same
// connection. Connections are independent of each other. On one connection,
// everything sent arrives in the order in which it was sent; the response of a
// streaming operation comes before the first event of its stream.
//
// # Limits
//
// A message of a client may have [Config.MaxMessage] bytes. What is sent to a
// client that does not read waits in a queue of at most [Config.MaxQueue] bytes;
// a client that lets it overflow, or does not take a message for
// [Config.WriteTimeout], is disconnected. A client has [Config.HandshakeTimeout]
// to say who it is.
package server

import (
	"bytes"
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
	DefaultMaxQueue         = 32 << 20
)

// Config is how a server behaves. Zero values mean the defaults.
type Config struct {
	// Authenticate tells the component that a token belongs to. Required.
	Authenticate func(token string) (component string, ok bool)

	Logger           *slog.Logger  // nil discards
	MaxMessage       int           // bytes; default eventstream.MaxMessage
	HandshakeTimeout time.Duration // from accept to CONNECT
	WriteTimeout     time.Duration // for one message
	MaxQueue         int           // bytes waiting for one client

	// Up and Down tell of connections that passed the handshake, each from the
	// goroutine of the connection. They must not block.
	Up   func(Peer)
	Down func(Peer, error)
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

	mu   sync.Mutex
	last uint64 // number of the last connection
}

// New returns a server without operations.
func New(cfg Config) *Server {
	if cfg.Authenticate == nil {
		panic("server: Config.Authenticate is required")
	}
	if cfg.HandshakeTimeout == 0 {
		cfg.HandshakeTimeout = DefaultHandshakeTimeout
	}
	if cfg.WriteTimeout == 0 {
		cfg.WriteTimeout = DefaultWriteTimeout
	}
	if cfg.MaxQueue == 0 {
		cfg.MaxQueue = DefaultMaxQueue
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Server{cfg: cfg, log: cfg.Logger, operations: map[string]operation{}}
}

// Call is one request.
type Call struct {
	Context   context.Context // ends with the connection
	Component string          // who asks
	Operation model.Operation
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
			connections.Go(func() { s.newConn(ctx, nc).run() })
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
		machine: newMachine(),
		streams: map[int32]*Stream{},
		reader:  eventstream.NewReader(nc, s.cfg.MaxMessage),
	}
}
