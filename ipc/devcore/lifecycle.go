package devcore

import (
	"fmt"

	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// registerLifecycle adds what a component may say of its own state, and do to that
// of others (aws-greengrass/aws-greengrass-nucleus
// builtin/services/lifecycle/LifecycleIPCEventStreamAgent.java).
func (c *Core) registerLifecycle(s *server.Server) {
	server.Handle(s, model.UpdateState, c.updateState)
	server.Handle(s, model.PauseComponent, c.pauseComponent)
	server.Handle(s, model.ResumeComponent, c.resumeComponent)
}

func (c *Core) updateState(call *server.Call, req *model.UpdateStateRequest) (resp model.UpdateStateResponse, err error) {
	if req.State != model.StateRunning && req.State != model.StateErrored {
		return resp, &server.Error{Code: model.ServiceFailure}
	}
	c.log.Info("component reports its state", "component", call.Component, "state", req.State)
	c.observe(Event{Kind: StateReported, Component: call.Component, State: req.State})
	if _, ok := c.component(call.Component); ok {
		c.cfg.Components.Report(call.Component, req.State)
	}
	return resp, nil
}

func (c *Core) pauseComponent(call *server.Call, req *model.PauseComponentRequest) (resp model.PauseComponentResponse, err error) {
	found, err := c.freezable(call, req.ComponentName)
	switch {
	case err != nil:
		return resp, err
	case found.State != model.StateRunning:
		return resp, notNow(found.Name, "running")
	}
	if err := c.cfg.Components.Pause(found.Name); err != nil {
		return resp, notDone("pause", found.Name, err)
	}
	return resp, nil
}

func (c *Core) resumeComponent(call *server.Call, req *model.ResumeComponentRequest) (resp model.ResumeComponentResponse, err error) {
	found, err := c.freezable(call, req.ComponentName)
	switch {
	case err != nil:
		return resp, err
	case !found.Paused:
		return resp, notNow(found.Name, "paused")
	}
	if err := c.cfg.Components.Resume(found.Name); err != nil {
		return resp, notDone("resume", found.Name, err)
	}
	return resp, nil
}

// freezable finds the component that is to be paused or resumed. One that is not
// there is refused without a text.
func (c *Core) freezable(call *server.Call, name string) (Component, error) {
	if name == "" {
		return Component{}, &server.Error{Code: model.InvalidArguments, Message: "Component name is required."}
	}
	if err := c.authorize(call.Component, serviceLifecycle, call.Operation, name); err != nil {
		return Component{}, err
	}
	found, ok := c.component(name)
	if !ok {
		return Component{}, &server.Error{Code: model.ResourceNotFound}
	}
	return found, nil
}

func notNow(name, state string) error {
	return &server.Error{Code: model.InvalidArguments, Message: fmt.Sprintf("Component %s is not %s", name, state)}
}

func notDone(action, name string, err error) error {
	return &server.Error{Code: model.ServiceFailure, Message: fmt.Sprintf("Failed to %s component %s due to : %v", action, name, err)}
}
