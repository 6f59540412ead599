package devcore

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// DefaultNotifyTimeout is how long components may take to answer that an update is
// coming.
const DefaultNotifyTimeout = time.Minute

// updates tells components of updates, and lets them defer those
// (aws-greengrass/aws-greengrass-nucleus
// builtin/services/lifecycle/LifecycleIPCEventStreamAgent.java,
// lifecyclemanager/UpdateSystemPolicyService.java).
type updates struct {
	core *Core

	mu      sync.Mutex
	streams []updateStream
	open    map[question]chan *int64 // of each component the newest
}

type updateStream struct {
	component string
	*server.Stream
}

func (u *updates) register(s *server.Server) {
	u.open = map[question]chan *int64{}
	server.HandleStream(s, model.SubscribeToComponentUpdates, u.subscribe)
	server.Handle(s, model.DeferComponentUpdate, u.deferUpdate)
}

func (u *updates) subscribe(call *server.Call, stream *server.Stream, _ *model.SubscribeToComponentUpdatesRequest) (resp model.SubscribeToComponentUpdatesResponse, err error) {
	u.mu.Lock()
	u.streams = append(u.streams, updateStream{call.Component, stream})
	u.mu.Unlock()
	stream.OnClose(func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.streams = slices.DeleteFunc(u.streams, func(o updateStream) bool { return o.Stream == stream })
	})
	return resp, nil
}

// deferRequest tells missing members from empty ones.
type deferRequest struct {
	DeploymentID   *string `json:"deploymentId"`
	Message        string  `json:"message"`
	RecheckAfterMs *int64  `json:"recheckAfterMs"`
}

func (u *updates) deferUpdate(call *server.Call, req *deferRequest) (resp model.DeferComponentUpdateResponse, err error) {
	invalid := func(text string) error { return &server.Error{Code: model.InvalidArguments, Message: text} }
	u.mu.Lock()
	defer u.mu.Unlock()
	if !slices.ContainsFunc(u.streams, func(s updateStream) bool { return s.component == call.Component }) {
		return resp, invalid("Component is not subscribed to component update events")
	}
	if req.DeploymentID == nil {
		return resp, invalid("Cannot defer the update, the deployment ID provided was null")
	}
	q := question{call.Component, *req.DeploymentID}
	answer := u.open[q]
	if answer == nil {
		return resp, &server.Error{Code: model.ServiceFailure, Message: "Time limit to respond to PreComponentUpdateEvent exceeded"}
	}
	delete(u.open, q)
	answer <- req.RecheckAfterMs
	if ms := req.RecheckAfterMs; ms != nil && *ms > 0 {
		u.core.observe(Event{Kind: UpdateDeferred, Component: call.Component, Deployment: *req.DeploymentID, Reason: req.Message})
	}
	return resp, nil
}

// announce tells all subscribed components of an update and returns when none of
// them defers it any more.
func (u *updates) announce(ctx context.Context, event model.PreComponentUpdateEvent, timeout time.Duration) error {
	for {
		recheck, err := u.collect(ctx, u.ask(event), timeout)
		if err != nil || recheck <= 0 {
			u.discard()
			return err
		}
		select {
		case <-time.After(recheck):
		case <-ctx.Done():
			u.discard()
			return ctx.Err()
		}
	}
}

// ask sends the event to every stream. All earlier questions are withdrawn. When a
// component has several streams, only its answer to the newest event counts; the
// others are waited for in vain.
func (u *updates) ask(event model.PreComponentUpdateEvent) []chan *int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	clear(u.open)
	var answers []chan *int64
	for _, s := range u.streams {
		answer := make(chan *int64, 1)
		u.open[question{s.component, event.DeploymentID}] = answer
		s.Send(model.ComponentUpdatePolicyEvents{PreUpdateEvent: &event})
		answers = append(answers, answer)
	}
	return answers
}

// lookInterval is how often the nucleus looks for answers. So the response to an
// answer comes before what follows from it.
const lookInterval = time.Second

// maxRecheck is the longest time in milliseconds that has a Duration, 292 years.
const maxRecheck = math.MaxInt64 / int64(time.Millisecond)

// collect waits for all answers, but not longer than the time-out, and returns the
// longest time for which a component wants to be left alone. An answer without a
// time is none.
func (u *updates) collect(ctx context.Context, answers []chan *int64, timeout time.Duration) (recheck time.Duration, err error) {
	for len(answers) > 0 && timeout > 0 {
		select {
		case <-time.After(min(lookInterval, timeout)):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		timeout -= lookInterval
		answers = slices.DeleteFunc(answers, func(answer chan *int64) bool {
			select {
			case ms := <-answer:
				if ms == nil {
					u.core.log.Warn("DeferComponentUpdate without recheckAfterMs is ignored")
					return false
				}
				recheck = max(recheck, time.Duration(min(*ms, maxRecheck))*time.Millisecond)
				return true
			default:
				return false
			}
		})
	}
	return recheck, nil
}

// discard withdraws all questions.
func (u *updates) discard() {
	u.mu.Lock()
	defer u.mu.Unlock()
	clear(u.open)
}

// done tells that an update is over, or does not take place.
func (u *updates) done(deployment string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, s := range u.streams {
		s.Send(model.ComponentUpdatePolicyEvents{PostUpdateEvent: &model.PostComponentUpdateEvent{DeploymentID: deployment}})
	}
}
