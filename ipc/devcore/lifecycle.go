package devcore

import (
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

func (c *Core) registerLifecycle(s *server.Server) {
	server.Handle(s, model.UpdateState, c.updateState)
}

func (c *Core) updateState(call *server.Call, req *model.UpdateStateRequest) (model.UpdateStateResponse, error) {
	switch req.State {
	case model.StateRunning, model.StateErrored:
		c.log.Info("component reports its state", "component", call.Component, "state", req.State)
		c.observe(Event{Kind: StateReported, Component: call.Component, State: req.State})
		return model.UpdateStateResponse{}, nil
	}
	return model.UpdateStateResponse{}, &server.Error{Code: model.ServiceFailure}
}
