package agent

import (
	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// announce tells the engine whether there is a nucleus, and each nucleus that we
// are running. A component with a run script
// is taken for running as soon as its process exists, so nothing depends on it.
func (a *agent) announce() {
	for {
		status, changed := a.Session.Watch()
		a.send(engine.Link{Up: status.State == ipc.Connected})
		if status.State == ipc.Connected {
			if _, err := a.Session.UpdateState(a.ctx, model.UpdateStateRequest{State: model.StateRunning}); err != nil {
				a.Logger.Debug("state not reported", "error", err)
			}
		}
		select {
		case <-changed:
		case <-a.ctx.Done():
			return
		}
	}
}
