package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/shadowgpio/shadowgpio/component/internal/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/shadow"
	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// feed turns the messages of a shadow into inputs until the end. The shadow is
// live while both of its topics are subscribed to.
func (a *agent) feed(label string, id shadow.ID) {
	topic := func(suffix string) *ipc.Subscription {
		return a.Session.Topic(model.SubscribeToTopicRequest{Topic: id.Topic(suffix), ReceiveMode: model.ReceiveAll})
	}
	updates, deletions := topic("/update/accepted"), topic("/delete/accepted")
	defer updates.Close()
	defer deletions.Close()
	updatesLive, deletionsLive := false, false
	for {
		select {
		case u := <-updates.Updates():
			if m, ok := u.(ipc.Message); ok {
				a.accepted(label, id, m.Payload)
				continue
			}
			a.liveness(label, u, &updatesLive, deletionsLive)
		case u := <-deletions.Updates():
			if _, ok := u.(ipc.Message); ok {
				a.send(engine.Deleted{Shadow: label})
				continue
			}
			a.liveness(label, u, &deletionsLive, updatesLive)
		case <-a.ctx.Done():
			return
		}
	}
}

// liveness notes that one of the two topics of a shadow came or went.
func (a *agent) liveness(label string, u ipc.Update, this *bool, other bool) {
	switch u := u.(type) {
	case ipc.Live:
		*this = true
		if other {
			a.send(engine.ShadowLive{Shadow: label})
		}
	case ipc.Lost:
		*this = false
		a.send(engine.ShadowLost{Shadow: label, Err: u.Err})
	}
}

func (a *agent) accepted(label string, id shadow.ID, payload []byte) {
	update, err := shadow.ParseAccepted(payload)
	if err != nil {
		// Only the shadow manager publishes here, by policy. The gap that this
		// message leaves in the versions leads to a full read.
		a.Logger.Error("message not understood", "topic", id.Topic("/update/accepted"), "error", err)
		return
	}
	a.send(engine.Accepted{Shadow: label, Accepted: update})
}

func (a *agent) fetch(e engine.FetchShadow) engine.Input {
	in := engine.Fetched{Shadow: e.Shadow, Seq: e.Seq}
	id := a.Config.Shadows[e.Shadow].ID
	response, err := a.Session.GetThingShadow(a.ctx, model.GetThingShadowRequest{ThingName: id.Thing, ShadowName: id.Name})
	if err == nil {
		in.Document, err = shadow.ParseDocument(response.Payload)
	}
	in.Outcome, in.Err = outcome(err), err
	return in
}

func (a *agent) update(e engine.UpdateShadow) engine.Input {
	in := engine.Updated{Shadow: e.Shadow, Seq: e.Seq}
	id := a.Config.Shadows[e.Shadow].ID
	payload, err := shadow.Update{Reported: e.Reported, Desired: e.Desired, Version: e.Version, ClientToken: e.Token}.Encode()
	if err == nil {
		in.Version, err = a.sendUpdate(a.ctx, id, payload)
	}
	in.Outcome, in.Err = outcome(err), err
	return in
}

func (a *agent) sendUpdate(ctx context.Context, id shadow.ID, payload []byte) (int64, error) {
	response, err := a.Session.UpdateThingShadow(ctx, model.UpdateThingShadowRequest{ThingName: id.Thing, ShadowName: id.Name, Payload: payload})
	if err != nil {
		return 0, err
	}
	version, err := shadow.ParseVersion(response.Payload)
	if err != nil {
		return 0, fmt.Errorf("update was answered but: %w", err)
	}
	return version, nil
}

// The texts that tell the shadow manager's errors of one code apart
// (aws-greengrass/aws-greengrass-shadow-manager
// src/main/java/com/aws/greengrass/shadowmanager/model/ErrorMessage.java).
const (
	throttledText = "Too Many Requests"
	tooLargeText  = "The payload exceeds the maximum size allowed"
	versionText   = "Invalid version" // of a shadow that was deleted meanwhile
)

// outcome sorts errors by what the engine can do about them.
func outcome(err error) engine.Outcome {
	var service *ipc.ServiceError
	switch {
	case err == nil:
		return engine.OK
	case errors.Is(err, ipc.ErrNotSent):
		return engine.NotSent
	case !errors.As(err, &service):
		return engine.Unknown
	}
	switch service.Code {
	case model.ResourceNotFound:
		return engine.Missing
	case model.Unauthorized:
		return engine.Unauthorized
	case model.Conflict:
		return engine.Conflict
	case model.InvalidArguments:
		switch service.Message {
		case tooLargeText:
			return engine.TooLarge
		case versionText:
			return engine.Conflict
		}
		return engine.Invalid
	case model.ServiceFailure:
		if service.Message == throttledText {
			return engine.Throttled
		}
	}
	return engine.Unknown
}
