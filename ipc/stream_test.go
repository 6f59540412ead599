package ipc_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/ipctest"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

func subscribe(t *testing.T, conn *ipc.Conn, topic string) *ipc.Stream[model.SubscriptionResponseMessage] {
	t.Helper()
	s, err := conn.SubscribeToTopic(t.Context(), model.SubscribeToTopicRequest{Topic: topic, ReceiveMode: model.ReceiveAll})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// next takes one event, and fails when there is none at this moment of the bubble.
func next(t *testing.T, s *ipc.Stream[model.SubscriptionResponseMessage]) string {
	t.Helper()
	synctest.Wait()
	select {
	case m, ok := <-s.Events():
		if !ok {
			t.Fatalf("stream ended: %v", s.Err())
		}
		return string(m.Payload())
	default:
		t.Fatal("no event")
	}
	return ""
}

// ended checks that a stream brings nothing more, and returns why.
func ended(t *testing.T, s *ipc.Stream[model.SubscriptionResponseMessage]) error {
	t.Helper()
	synctest.Wait()
	select {
	case m, ok := <-s.Events():
		if ok {
			t.Fatalf("got event %q, want the end", m.Payload())
		}
	default:
		t.Fatal("stream goes on, want the end")
	}
	return s.Err()
}

func TestCancelSubscribe(t *testing.T) {
	conversation(t, func(p *ipctest.Peer) {
		r := p.Expect(model.SubscribeToTopic)
		p.ExpectTerminate(r.ID)
		p.Send(ipctest.Response(r.ID, model.SubscribeToTopic, `{}`))
		p.Send(ipctest.TopicEvent(r.ID, "t", "late"))
		hangUntilClosed(p)
	}, func(t *testing.T, conn *ipc.Conn) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := conn.SubscribeToTopic(ctx, model.SubscribeToTopicRequest{Topic: "t"})
		if !errors.Is(err, ipc.ErrOutcomeUnknown) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want outcome unknown by deadline", err)
		}
		synctest.Wait()
		if err := conn.Err(); err != nil {
			t.Errorf("the connection ended: %v", err)
		}
	})
}

func TestEventBeforeResponse(t *testing.T) {
	conversation(t, func(p *ipctest.Peer) {
		r := p.Expect(model.SubscribeToTopic)
		p.Send(ipctest.TopicEvent(r.ID, "t", "early"))
		p.Send(ipctest.Response(r.ID, model.SubscribeToTopic, `{}`))
		p.Send(ipctest.Response(r.ID, model.SubscribeToTopic, `{}`)) // twice does no harm
		p.Send(ipctest.TopicEvent(r.ID, "t", "late"))
		hangUntilClosed(p)
	}, func(t *testing.T, conn *ipc.Conn) {
		s := subscribe(t, conn, "t")
		for _, want := range []string{"early", "late"} {
			if got := next(t, s); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		if err := s.Err(); err != nil {
			t.Errorf("an open stream says %v", err)
		}
	})
}

// TestUnknownEvent: an event of a later version is an empty union and no fault.
func TestUnknownEvent(t *testing.T) {
	conversation(t, func(p *ipctest.Peer) {
		id := confirm(p)
		p.Send(ipctest.Event(id, model.SubscribeToTopic, `{"futureMessage":{"message":1}}`))
		p.Send(ipctest.TopicEvent(id, "t", "known"))
		hangUntilClosed(p)
	}, func(t *testing.T, conn *ipc.Conn) {
		s := subscribe(t, conn, "t")
		if m := <-s.Events(); m.JSONMessage != nil || m.BinaryMessage != nil || m.Topic() != "" || m.Payload() != nil {
			t.Errorf("got %+v, want nothing in it", m)
		}
		if got := next(t, s); got != "known" {
			t.Errorf("got %q, want the event after", got)
		}
	})
}

// TestUntypedStream: without a model type the first message is the response.
func TestUntypedStream(t *testing.T) {
	conversation(t, func(p *ipctest.Peer) {
		r := p.Expect(model.SubscribeToTopic)
		for _, m := range []*eventstream.Message{
			ipctest.Response(r.ID, model.SubscribeToTopic, `{}`), ipctest.TopicEvent(r.ID, "t", "event"),
		} {
			m.ModelType, m.ContentType = "", ""
			p.Send(m)
		}
		hangUntilClosed(p)
	}, func(t *testing.T, conn *ipc.Conn) {
		if got := next(t, subscribe(t, conn, "t")); got != "event" {
			t.Errorf("got %q, want the event", got)
		}
	})
}

func TestSubscribeRefused(t *testing.T) {
	conversation(t, func(p *ipctest.Peer) {
		r := p.Expect(model.SubscribeToTopic)
		p.Send(ipctest.Failure(r.ID, model.Unauthorized, "no"))
		hangUntilClosed(p)
	}, func(t *testing.T, conn *ipc.Conn) {
		_, err := conn.SubscribeToTopic(t.Context(), model.SubscribeToTopicRequest{Topic: "t"})
		var refused *ipc.ServiceError
		if !errors.As(err, &refused) || refused.Code != model.Unauthorized {
			t.Errorf("got %v, want unauthorized", err)
		}
	})
}

// TestStreamEnds: all ways in which a stream ends from the far side, after the
// events that came before.
func TestStreamEnds(t *testing.T) {
	op := model.SubscribeToTopic
	undecodable := ipctest.Event(1, op, `{"binaryMessage":1}`)
	plainError := ipctest.Failure(1, model.ServiceFailure, "gone")
	plainError.Flags = 0
	lastEvent := ipctest.TopicEvent(1, "t", "last")
	lastEvent.Flags = eventstream.TerminateStream
	for _, test := range []struct {
		name       string
		send       *eventstream.Message
		terminates bool // the client says so to the peer
		events     int
		check      func(error) bool
	}{
		{"terminate", ipctest.Terminate(1), false, 1, func(err error) bool { return errors.Is(err, ipc.ErrStreamEnded) }},
		{"last event", lastEvent, false, 2, func(err error) bool { return errors.Is(err, ipc.ErrStreamEnded) }},
		{"error", ipctest.Failure(1, model.ServiceFailure, "gone"), false, 1, isA[*ipc.ServiceError]},
		{"error without terminate", plainError, true, 1, isA[*ipc.ServiceError]},
		{"undecodable event", undecodable, true, 1, func(err error) bool {
			var p *ipc.ProtocolError
			return errors.As(err, &p) && p.Stream == 1
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			conversation(t, func(p *ipctest.Peer) {
				r := p.Expect(op)
				p.Send(ipctest.Response(r.ID, op, `{}`))
				p.Send(ipctest.TopicEvent(r.ID, "t", "first"))
				p.Send(test.send)
				if test.terminates {
					p.ExpectTerminate(r.ID)
				}
				p.Send(ipctest.TopicEvent(r.ID, "t", "too late"))
				r = p.Expect(model.GetThingShadow)
				p.Send(ipctest.Response(r.ID, model.GetThingShadow, `{}`))
				hangUntilClosed(p)
			}, func(t *testing.T, conn *ipc.Conn) {
				s := subscribe(t, conn, "t")
				for range test.events {
					next(t, s)
				}
				if err := ended(t, s); !test.check(err) {
					t.Errorf("stream ended with %v", err)
				}
				err := s.Err()
				if _ = s.Close(); s.Err() != err {
					t.Errorf("Close changed the reason to %v", s.Err())
				}
				if _, err := conn.GetThingShadow(t.Context(), getShadow); err != nil {
					t.Errorf("the connection suffers: %v", err)
				}
			})
		})
	}
}

func TestStreamClose(t *testing.T) {
	conversation(t, func(p *ipctest.Peer) {
		r := p.Expect(model.SubscribeToTopic)
		p.Send(ipctest.Response(r.ID, model.SubscribeToTopic, `{}`))
		p.ExpectTerminate(r.ID)
		p.Send(ipctest.TopicEvent(r.ID, "t", "was on its way"))
		p.Send(ipctest.Terminate(r.ID))
		hangUntilClosed(p)
	}, func(t *testing.T, conn *ipc.Conn) {
		s := subscribe(t, conn, "t")
		var closers sync.WaitGroup
		for range 3 {
			closers.Go(func() { _ = s.Close() })
		}
		closers.Wait()
		if err := ended(t, s); err != nil {
			t.Errorf("a closed stream says %v, want nil", err)
		}
	})
}

func TestOverflow(t *testing.T) {
	conversation(t, func(p *ipctest.Peer) {
		slow, fast := p.Expect(model.SubscribeToTopic), p.Expect(model.SubscribeToTopic)
		p.Send(ipctest.Response(slow.ID, model.SubscribeToTopic, `{}`))
		p.Send(ipctest.Response(fast.ID, model.SubscribeToTopic, `{}`))
		for i := range ipc.InboxSize {
			p.Send(ipctest.TopicEvent(slow.ID, "t", fmt.Sprint(i)))
		}
		p.Send(ipctest.TopicEvent(slow.ID, "t", "one too many"))
		p.ExpectTerminate(slow.ID)
		p.Send(ipctest.TopicEvent(slow.ID, "t", "dropped"))
		p.Send(ipctest.TopicEvent(fast.ID, "t", "other"))
		hangUntilClosed(p)
	}, func(t *testing.T, conn *ipc.Conn) {
		var slow, fast *ipc.Stream[model.SubscriptionResponseMessage]
		var both sync.WaitGroup
		both.Go(func() { slow = subscribe(t, conn, "slow") })
		synctest.Wait()
		both.Go(func() { fast = subscribe(t, conn, "fast") })
		both.Wait()
		synctest.Wait()
		if err := slow.Err(); !errors.Is(err, ipc.ErrOverflow) {
			t.Errorf("the slow stream says %v, want overflow", err)
		}
		if got := next(t, fast); got != "other" || fast.Err() != nil {
			t.Errorf("the other stream got %q, %v", got, fast.Err())
		}
		for i := range ipc.InboxSize {
			if got := next(t, slow); got != fmt.Sprint(i) {
				t.Fatalf("event %d is %q: what came before the overflow must still be there", i, got)
			}
		}
		if err := ended(t, slow); !errors.Is(err, ipc.ErrOverflow) {
			t.Errorf("the slow stream ended with %v", err)
		}
	})
}

func TestConnectionEndsStreams(t *testing.T) {
	conversation(t, func(p *ipctest.Peer) {
		r := p.Expect(model.SubscribeToTopic)
		p.Send(ipctest.Response(r.ID, model.SubscribeToTopic, `{}`))
		p.Send(ipctest.TopicEvent(r.ID, "t", "last"))
	}, func(t *testing.T, conn *ipc.Conn) {
		s := subscribe(t, conn, "t")
		<-conn.Done()
		if got := next(t, s); got != "last" {
			t.Errorf("got %q, want what came before the end", got)
		}
		if err := ended(t, s); err != conn.Err() || !errors.Is(err, ipc.ErrDisconnected) {
			t.Errorf("stream ended with %v, connection with %v", err, conn.Err())
		}
	})
}
