package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/app/devenv"
)

// Client sends requests to the environment that runs in a directory.
type Client struct{ Dir devenv.Dir }

// AddFault puts a rule in force.
func (c Client) AddFault(ctx context.Context, rule string) (added Rule, err error) {
	err = c.ask(ctx, http.MethodPost, "/faults", Rule{Rule: rule}, &added)
	return added, err
}

// Faults returns the rules in force.
func (c Client) Faults(ctx context.Context) (list Faults, err error) {
	err = c.ask(ctx, http.MethodGet, "/faults", nothing{}, &list)
	return list, err
}

// ClearFaults ends the rules with these numbers, or all without a number, and returns
// how many it ended.
func (c Client) ClearFaults(ctx context.Context, ids ...int) (int, error) {
	query := url.Values{}
	for _, id := range ids {
		query.Add("id", strconv.Itoa(id))
	}
	var n cleared
	err := c.ask(ctx, http.MethodDelete, "/faults?"+query.Encode(), nothing{}, &n)
	return n.Cleared, err
}

// RestartCore has the core device go away for a while.
func (c Client) RestartCore(ctx context.Context, d time.Duration) error {
	return c.ask(ctx, http.MethodPost, "/core/restart", away{d.String()}, &nothing{})
}

// Link reports whether the core device is connected to the cloud.
func (c Client) Link(ctx context.Context) (up bool, err error) {
	var state link
	err = c.ask(ctx, http.MethodGet, "/link", nothing{}, &state)
	return state.Up, err
}

// SetLink connects the core device to the cloud, or cuts the connection.
func (c Client) SetLink(ctx context.Context, up bool) error {
	return c.ask(ctx, http.MethodPut, "/link", link{up}, &link{})
}

// SlowLink delays each request of the core device to the cloud.
func (c Client) SlowLink(ctx context.Context, d time.Duration) error {
	return c.ask(ctx, http.MethodPut, "/link/delay", delay{d.String()}, &nothing{})
}

// Compare returns the documents that device and cloud have of the synchronized shadows.
func (c Client) Compare(ctx context.Context) (all []Sides, err error) {
	err = c.ask(ctx, http.MethodGet, "/compare", nothing{}, &all)
	return all, err
}

// Components returns the components that the core device runs.
func (c Client) Components(ctx context.Context) (list []Component, err error) {
	err = c.ask(ctx, http.MethodGet, "/components", nothing{}, &list)
	return list, err
}

// Begin requests that a component is restarted, stopped, paused or resumed, and does
// not wait for it.
func (c Client) Begin(ctx context.Context, component, verb string) error {
	return c.ask(ctx, http.MethodPost, "/components/"+url.PathEscape(component)+"/"+verb, nothing{}, &nothing{})
}

// Deploy carries out a deployment, and calls it off when ctx is done.
func (c Client) Deploy(ctx context.Context, d Deployment) error {
	return c.ask(ctx, http.MethodPost, "/deployments", d, &nothing{})
}

// ask sends one request.
func (c Client) ask(ctx context.Context, method, path string, request, response any) error {
	if _, err := c.Dir.Contact(); err != nil {
		return err
	}
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://control"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", c.Dir.Control())
		},
	}}
	answer, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("development core out of reach; does shadowctl dev still run? %w", err)
	}
	defer answer.Body.Close()
	decoder := json.NewDecoder(answer.Body)
	if answer.StatusCode == http.StatusOK {
		return decoder.Decode(response)
	}
	var refused refusal
	if err := decoder.Decode(&refused); err != nil || refused.Error == "" {
		return fmt.Errorf("development core of another version? it answers %s", answer.Status)
	}
	return errors.New(refused.Error)
}
