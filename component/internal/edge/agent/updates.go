package agent

import (
	"time"

	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// longestDeferral is how long the nucleus is asked to wait at a time; then it asks
// again.
const longestDeferral = 30 * time.Second

// deferUpdates asks the nucleus to wait with a deployment while something goes on
// that a restart would cut short. It must answer within a minute, and asks again
// after the time that it was given
// (aws-greengrass/aws-greengrass-nucleus
// src/main/java/com/aws/greengrass/lifecyclemanager/UpdateSystemPolicyService.java).
func (a *agent) deferUpdates() {
	updates := a.Session.ComponentUpdates()
	defer updates.Close()
	for {
		select {
		case u := <-updates.Updates():
			if e, ok := u.(ipc.Event[model.ComponentUpdatePolicyEvents]); ok && e.Value.PreUpdateEvent != nil {
				a.answerUpdate(e.Value.PreUpdateEvent.DeploymentID)
			}
		case <-a.ctx.Done():
			return
		}
	}
}

func (a *agent) answerUpdate(deployment string) {
	answer := model.DeferComponentUpdateRequest{DeploymentID: deployment}
	until, why := a.busy()
	if why != "" {
		answer.Message = why
		answer.RecheckAfterMs = min(max(until, time.Second), longestDeferral).Milliseconds()
		a.Logger.Info("deployment is asked to wait", "deployment", deployment, "reason", why, "recheck", time.Duration(answer.RecheckAfterMs)*time.Millisecond)
	}
	if _, err := a.Session.DeferComponentUpdate(a.ctx, answer); err != nil {
		a.Logger.Warn("deployment not answered", "deployment", deployment, "error", err)
	}
}

// busy asks the engine, in its goroutine.
func (a *agent) busy() (until time.Duration, why string) {
	type answer struct {
		until time.Duration
		why   string
	}
	answers := make(chan answer, 1)
	select {
	case a.questions <- func() {
		now := time.Now()
		at, why := a.engine.Busy(now)
		answers <- answer{at.Sub(now), why}
	}:
	case <-a.ctx.Done():
		return 0, ""
	}
	select {
	case got := <-answers:
		return got.until, got.why
	case <-a.ctx.Done():
		return 0, ""
	}
}
