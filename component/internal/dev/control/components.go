package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

func (s *Server) components(*http.Request, nothing) ([]Component, error) {
	list := []Component{}
	for _, c := range s.Components.List() {
		list = append(list, Component{c.Name, c.Version, string(c.State), c.Paused})
	}
	return list, nil
}

// component begins what the path says; it does not wait for it.
func (s *Server) component(r *http.Request, _ nothing) (nothing, error) {
	name, verb := r.PathValue("name"), r.PathValue("verb")
	var names []string
	for _, known := range s.Components.List() {
		names = append(names, known.Name)
	}
	if !slices.Contains(names, name) {
		return nothing{}, fmt.Errorf("want a component of this core, %s, got %q", strings.Join(names, ", "), name)
	}
	return nothing{}, s.begin(name, verb)
}

func (s *Server) begin(name, verb string) error {
	switch verb {
	case "restart":
		if s.Components.Revive("a request") {
			break
		}
		if !s.Components.Restart(name) {
			return errors.New("the component was never started")
		}
	case "stop":
		s.Components.Stop(name)
	case "pause":
		return s.Components.Pause(name)
	case "resume":
		return s.Components.Resume(name)
	default:
		return fmt.Errorf("want restart, stop, pause or resume, got %q", verb)
	}
	return nil
}

// deploy carries out a deployment, as long as the client waits for it.
func (s *Server) deploy(r *http.Request, d Deployment) (done Synchronized, err error) {
	change := devcore.ConfigurationChange{Reset: d.Reset, Merge: d.Merge, Full: d.Full}
	deployment := devcore.Deployment{
		Configurations: map[string]devcore.ConfigurationChange{d.Component: change},
		Notify:         d.Notify,
	}
	if d.Restart {
		deployment.Run = func() error { return s.begin(d.Component, "restart") }
	}
	s.Log.Say("core", "deployment of a configuration of %s", d.Component)
	if err := s.Core.Deploy(r.Context(), deployment); err != nil {
		s.Log.Say("core", "deployment failed, nothing is changed: %v", err)
		return done, err
	}
	s.Log.Say("core", "deployment done")
	if d.Component == s.Component {
		s.Components.Revive("a deployment")
	}
	if d.Component != s.Component || s.Deployed == nil {
		return done, nil
	}
	if done, err = s.Deployed(); err != nil {
		s.Log.Say("cloud", "synchronized shadows: %v; they stay those of the configuration before", err)
		return done, fmt.Errorf("the configuration is deployed, but the synchronized shadows are still those of the one before: %w", err)
	}
	return done, nil
}

// configuration returns the configuration of the component that is in force.
func (s *Server) configuration(*http.Request, nothing) (json.RawMessage, error) {
	return s.Core.Configuration(s.Component), nil
}
