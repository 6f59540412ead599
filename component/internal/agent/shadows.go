package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/shadowgpio/shadowgpio/component/internal/config"
	"github.com/shadowgpio/shadowgpio/component/internal/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/shadow"
	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// feed turns the messages of a shadow into inputs. The shadow is live while both of
// its topics are subscribed to.
type feed struct {
	*agent
	label string
	id    shadow.ID
	ctx   context.Context
	end   context.CancelFunc
}

// follow starts the feeds of shadows that are new, and ends those of shadows that
// are no longer configured.
func (a *agent) follow(shadows map[string]config.Shadow) {
	for label, f := range a.feeds {
		if s, ok := shadows[label]; !ok || s.ID != f.id {
			f.end()
			delete(a.feeds, label)
		}
	}
	for label, s := range shadows {
		if a.feeds[label] == nil {
			f := &feed{agent: a, label: label, id: s.ID}
			f.ctx, f.end = context.WithCancel(a.ctx)
			a.feeds[label] = f
			a.work.Go(f.run)
		}
	}
}

func (f *feed) run() {
	topic := func(suffix string) *ipc.Subscription {
		return f.Session.Topic(model.SubscribeToTopicRequest{Topic: f.id.Topic(suffix), ReceiveMode: model.ReceiveAll})
	}
	updates, deletions := topic("/update/accepted"), topic("/delete/accepted")
	defer updates.Close()
	defer deletions.Close()
	updatesLive, deletionsLive := false, false
	for {
		select {
		case u := <-updates.Updates():
			if m, ok := u.(ipc.Message); ok {
				f.accepted(m.Payload)
				continue
			}
			f.liveness(u, &updatesLive, deletionsLive)
		case u := <-deletions.Updates():
			if _, ok := u.(ipc.Message); ok {
				f.sendWhile(f.ctx, engine.Deleted{Shadow: f.label})
				continue
			}
			f.liveness(u, &deletionsLive, updatesLive)
		case <-f.ctx.Done():
			return
		}
	}
}

// liveness notes that one of the two topics of a shadow came or went.
func (f *feed) liveness(u ipc.Update, this *bool, other bool) {
	switch u := u.(type) {
	case ipc.Live:
		*this = true
		if other {
			f.sendWhile(f.ctx, engine.ShadowLive{Shadow: f.label})
		}
	case ipc.Lost:
		*this = false
		f.sendWhile(f.ctx, engine.ShadowLost{Shadow: f.label, Err: u.Err})
	}
}

func (f *feed) accepted(payload []byte) {
	update, err := shadow.ParseAccepted(payload)
	if err != nil {
		// Only the shadow manager publishes here, by policy. The gap that this
		// message leaves in the versions leads to a full read.
		f.Logger.Error("message not understood", "topic", f.id.Topic("/update/accepted"), "error", err)
		return
	}
	f.sendWhile(f.ctx, engine.Accepted{Shadow: f.label, Accepted: update})
}

func (a *agent) fetch(e engine.FetchShadow, id shadow.ID) engine.Input {
	in := engine.Fetched{Shadow: e.Shadow, Seq: e.Seq}
	response, err := a.Session.GetThingShadow(a.ctx, model.GetThingShadowRequest{ThingName: id.Thing, ShadowName: id.Name})
	if err == nil {
		in.Document, err = shadow.ParseDocument(response.Payload)
	}
	in.Outcome, in.Err = outcome(err), err
	return in
}

func (a *agent) update(e engine.UpdateShadow, id shadow.ID) engine.Input {
	in := engine.Updated{Shadow: e.Shadow, Seq: e.Seq}
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
