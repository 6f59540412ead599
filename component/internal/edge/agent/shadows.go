package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// transport is the way to the shadows. Which one it is, package engine does not know.
type transport interface {
	// follow tells a feed of its shadow until the feed ends.
	follow(*feed)
	// get returns the document.
	get(context.Context, shadow.ID) ([]byte, error)
	// update returns the reply to an update, which bears the token.
	update(ctx context.Context, id shadow.ID, token string, update []byte) ([]byte, error)
}

// transports are all there are, by what the configuration calls them.
func (a *agent) newTransports() map[config.Transport]transport {
	a.kind = &nucleusKind{session: a.Session, work: &a.work, ctx: a.ctx, known: make(chan struct{})}
	manager, topics := &shadowManager{a.Session}, newTopics(a.Session, a.kind, &a.work, a.ctx)
	return map[config.Transport]transport{
		config.ShadowManager: manager, config.IoTCore: topics, config.Auto: &automatic{a.kind, manager, topics},
	}
}

// feed turns the messages of a shadow into inputs.
type feed struct {
	*agent
	id     shadow.ID
	via    transport
	direct bool // its messages come from the cloud, and not from a shadow manager
	large  bool // its messages are more than nucleus lite takes
	ctx    context.Context
	end    context.CancelFunc
	// unread tells of messages that were not read, one log message for many.
	unread burst
}

const (
	// maxMessage is the largest message in bytes that is parsed. Larger ones are rare; the
	// document, which has their content, is read instead.
	maxMessage = 64 << 10
	// maxWaiting is how many bytes of messages wait for the engine.
	maxWaiting = 256 << 10
)

// follow starts the feed of a shadow.
func (a *agent) follow(id shadow.ID) {
	f := &feed{agent: a, id: id, via: a.via, large: a.tooLargeForLite(id)}
	f.ctx, f.end = context.WithCancel(a.ctx)
	a.feeds[id] = f
	a.work.Go(func() { f.via.follow(f) })
}

// refollow starts feeds anew that another configuration has come by another way, or
// with other messages.
func (a *agent) refollow() {
	a.via = a.transports[a.Config.Transport]
	for id, f := range a.feeds {
		if a.via == f.via && (f.large == a.tooLargeForLite(id) || !a.kind.knownLite()) {
			continue
		}
		f.end()
		a.step(engine.ShadowLost{ID: id, Err: errors.New("its configuration changed")})
		a.follow(id)
	}
}

// tooLargeForLite reports whether messages about a shadow can be larger than nucleus
// lite takes. One that is no longer configured only shrinks.
func (a *agent) tooLargeForLite(id shadow.ID) bool {
	for _, s := range a.Config.Shadows {
		if s.ID == id {
			return s.MessageSize() > liteMessage-liteReserve
		}
	}
	return false
}

// listen takes what two subscriptions bring until the feed ends. The shadow is live
// while both are. It is as if it had become live again whenever again says so, and when
// take reports that something was missed.
func (f *feed) listen(subscriptions [2]*ipc.Subscription, again <-chan struct{}, take func(subscription int, u ipc.Update) (missed bool)) {
	var live [2]bool
	both := func() {
		if live[0] && live[1] {
			f.tell(engine.ShadowLive{ID: f.id, Direct: f.direct})
		}
	}
	heard := func(i int, u ipc.Update) {
		switch u := u.(type) {
		case ipc.Live:
			live[i] = true
			both()
		case ipc.Lost:
			live[i] = false
			f.tell(engine.ShadowLost{ID: f.id, Err: u.Err})
		default:
			if take(i, u) {
				both()
			}
		}
	}
	defer subscriptions[0].Close()
	defer subscriptions[1].Close()
	for {
		select {
		case u := <-subscriptions[0].Updates():
			heard(0, u)
		case u := <-subscriptions[1].Updates():
			heard(1, u)
		case <-again:
			both()
		case <-f.ctx.Done():
			return
		}
	}
}

func (f *feed) tell(in engine.Input) { f.sendWhile(f.ctx, in) }

// accepted takes a message of update/accepted, and reports whether it was not read. Then
// the document has to be.
func (f *feed) accepted(payload []byte) (missed bool) {
	if len(payload) > maxMessage {
		if more, tell := f.unread.add(time.Now()); tell {
			f.Logger.Warn("large message; the shadow is read instead", "topic", f.id.Topic("/update/accepted"), "bytes", len(payload), "limit", maxMessage, "more", more)
		}
		return true
	}
	update, err := shadow.ParseAccepted(payload)
	if err != nil { // only the shadow service publishes here, by policy
		if more, tell := f.unread.add(time.Now()); tell {
			f.Logger.Error("message not understood; the shadow is read instead", "topic", f.id.Topic("/update/accepted"), "error", err, "more", more)
		}
		return true
	}
	if err := f.weighed.Acquire(f.ctx, int64(len(payload))); err != nil {
		return false // the feed ends
	}
	if !f.sendWhile(f.ctx, engine.Accepted{ID: f.id, Accepted: update}) {
		f.weighed.Release(int64(len(payload)))
	}
	return false
}

// burst makes one log message of many. The zero value is ready.
type burst struct {
	last time.Time
	more int
}

// burstPause is the least time between two log messages about the same.
const burstPause = time.Minute

// add counts an event at that time. tell is whether to log it, and more how many were not
// logged since the last one.
func (b *burst) add(now time.Time) (more int, tell bool) {
	if !b.last.IsZero() && now.Sub(b.last) < burstPause {
		b.more++
		return 0, false
	}
	more, b.more, b.last = b.more, 0, now
	return more, true
}

func (a *agent) fetch(via transport, e replica.Fetch) engine.Input {
	in := replica.Fetched{ID: e.ID, Seq: e.Seq}
	payload, err := via.get(a.ctx, e.ID)
	if err == nil {
		in.Document, err = shadow.ParseDocument(payload)
	}
	in.Outcome, in.Err = outcome(err), err
	return in
}

func (a *agent) update(via transport, e replica.Update) engine.Input {
	in := replica.Updated{ID: e.ID, Seq: e.Seq}
	payload, err := shadow.Update{Reported: e.Reported, Desired: e.Desired, Version: e.Version, ClientToken: e.Token}.Encode()
	if err == nil {
		in.Version, err = sendUpdate(a.ctx, via, e.ID, e.Token, payload)
	}
	if in.Outcome, in.Err = outcome(err), err; in.Outcome == replica.Missing {
		in.Outcome = replica.Invalid // an update makes the shadow, so it is the thing that is missing
	}
	return in
}

func sendUpdate(ctx context.Context, via transport, id shadow.ID, token string, payload []byte) (int64, error) {
	reply, err := via.update(ctx, id, token, payload)
	if err != nil {
		return 0, err
	}
	version, err := shadow.ParseVersion(reply)
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
func outcome(err error) replica.Outcome {
	var service *ipc.ServiceError
	var rejected *rejection
	switch {
	case err == nil:
		return replica.OK
	case errors.Is(err, ipc.ErrTooLarge):
		return replica.TooLarge
	case errors.Is(err, ipc.ErrNotSent):
		return replica.NotSent
	case errors.As(err, &rejected):
		return rejected.outcome()
	case !errors.As(err, &service):
		return replica.Unknown
	}
	switch service.Code {
	case model.ResourceNotFound:
		return replica.Missing
	case model.Unauthorized:
		return replica.Unauthorized
	case model.Conflict:
		return replica.Conflict
	case model.InvalidArguments:
		switch service.Message {
		case tooLargeText:
			return replica.TooLarge
		case versionText:
			return replica.Conflict
		}
		return replica.Invalid
	case model.ServiceFailure:
		if service.Message == throttledText {
			return replica.Throttled
		}
	}
	return replica.Unknown
}
