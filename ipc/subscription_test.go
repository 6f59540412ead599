package ipc_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/ipctest"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// updates takes what a subscription says at this moment of the bubble.
func updates(t *testing.T, sub *ipc.Subscription) string {
	t.Helper()
	var all []string
	for {
		synctest.Wait()
		select {
		case u, ok := <-sub.Updates():
			if !ok {
				return strings.Join(append(all, "end"), ", ")
			}
			all = append(all, describe(u))
		default:
			return strings.Join(all, ", ")
		}
	}
}

func describe(u ipc.Update) string {
	switch u := u.(type) {
	case ipc.Live:
		return "live"
	case ipc.Message:
		return fmt.Sprintf("%s=%s", u.Topic, u.Payload)
	case ipc.Lost:
		for _, end := range []struct {
			name string
			err  error
		}{
			{"overflow", ipc.ErrOverflow}, {"closed", ipc.ErrClosed}, {"disconnected", ipc.ErrDisconnected},
			{"ended", ipc.ErrStreamEnded}, {"timeout", context.DeadlineExceeded},
		} {
			if errors.Is(u.Err, end.err) {
				return "lost " + end.name
			}
		}
		var refused *ipc.ServiceError
		if errors.As(u.Err, &refused) {
			return "lost " + string(refused.Code)
		}
	}
	return fmt.Sprintf("%#v", u)
}

func wantUpdates(t *testing.T, sub *ipc.Subscription, want string) {
	t.Helper()
	if got := updates(t, sub); got != want {
		t.Errorf("got updates %q, want %q", got, want)
	}
}

// confirm answers the next request, which has to be a subscription.
func confirm(p *ipctest.Peer) int32 {
	r := p.Expect(model.SubscribeToTopic)
	p.Send(ipctest.Response(r.ID, model.SubscribeToTopic, `{}`))
	return r.ID
}

var topicT = model.SubscribeToTopicRequest{Topic: "t"}

func TestResubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		serve := func(text string) ipctest.Script {
			return func(p *ipctest.Peer) {
				p.Accept()
				r := p.Expect(model.SubscribeToTopic)
				if want := `{"topic":"t","receiveMode":"RECEIVE_ALL_MESSAGES"}`; string(r.Payload) != want {
					t.Errorf("request %s, want %s", r.Payload, want)
				}
				p.Send(ipctest.TopicEvent(r.ID, "t", text+" early"))
				p.Send(ipctest.Response(r.ID, model.SubscribeToTopic, `{}`))
				p.Send(ipctest.TopicEvent(r.ID, "t", text))
				time.Sleep(time.Minute)
			}
		}
		r := runSession(t, ipc.SessionConfig{}, nil, serve("one"), nil, serve("two"),
			func(p *ipctest.Peer) { p.Accept(); p.Request() }, // lost before it is confirmed
			serve("three"))
		sub := r.Topic(topicT)
		wantUpdates(t, sub, "")
		time.Sleep(time.Second)
		wantUpdates(t, sub, "live, t=one early, t=one")
		time.Sleep(time.Minute)
		wantUpdates(t, sub, "lost disconnected, live, t=two early, t=two")
		time.Sleep(61 * time.Second)
		wantUpdates(t, sub, "lost disconnected") // the request comes now, and is lost too
		time.Sleep(time.Second)
		wantUpdates(t, sub, "live, t=three early, t=three")
		r.stop()
		wantUpdates(t, sub, "lost closed")
		_ = sub.Close()
		_ = sub.Close()
		wantUpdates(t, sub, "end")
	})
}

func TestSubscriptionOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runSession(t, ipc.SessionConfig{}, func(p *ipctest.Peer) {
			p.Accept()
			id := confirm(p)
			// The subscription holds the Live that nobody takes, and no message.
			for i := range ipc.InboxSize + 1 {
				p.Send(ipctest.TopicEvent(id, "t", fmt.Sprint(i)))
			}
			p.ExpectTerminate(id)
			id = confirm(p)
			p.Send(ipctest.TopicEvent(id, "t", "again"))
			p.ExpectClosed()
		})
		sub := r.Topic(topicT)
		defer func() { _ = sub.Close() }()
		synctest.Wait()
		want := []string{"live"}
		for i := range ipc.InboxSize {
			want = append(want, fmt.Sprintf("t=%d", i))
		}
		want = append(want, "lost overflow", "live", "t=again")
		wantUpdates(t, sub, strings.Join(want, ", "))
		r.stop()
	})
}

// TestSubscriptionRefused: a subscription that the nucleus does not want is told
// each time, tried slowly, and at once on a new connection.
func TestSubscriptionRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refuse := func(p *ipctest.Peer) {
			r := p.Expect(model.SubscribeToTopic)
			p.Send(ipctest.Failure(r.ID, model.Unauthorized, "no"))
		}
		r := runSession(t, ipc.SessionConfig{}, func(p *ipctest.Peer) {
			p.Accept()
			refuse(p)
			refuse(p)
			time.Sleep(10 * time.Second)
		}, func(p *ipctest.Peer) {
			p.Accept()
			refuse(p)
			id := confirm(p)
			p.Send(ipctest.Terminate(id))
			id = confirm(p)
			p.Send(ipctest.Failure(id, model.ServiceFailure, "over"))
			confirm(p)
			p.ExpectClosed()
		})
		sub := r.Topic(topicT)
		defer func() { _ = sub.Close() }()
		wantUpdates(t, sub, "lost UnauthorizedError")
		time.Sleep(29 * time.Second)
		wantUpdates(t, sub, "")
		time.Sleep(time.Second)
		wantUpdates(t, sub, "lost UnauthorizedError")
		time.Sleep(11 * time.Second) // the connection is lost, which is no news
		wantUpdates(t, sub, "lost UnauthorizedError")
		time.Sleep(30 * time.Second)
		wantUpdates(t, sub, "live, lost ended")
		time.Sleep(30 * time.Second)
		wantUpdates(t, sub, "live, lost ServiceError")
		time.Sleep(30 * time.Second)
		wantUpdates(t, sub, "live")
		r.stop()
	})
}

func TestSubscriptionNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runSession(t, ipc.SessionConfig{ResubscribeDelay: time.Second}, func(p *ipctest.Peer) {
			p.Accept()
			p.ExpectTerminate(p.Expect(model.SubscribeToTopic).ID)
			confirm(p)
			p.ExpectClosed()
		})
		sub := r.Topic(topicT)
		defer func() { _ = sub.Close() }()
		time.Sleep(10 * time.Second)
		wantUpdates(t, sub, "lost timeout")
		time.Sleep(time.Second)
		wantUpdates(t, sub, "live")
		r.stop()
	})
}

// TestSubscriptionClose closes in each state; the bubble proves that nothing stays.
func TestSubscriptionClose(t *testing.T) {
	for _, test := range []struct {
		name   string
		script ipctest.Script
	}{
		{"without connection", nil},
		{"while requested", func(p *ipctest.Peer) {
			p.Accept()
			p.ExpectTerminate(p.Expect(model.SubscribeToTopic).ID)
			p.ExpectClosed()
		}},
		{"with an update that nobody takes", func(p *ipctest.Peer) {
			p.Accept()
			p.ExpectTerminate(confirm(p))
			p.ExpectClosed()
		}},
		{"after a refusal", func(p *ipctest.Peer) {
			p.Accept()
			r := p.Expect(model.SubscribeToTopic)
			p.Send(ipctest.Failure(r.ID, model.Unauthorized, "no"))
			p.ExpectClosed()
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := runSession(t, ipc.SessionConfig{}, test.script)
				sub := r.Topic(topicT)
				synctest.Wait()
				_ = sub.Close()
				wantUpdates(t, sub, "end")
				synctest.Wait()
			})
		})
	}
}

// TestSubscriptionCloseWhileWriting: the bound that the documentation states.
func TestSubscriptionCloseWhileWriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runSession(t, ipc.SessionConfig{}, func(p *ipctest.Peer) {
			p.Accept()
			time.Sleep(time.Hour) // and does not read
		})
		sub := r.Topic(topicT)
		synctest.Wait()
		start := time.Now()
		_ = sub.Close()
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("Close took %v, want 5s at most", took)
		}
		wantUpdates(t, sub, "end")
		r.stop()
	})
}

// TestSubscriptionReceiveMode: what the caller chose is not changed.
func TestSubscriptionReceiveMode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runSession(t, ipc.SessionConfig{}, func(p *ipctest.Peer) {
			p.Accept()
			if got := string(p.Expect(model.SubscribeToTopic).Payload); !strings.Contains(got, string(model.ReceiveFromOthers)) {
				t.Errorf("request %s, want the mode of the caller", got)
			}
			p.ExpectClosed()
		})
		sub := r.Topic(model.SubscribeToTopicRequest{Topic: "t", ReceiveMode: model.ReceiveFromOthers})
		synctest.Wait()
		r.stop()
		_ = sub.Close()
	})
}

// TestManySubscriptions share one connection, and each is told of its loss once.
func TestManySubscriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 20
		serve := func(p *ipctest.Peer) {
			p.Accept()
			for range n {
				confirm(p)
			}
			time.Sleep(time.Minute)
		}
		r := runSession(t, ipc.SessionConfig{}, serve, serve)
		var subs []*ipc.Subscription
		for range n {
			subs = append(subs, r.Topic(topicT))
		}
		for _, sub := range subs {
			wantUpdates(t, sub, "live")
		}
		time.Sleep(61 * time.Second)
		for _, sub := range subs {
			wantUpdates(t, sub, "lost disconnected, live")
		}
		r.stop()
		for _, sub := range subs {
			_ = sub.Close()
			wantUpdates(t, sub, "end")
		}
	})
}
