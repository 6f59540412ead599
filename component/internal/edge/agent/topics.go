package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

const (
	// answerTime is how long an answer may take, as that of the nucleus may.
	answerTime = 10 * time.Second
	// openRequests may wait for their answers at a time. AWS IoT refuses more than
	// 10 of a connection, which the nucleus shares among all components.
	openRequests = 8
	// verifyTime is how often shadows are read again: few nuclei say that their link
	// was lost and is back, and what was published meanwhile may be lost.
	verifyTime = 5 * time.Minute
	// liteMessage is the largest MQTT message of nucleus lite, topic and all. One that
	// is larger ends its connection (aws-greengrass/aws-greengrass-lite
	// modules/iotcored/src/mqtt.c, IOTCORED_NETWORK_BUFFER_SIZE).
	liteMessage = 5000
	// liteReserve is room in it for the topic, and for what is not known before: reasons
	// of refusals, and what others desire.
	liteReserve = 1000
)

// topics is the [transport] over the shadow topics of AWS IoT Core, through the MQTT
// client of the nucleus. Answers are known by the client token of the request.
//
// Two filters a shadow have all that is needed, in one order, and neither deltas nor
// update/documents, which is the largest of all: nuclei and AWS IoT bound the number
// of filters, and lite the size of messages.
type topics struct {
	session *ipc.Session
	kind    *nucleusKind
	work    *sync.WaitGroup
	ctx     context.Context // of the agent
	tokens  string          // what the client tokens of gets begin with
	slots   chan struct{}
	once    sync.Once // the link is watched

	patience, verify time.Duration

	mu      sync.Mutex
	gets    int                      // so far
	waiting map[string]chan<- answer // by client token
	feeds   map[*feed]chan<- struct{}
	doubted bool // a request was not answered since the last that was
}

// answer is what came for a request.
type answer struct {
	payload []byte
	err     error
}

func newTopics(session *ipc.Session, kind *nucleusKind, work *sync.WaitGroup, ctx context.Context) *topics {
	return &topics{
		session: session, kind: kind, work: work, ctx: ctx, patience: answerTime, verify: verifyTime,
		tokens: fmt.Sprintf("shadowgpio-get-%016x-", rand.Uint64()), slots: make(chan struct{}, openRequests),
		waiting: map[string]chan<- answer{}, feeds: map[*feed]chan<- struct{}{},
	}
}

func (t *topics) follow(f *feed) {
	f.direct = true
	lite, err := t.kind.isLite(f.ctx)
	if err != nil {
		return
	}
	if lite && f.large {
		f.tell(engine.ShadowLost{ID: f.id, Err: fmt.Errorf(
			"it can come to more than the %d bytes of a message that nucleus lite takes; move properties to another named shadow", liteMessage)})
		return
	}
	t.once.Do(func() { t.work.Go(t.watchLink) })
	again := make(chan struct{}, 1)
	t.mu.Lock()
	t.feeds[f] = again
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		delete(t.feeds, f)
		t.mu.Unlock()
	}()
	filter := func(suffix string) *ipc.Subscription {
		return t.session.IoTCore(model.SubscribeToIoTCoreRequest{TopicName: f.id.Topic(suffix), QOS: model.AtLeastOnce})
	}
	f.listen([2]*ipc.Subscription{filter("/+/accepted"), filter("/+/rejected")}, again, func(_ int, u ipc.Update) (missed bool) {
		if e, ok := u.(ipc.Event[model.IoTCoreMessage]); ok && e.Value.Message != nil {
			return t.take(f, e.Value.Message)
		}
		return false
	})
}

// take takes what came on one of the topics of a shadow, and reports whether it was not
// read.
func (t *topics) take(f *feed, message *model.MQTTMessage) (missed bool) {
	switch suffix, _ := strings.CutPrefix(message.TopicName, f.id.Topic("")); suffix {
	case "/get/accepted":
		t.answered(f, message.Payload, false)
	case "/update/accepted":
		t.answered(f, message.Payload, false)
		return f.accepted(message.Payload)
	case "/get/rejected", "/update/rejected":
		t.answered(f, message.Payload, true)
	case "/delete/accepted":
		f.tell(engine.Deleted{ID: f.id})
	}
	return false
}

// answered gives an answer to the request that it is for, if it is one of ours.
func (t *topics) answered(f *feed, payload []byte, refused bool) {
	var head struct {
		ClientToken string `json:"clientToken"`
		rejection
	}
	if err := json.Unmarshal(payload, &head); err != nil {
		return // without a token it answers nobody, and the gap in the versions shows
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	request, ours := t.waiting[head.ClientToken]
	if !ours {
		return
	}
	delete(t.waiting, head.ClientToken)
	a := answer{payload: payload}
	if refused {
		a = answer{err: &head.rejection}
	}
	request <- a
	if t.doubted { // so the link was away, and is back
		t.doubted = false
		t.readAgain(f)
	}
}

// readAgain has shadows read again, but for that of a feed. The caller holds mu.
func (t *topics) readAgain(but *feed) {
	for f, again := range t.feeds {
		if f == but {
			continue
		}
		select {
		case again <- struct{}{}:
		default: // it has yet to do it
		}
	}
}

// watchLink has shadows read again when the link is back, where the nucleus tells of
// it, and from time to time.
func (t *topics) watchLink() {
	status := t.session.IoTCoreConnectionStatus()
	defer status.Close()
	verify := time.NewTicker(t.verify)
	defer verify.Stop()
	up := true
	for {
		back := false
		select {
		case u := <-status.Updates():
			if e, ok := u.(ipc.Event[model.IoTCoreConnectionStatusEvent]); ok && e.Value.ConnectionStatusEvent != nil {
				was := up
				up = e.Value.ConnectionStatusEvent.Status == model.StatusConnected
				back = up && !was
			}
		case <-verify.C:
			back = true
		case <-t.ctx.Done():
			return
		}
		if back {
			t.mu.Lock()
			t.readAgain(nil)
			t.mu.Unlock()
		}
	}
}

func (t *topics) get(ctx context.Context, id shadow.ID) ([]byte, error) {
	t.mu.Lock()
	t.gets++
	token := fmt.Sprintf("%s%d", t.tokens, t.gets)
	t.mu.Unlock()
	return t.exchange(ctx, id.Topic("/get"), token, fmt.Appendf(nil, `{"clientToken":%q}`, token))
}

func (t *topics) update(ctx context.Context, id shadow.ID, token string, update []byte) ([]byte, error) {
	topic := id.Topic("/update")
	if t.kind.knownLite() && len(update) > liteMessage-liteReserve {
		return nil, fmt.Errorf("%s: %w: %d bytes for nucleus lite", topic, ipc.ErrTooLarge, len(update))
	}
	return t.exchange(ctx, topic, token, update)
}

// exchange publishes a request and waits for its answer.
//
// The quality of service is 0: a request is of use while its answer is waited for. One
// of 1 would wait in the spool of a classic nucleus while the link is down, and
// overwrite newer values when it is back.
func (t *topics) exchange(ctx context.Context, topic, token string, payload []byte) ([]byte, error) {
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	answers := make(chan answer, 1)
	t.mu.Lock()
	t.waiting[token] = answers
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		delete(t.waiting, token)
		t.mu.Unlock()
	}()
	_, err := t.session.PublishToIoTCore(ctx, model.PublishToIoTCoreRequest{TopicName: topic, QOS: model.AtMostOnce, Payload: payload})
	if err == nil {
		select {
		case a := <-answers:
			return a.payload, a.err
		case <-time.After(t.patience):
			err = fmt.Errorf("%s: %w: no answer within %v", topic, ipc.ErrOutcomeUnknown, t.patience)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	t.mu.Lock()
	t.doubted = true
	t.mu.Unlock()
	return nil, err
}

// rejection is a refusal by the shadow service
// (awsdocs/aws-iot-docs developerguide/device-shadow-error-messages.md).
type rejection struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (r *rejection) Error() string {
	return fmt.Sprintf("rejected: %d %s", r.Code, cmp.Or(r.Message, "(without a reason)"))
}

// outcome sorts by what the engine can do about it.
func (r *rejection) outcome() replica.Outcome {
	switch r.Code {
	case 401, 403:
		return replica.Unauthorized
	case 404:
		return replica.Missing
	case 409:
		return replica.Conflict
	case 413:
		return replica.TooLarge
	case 429:
		return replica.Throttled
	}
	switch {
	case r.Message == versionText:
		return replica.Conflict
	case r.Code/100 == 4:
		return replica.Invalid
	}
	return replica.Unknown
}
