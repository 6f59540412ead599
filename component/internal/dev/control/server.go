package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/eventlog"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/limit"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// Components are those of the core device, of which a person may start a broken one.
type Components interface {
	devcore.Components
	// Revive starts a broken component, and reports whether it was broken.
	Revive(why string) bool
}

// The bounds of the socket's clients. A client that takes longer, or is one too many,
// loses its connection.
const (
	maxConnections = 100
	maxHeaders     = 32 << 10         // bytes of a request
	requestTimeout = 10 * time.Second // from the first byte to the last
	answerTimeout  = 10 * time.Second // for the client to take the answer
	idleTimeout    = time.Minute      // between requests
)

// Server carries out what commands request.
type Server struct {
	Core       *devcore.Core
	Cloud      *cloud.Cloud
	Component  string // whose configuration says what is synchronized
	Components Components
	Log        *eventlog.Log
	// Deployed is called after a deployment of that configuration; nil does nothing.
	Deployed func() (Synchronized, error)
}

// Listen opens the socket, which only this user may use.
func (s *Server) Listen(socket string) (net.Listener, error) {
	l, err := server.Listen(socket)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Serve serves the clients of a listener until ctx is done, which is not an error, or the
// listener fails. It closes the listener and all its connections.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	log := slog.New(s.Log.Handler("control", slog.LevelWarn))
	notices := limit.NewNotices(log)
	l = limit.Listener(l, maxConnections, func() {
		notices.Reached("connection refused: too many are open", "limit", maxConnections)
	})
	h := newServer(ctx, s.handler(), log)
	defer h.Close()
	defer context.AfterFunc(ctx, func() { h.Close() })()
	if err := h.Serve(l); ctx.Err() == nil {
		return err
	}
	return nil
}

// newServer makes a server that waits for no client longer than it must. A request may
// take as long as the command waits for it: a deployment does.
func newServer(ctx context.Context, h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(requestTimeout)) // of the body; see answer
			h.ServeHTTP(w, r)
		}),
		MaxHeaderBytes:    maxHeaders,
		ReadHeaderTimeout: requestTimeout,
		IdleTimeout:       idleTimeout,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /faults", answer(s.addFault))
	mux.HandleFunc("GET /faults", answer(s.listFaults))
	mux.HandleFunc("DELETE /faults", answer(s.clearFaults))
	mux.HandleFunc("POST /core/restart", answer(s.restartCore))
	mux.HandleFunc("GET /link", answer(s.link))
	mux.HandleFunc("PUT /link", answer(s.setLink))
	mux.HandleFunc("PUT /link/delay", answer(s.slowLink))
	mux.HandleFunc("GET /compare", answer(s.compare))
	mux.HandleFunc("GET /components", answer(s.components))
	mux.HandleFunc("POST /components/{name}/{verb}", answer(s.component))
	mux.HandleFunc("POST /deployments", answer(s.deploy))
	mux.HandleFunc("GET /configuration", answer(s.configuration))
	return mux
}

// answer makes a handler of a function from a body to a body. Its errors say what
// was wrong with the request.
func answer[Req, Resp any](f func(*http.Request, Req) (Resp, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var request Req
		var response any
		err := read(w, r, &request)
		if err == nil {
			response, err = f(r, request)
		}
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTimeout))
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			response = refusal{err.Error()}
		}
		_ = json.NewEncoder(w).Encode(response) // the client is gone otherwise
	}
}

// read reads the body of a request, if it has one. From then on the end of the connection
// ends the request, and time does not.
func read(w http.ResponseWriter, r *http.Request, request any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		w.Header().Set("Connection", "close")
		return fmt.Errorf("body of the request: %w", err)
	}
	http.NewResponseController(w).SetReadDeadline(time.Time{})
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	return decoder.Decode(request)
}

func (s *Server) addFault(_ *http.Request, req Rule) (Rule, error) {
	rule, err := faults.ParseRule(req.Rule)
	if err != nil {
		return Rule{}, err
	}
	id := s.Core.Faults().Add(rule)[0]
	s.Log.Say("fault", "rule %d added: %v; seed %d", id, rule, s.Core.Faults().Seed())
	return Rule{ID: id, Rule: rule.String()}, nil
}

func (s *Server) listFaults(*http.Request, nothing) (Faults, error) {
	list := Faults{Seed: s.Core.Faults().Seed(), Rules: []Rule{}}
	for _, f := range s.Core.Faults().List() {
		list.Rules = append(list.Rules, Rule{f.ID, f.Rule.String(), f.Matched, f.Hits})
	}
	return list, nil
}

func (s *Server) clearFaults(r *http.Request, _ nothing) (cleared, error) {
	var ids []int
	for _, text := range r.URL.Query()["id"] {
		id, err := strconv.Atoi(text)
		if err != nil {
			return cleared{}, fmt.Errorf("want the number of a rule, got %q", text)
		}
		ids = append(ids, id)
	}
	n := s.Core.Faults().Clear(ids...)
	if n < len(ids) {
		return cleared{}, fmt.Errorf("want numbers of rules in force, got %d and only %d of them; shadowctl fault list shows them", len(ids), n)
	}
	s.Log.Say("fault", "rules cleared: %d", n)
	return cleared{n}, nil
}

// duration reads a duration from 0 to the longest.
func duration(name, text string, longest time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > longest {
		return 0, fmt.Errorf("%s: want a duration from 0s to %v, got %q", name, longest, text)
	}
	return d, nil
}

func (s *Server) restartCore(_ *http.Request, req away) (nothing, error) {
	d, err := duration("away", req.Away, MaxAway)
	if err != nil {
		return nothing{}, err
	}
	s.Core.Restart(d)
	return nothing{}, nil
}

func (s *Server) link(*http.Request, nothing) (link, error) { return link{s.Core.Link()}, nil }

func (s *Server) setLink(_ *http.Request, req link) (link, error) {
	s.Core.SetLink(req.Up)
	return link{s.Core.Link()}, nil
}

func (s *Server) slowLink(_ *http.Request, req delay) (nothing, error) {
	d, err := duration("delay", req.Delay, MaxDelay)
	if err != nil {
		return nothing{}, err
	}
	s.Core.SlowLink(d)
	s.Log.Say("cloud", "requests of the core device take %v longer", d)
	return nothing{}, nil
}
