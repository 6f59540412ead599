package ipc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// steps checks every pair of n states against the legal ones.
func steps[S ~uint8](t *testing.T, n int, can func(from, to S) bool, legal map[S][]S) {
	t.Helper()
	for from := range S(n) {
		for to := range S(n) {
			want := false
			for _, s := range legal[from] {
				want = want || s == to
			}
			if got := can(from, to); got != want {
				t.Errorf("%v to %v: %v, want %v", from, to, got, want)
			}
		}
	}
}

func TestPhaseSteps(t *testing.T) {
	steps(t, 3, phase.canBecome, map[phase][]phase{
		handshaking: {ready, ended},
		ready:       {ended},
	})
}

func TestSessionSteps(t *testing.T) {
	steps(t, 5, State.canBecome, map[State][]State{
		Idle:       {Connecting},
		Connecting: {Connected, Waiting, Idle, Refused},
		Connected:  {Waiting, Idle},
		Waiting:    {Connecting, Idle},
		Refused:    {Connecting},
	})
}

func TestSubscriptionSteps(t *testing.T) {
	refused := &ServiceError{Code: model.Unauthorized}
	lost := disconnected(io.EOF)
	for _, test := range []struct {
		from subscriptionState
		err  error
		tell bool
		why  string
	}{
		{wanted, lost, false, "there was nothing to lose"},
		{wanted, refused, false, "nothing was asked for"},
		{wanted, ErrClosed, false, "there was nothing to lose"},
		{wanted, ErrOverflow, false, "there was nothing to lose"},
		{requested, lost, false, "the subscription was not there before either"},
		{requested, ErrClosed, false, "the same"},
		{requested, refused, true, "only the user can do something about it"},
		{requested, ErrOverflow, true, "messages were dropped"},
		{requested, context.DeadlineExceeded, true, "a nucleus that does not answer should be known"},
		{subscribed, lost, true, "it was there"},
		{subscribed, ErrClosed, true, "it was there"},
		{subscribed, refused, true, "it was there"},
		{subscribed, ErrOverflow, true, "it was there"},
		{subscribed, nil, true, "it was there"},
	} {
		next, tell := test.from.lose(test.err)
		if next != wanted || tell != test.tell {
			t.Errorf("%v lost by %v: %v, told %v; want %v, told %v: %s", test.from, test.err, next, tell, wanted, test.tell, test.why)
		}
	}
}

func TestStateNames(t *testing.T) {
	for _, test := range []struct {
		got  fmt.Stringer
		want string
	}{
		{handshaking, "handshaking"}, {ready, "ready"}, {ended, "ended"},
		{pending, "pending"}, {live, "live"}, {over, "over"},
		{response, "response"}, {breach, "breach"},
		{Idle, "idle"}, {Connecting, "connecting"}, {Connected, "connected"}, {Waiting, "waiting"}, {Refused, "refused"},
		{wanted, "wanted"}, {requested, "requested"}, {subscribed, "subscribed"},
	} {
		if test.got.String() != test.want {
			t.Errorf("got %v, want %s", test.got, test.want)
		}
	}
}

// TestClassify lists every kind of message for both kinds of operation in every
// phase in which a stream takes messages.
func TestClassify(t *testing.T) {
	unary, streaming := model.GetThingShadow, model.SubscribeToTopic
	message := func(modelType, payload string, flags eventstream.Flags) *eventstream.Message {
		return &eventstream.Message{ModelType: modelType, Payload: []byte(payload), Flags: flags}
	}
	const term = eventstream.TerminateStream
	for _, test := range []struct {
		name  string
		op    model.Operation
		phase streamPhase
		m     *eventstream.Message
		want  arrival
	}{
		{"unary, typed", unary, pending, message(unary.ResponseType(), "{}", term), response},
		{"unary, lite", unary, pending, message(unary.ResponseType(), "{}", 0), response},
		{"unary, untyped", unary, pending, message("", "{}", term), response},
		{"unary, other type", unary, pending, message(streaming.EventType(), "{}", 0), response},
		{"unary, empty but typed", unary, pending, message(unary.ResponseType(), "", term), response},
		{"unary, bare end", unary, pending, message("", "", term), bareEnd},
		{"streaming, response", streaming, pending, message(streaming.ResponseType(), "{}", 0), response},
		{"streaming, response and end", streaming, pending, message(streaming.ResponseType(), "{}", term), response},
		{"streaming, early event", streaming, pending, message(streaming.EventType(), "{}", 0), event},
		{"streaming, untyped first", streaming, pending, message("", "{}", 0), response},
		{"streaming, other type first", streaming, pending, message("aws.greengrass#Other", "{}", 0), response},
		{"streaming, bare end first", streaming, pending, message("", "", term), bareEnd},
		{"streaming, event", streaming, live, message(streaming.EventType(), "{}", 0), event},
		{"streaming, last event", streaming, live, message(streaming.EventType(), "{}", term), event},
		{"streaming, untyped", streaming, live, message("", "{}", 0), event},
		{"streaming, other type", streaming, live, message("aws.greengrass#Other", "{}", 0), event},
		{"streaming, second response", streaming, live, message(streaming.ResponseType(), "{}", 0), duplicate},
		{"streaming, bare end", streaming, live, message("", "", term), bareEnd},
	} {
		if got := classify(test.op, test.phase, test.m); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	for typ := eventstream.MessageType(-1); typ <= 9; typ++ {
		want := breach
		switch typ {
		case eventstream.ApplicationMessage:
			want = response
		case eventstream.ApplicationError:
			want = failure
		}
		m := message("", "{}", 0)
		m.Type = typ
		if got := classify(unary, pending, m); got != want {
			t.Errorf("%v: %v, want %v", typ, got, want)
		}
	}
}

func TestStreamIDs(t *testing.T) {
	st := connState{phase: ready, streams: map[int32]*stream{}}
	for want := int32(1); want <= 3; want++ {
		s := newStream(model.UpdateState, nil)
		if err := st.open(s); err != nil || s.id != want {
			t.Fatalf("id %d, %v, want %d", s.id, err, want)
		}
	}
	st.drop(2, true)
	st.drop(2, true)
	if len(st.outbox) != 1 {
		t.Errorf("%d ends to send, want 1", len(st.outbox))
	}
	for id, want := range map[int32]string{
		-1: "error", 1: "open", 2: "closed", 3: "open", 4: "error", math.MaxInt32: "error", math.MinInt32: "error",
	} {
		got := "closed"
		switch s, err := st.find(id); {
		case err != nil:
			got = "error"
		case s != nil:
			got = "open"
		}
		if got != want {
			t.Errorf("stream %d is %s, want %s", id, got, want)
		}
	}
	st.lastID = math.MaxInt32 - 1
	if id, err := st.nextID(); id != math.MaxInt32 || err != nil {
		t.Errorf("the last id is %d, %v", id, err)
	}
	st.lastID++
	if _, err := st.nextID(); !errors.Is(err, errNoMoreIDs) || !errors.Is(err, ErrDisconnected) {
		t.Errorf("after the last id: %v", err)
	}
}

// TestIDsUsedUp: a connection whose ids are used ends, so that a session makes a
// new one.
func TestIDsUsedUp(t *testing.T) {
	near, far := net.Pipe()
	defer func() { _ = far.Close() }()
	c := newConn(near, Config{}.withDefaults())
	c.update(func(st *connState) {
		st.become(ready)
		st.lastID = math.MaxInt32
	})
	_, err := c.UpdateState(t.Context(), model.UpdateStateRequest{})
	if !errors.Is(err, ErrNotSent) || !errors.Is(err, errNoMoreIDs) {
		t.Errorf("got %v, want not sent", err)
	}
	<-c.Done()
}

// nowhere is a transport that takes everything and brings nothing.
type nowhere struct{ net.Conn }

func (nowhere) Close() error { return nil }

// FuzzDispatch lets any sequence of messages loose on open streams, and proves that
// nothing panics or waits, that each call gets at most one answer, that a stream is
// known exactly as long as it is not over, and that what has to be sent stays
// bounded.
func FuzzDispatch(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 0, 0, 2, 1, 0, 0, 2, 2})
	f.Add([]byte{1, 2, 1, 3, 1, 0, 3, 4, 0, 2, 2, 0})
	f.Add([]byte{2, 0, 0, 0, 6, 0, 0, 5})
	f.Fuzz(func(t *testing.T, data []byte) {
		c := newConn(nowhere{}, Config{}.withDefaults())
		open := []*stream{
			newStream(model.GetThingShadow, nil),
			newStream(model.SubscribeToTopic, newInbox[model.SubscriptionResponseMessage](2, 0)),
			newStream(model.SubscribeToTopic, newInbox[model.SubscriptionResponseMessage](InboxSize, 0)),
		}
		c.update(func(st *connState) {
			st.become(ready)
			for _, s := range open {
				if err := st.open(s); err != nil {
					t.Fatal(err)
				}
			}
		})
		types := []string{"", model.SubscribeToTopic.EventType(), model.SubscribeToTopic.ResponseType(), model.GetThingShadow.ResponseType(), "x"}
		payloads := []string{"", "{}", `{"binaryMessage":{"message":"aGVsbG8="}}`, `{"binaryMessage":1}`, "x"}
		for ; len(data) >= 4 && c.Err() == nil; data = data[4:] {
			m := &eventstream.Message{
				Type: eventstream.MessageType(int8(data[0])), Flags: eventstream.Flags(data[1]), StreamID: int32(int8(data[2])),
				ModelType: types[int(data[3])%len(types)], Payload: []byte(payloads[int(data[3])/len(types)%len(payloads)]),
			}
			if err := c.dispatch(m); err != nil {
				c.fail(disconnected(err))
			}
		}
		if n := len(c.state.outbox); n > maxPongs+len(open) {
			t.Errorf("%d messages to send", n)
		}
		for _, s := range open {
			known := c.state.streams[s.id] != nil
			if known != (s.phase != over) {
				t.Errorf("stream %d is %v, known %v", s.id, s.phase, known)
			}
			if answered := len(s.reply) == 1; answered != (s.phase != pending) {
				t.Errorf("stream %d is %v, answered %v", s.id, s.phase, answered)
			}
		}
		c.fail(ErrClosed)
		for _, s := range open {
			if s.phase != over || len(s.reply) != 1 {
				t.Errorf("stream %d after the end: %v, %d answers", s.id, s.phase, len(s.reply))
			}
		}
	})
}

// TestLockAfterCancel: a context that has ended never gets the right to write,
// though that is free, and does not keep it either.
func TestLockAfterCancel(t *testing.T) {
	c := newConn(nowhere{}, Config{}.withDefaults())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 { // the two ways out of lock are chosen at random
		if err := c.lock(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want canceled", err)
		}
		if len(c.writing) != 0 {
			t.Fatal("the right to write was kept")
		}
	}
}

// lateError is a transport that writes everything and then finds fault with it.
type lateError struct {
	nowhere
	written int // of the frame; -1 is all
}

var errLate = errors.New("late")

func (w lateError) Write(b []byte) (int, error) {
	if w.written < 0 {
		return len(b), errLate
	}
	return w.written, errLate
}

func (lateError) SetWriteDeadline(time.Time) error { return nil }

// TestFailedWrite: what the peer may have as a whole counts as sent, and only that.
func TestFailedWrite(t *testing.T) {
	for written, want := range map[int]error{0: ErrNotSent, 100: ErrNotSent, -1: ErrOutcomeUnknown} {
		c := newConn(lateError{written: written}, Config{}.withDefaults())
		c.update(func(st *connState) { st.become(ready) })
		_, err := c.UpdateState(t.Context(), model.UpdateStateRequest{})
		if !errors.Is(err, want) || !errors.Is(err, errLate) || !errors.Is(c.Err(), errLate) {
			t.Errorf("%d bytes written: %v, want %v", written, err, want)
		}
	}
}
