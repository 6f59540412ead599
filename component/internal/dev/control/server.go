package control

import (
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
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// Server carries out what commands request.
type Server struct {
	Core       *devcore.Core
	Cloud      *cloud.Cloud
	Component  string // whose configuration says what is synchronized
	Components devcore.Components
	Log        *eventlog.Log
	// Deployed is called after a deployment of that configuration; nil does nothing.
	Deployed func() (Synchronized, error)
}

// Listen opens the socket. The function that it returns serves it until ctx is done.
func (s *Server) Listen(ctx context.Context, socket string) (serve func(), err error) {
	l, err := server.Listen(socket)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	h := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(s.Log.Handler("control", slog.LevelWarn), slog.LevelWarn),
	}
	context.AfterFunc(ctx, func() { h.Close() })
	return func() {
		if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.Log.Ended("control", err)
		}
	}, nil
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
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&request)
		var response any
		if err == nil || errors.Is(err, io.EOF) {
			response, err = f(r, request)
		}
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			response = refusal{err.Error()}
		}
		_ = json.NewEncoder(w).Encode(response) // the client is gone otherwise
	}
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
