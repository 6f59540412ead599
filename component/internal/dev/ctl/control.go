package ctl

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
	"github.com/shadowgpio/shadowgpio/internal/shadowsync"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// control is what other commands of this program can do with a running development
// core: HTTP with JSON on a socket that only this user may use. It is no part of a
// core device, and so no part of IPC.
type control struct {
	core         *devcore.Core
	cloud        *cloud.Cloud
	synchronized []shadowsync.Key
	runs         devcore.Components
	out          *stream
}

// maxControl is how many bytes a request may have.
const maxControl = 1 << 20

// The bodies of requests and responses.
type (
	faultRule struct {
		ID      int    `json:"id,omitempty"`
		Rule    string `json:"rule"`
		Matched int    `json:"matched"`
		Faults  int    `json:"faults"`
	}
	faultList struct {
		Seed  uint64      `json:"seed"`
		Rules []faultRule `json:"rules"`
	}
	faultsCleared struct {
		Cleared int `json:"cleared"`
	}
	awayTime struct {
		Away string `json:"away"` // a duration
	}
	linkState struct {
		Up bool `json:"up"`
	}
	controlError struct {
		Error string `json:"error"`
	}
)

func (c *control) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /faults", answer(c.addFault))
	mux.HandleFunc("GET /faults", answer(c.listFaults))
	mux.HandleFunc("DELETE /faults", answer(c.clearFaults))
	mux.HandleFunc("POST /core/restart", answer(c.restart))
	mux.HandleFunc("GET /link", answer(c.link))
	mux.HandleFunc("PUT /link", answer(c.setLink))
	mux.HandleFunc("PUT /link/delay", answer(c.slowLink))
	mux.HandleFunc("GET /compare", answer(c.compare))
	mux.HandleFunc("GET /components", answer(c.components))
	mux.HandleFunc("POST /components/{name}/{verb}", answer(c.component))
	mux.HandleFunc("POST /deployments", answer(c.deploy))
	return mux
}

// nothing is the body of a request or response that has none.
type nothing struct{}

// answer makes a handler of a function from a body to a body. Its errors say what
// was wrong with the request.
func answer[Req, Resp any](f func(*http.Request, Req) (Resp, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var request Req
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControl))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&request)
		var response any
		if err == nil || errors.Is(err, io.EOF) {
			response, err = f(r, request)
		}
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			response = controlError{err.Error()}
		}
		_ = json.NewEncoder(w).Encode(response) // the client is gone otherwise
	}
}

func (c *control) addFault(_ *http.Request, req faultRule) (faultRule, error) {
	rule, err := faults.ParseRule(req.Rule)
	if err != nil {
		return faultRule{}, err
	}
	id := c.core.Faults().Add(rule)[0]
	c.out.say("fault", "rule %d added: %v; seed %d", id, rule, c.core.Faults().Seed())
	return faultRule{ID: id, Rule: rule.String()}, nil
}

func (c *control) listFaults(*http.Request, nothing) (faultList, error) {
	list := faultList{Seed: c.core.Faults().Seed(), Rules: []faultRule{}}
	for _, s := range c.core.Faults().List() {
		list.Rules = append(list.Rules, faultRule{s.ID, s.Rule.String(), s.Matched, s.Hits})
	}
	return list, nil
}

func (c *control) clearFaults(r *http.Request, _ nothing) (faultsCleared, error) {
	var ids []int
	for _, text := range r.URL.Query()["id"] {
		id, err := strconv.Atoi(text)
		if err != nil {
			return faultsCleared{}, fmt.Errorf("want the number of a rule, got %q", text)
		}
		ids = append(ids, id)
	}
	n := c.core.Faults().Clear(ids...)
	if n < len(ids) {
		return faultsCleared{}, fmt.Errorf("want numbers of rules in force, got %d and only %d of them; shadowctl fault list shows them", len(ids), n)
	}
	c.out.say("fault", "rules cleared: %d", n)
	return faultsCleared{n}, nil
}

func (c *control) restart(_ *http.Request, req awayTime) (nothing, error) {
	away, err := time.ParseDuration(req.Away)
	if err != nil || away < 0 || away > maxAway {
		return nothing{}, fmt.Errorf("away: want a duration from 0s to %v, got %q", maxAway, req.Away)
	}
	c.core.Restart(away)
	return nothing{}, nil
}

func (c *control) link(*http.Request, nothing) (linkState, error) {
	return linkState{c.core.Link()}, nil
}

func (c *control) setLink(_ *http.Request, req linkState) (linkState, error) {
	c.core.SetLink(req.Up)
	return linkState{c.core.Link()}, nil
}

// serveControl serves control commands until ctx is done.
func (d *devOptions) serveControl(ctx context.Context, c *control) (serve func(), err error) {
	l, err := server.Listen(d.control())
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(d.control(), 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	s := &http.Server{
		Handler:           c.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(c.out.handler("control", slog.LevelWarn), slog.LevelWarn),
	}
	context.AfterFunc(ctx, func() { s.Close() })
	return func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			c.out.ended("control", err)
		}
	}, nil
}
