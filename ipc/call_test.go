package ipc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/ipctest"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

func TestCalls(t *testing.T) {
	steps := []struct {
		op       model.Operation
		request  string
		response string
		call     func(context.Context, *ipc.Conn) (any, error)
		want     string
	}{
		{model.GetThingShadow, `{"thingName":"MyThing"}`, `{"payload":"e30="}`, func(ctx context.Context, c *ipc.Conn) (any, error) {
			return c.GetThingShadow(ctx, getShadow)
		}, `{Payload:[123 125]}`},
		{model.UpdateThingShadow, `{"thingName":"t","shadowName":"s","payload":"e30="}`, `{"payload":"e30=","unknown":[1]}`, func(ctx context.Context, c *ipc.Conn) (any, error) {
			return c.UpdateThingShadow(ctx, model.UpdateThingShadowRequest{ThingName: "t", ShadowName: "s", Payload: []byte("{}")})
		}, `{Payload:[123 125]}`},
		{model.DeleteThingShadow, `{"thingName":"t"}`, `{"payload":""}`, func(ctx context.Context, c *ipc.Conn) (any, error) {
			return c.DeleteThingShadow(ctx, model.DeleteThingShadowRequest{ThingName: "t"})
		}, `{Payload:[]}`},
		{model.ListNamedShadowsForThing, `{"thingName":"t","nextToken":"n"}`, `{"results":["a","b"],"timestamp":1.627935591123E9}`, func(ctx context.Context, c *ipc.Conn) (any, error) {
			r, err := c.ListNamedShadowsForThing(ctx, model.ListNamedShadowsForThingRequest{ThingName: "t", NextToken: "n"})
			return fmt.Sprint(r.Results, r.Timestamp.UnixMilli(), r.NextToken == ""), err
		}, `[a b] 1627935591123 true`},
		{model.PublishToTopic, `{"topic":"a<b","publishMessage":{"jsonMessage":{"message":{"n":1}}}}`, `{}`, func(ctx context.Context, c *ipc.Conn) (any, error) {
			return c.PublishToTopic(ctx, model.PublishToTopicRequest{Topic: "a<b", PublishMessage: model.PublishMessage{
				JSONMessage: &model.JSONMessage{Message: []byte(`{"n":1}`)},
			}})
		}, `{}`},
		{model.GetConfiguration, `{}`, `{"componentName":"c","value":{"a":null}}`, func(ctx context.Context, c *ipc.Conn) (any, error) {
			r, err := c.GetConfiguration(ctx, model.GetConfigurationRequest{})
			return r.ComponentName + string(r.Value), err
		}, `c{"a":null}`},
		{model.UpdateState, `{"state":"RUNNING"}`, ``, func(ctx context.Context, c *ipc.Conn) (any, error) {
			return c.UpdateState(ctx, model.UpdateStateRequest{State: model.StateRunning})
		}, `{}`},
	}
	conversation(t, func(p *ipctest.Peer) {
		for _, step := range steps {
			r := p.Expect(step.op)
			if got := string(r.Payload); got != step.request {
				t.Errorf("%s: request %s, want %s", r.Op, got, step.request)
			}
			p.Send(ipctest.Response(r.ID, step.op, step.response))
		}
		hangUntilClosed(p)
	}, func(t *testing.T, conn *ipc.Conn) {
		for _, step := range steps {
			got, err := step.call(t.Context(), conn)
			if text := fmt.Sprintf("%+v", got); err != nil || text != step.want {
				t.Errorf("%s: %s, %v, want %s", step.op.Name, text, err, step.want)
			}
			synctest.Wait()
		}
	})
}

func TestOutcomes(t *testing.T) {
	for _, test := range []struct {
		name   string
		script ipctest.Script
		want   error // ErrNotSent or ErrOutcomeUnknown
		cause  error
	}{
		{"connection lost before the answer", func(p *ipctest.Peer) { p.Request() }, ipc.ErrOutcomeUnknown, ipc.ErrDisconnected},
		{"connection lost within the answer", func(p *ipctest.Peer) {
			p.Request()
			p.SendBytes(make([]byte, 5))
		}, ipc.ErrOutcomeUnknown, io.ErrUnexpectedEOF},
		{"connection lost within the request", func(p *ipctest.Peer) { p.ReadBytes(100) }, ipc.ErrNotSent, ipc.ErrDisconnected},
		{"no answer in time", func(p *ipctest.Peer) {
			r := p.Request()
			p.ExpectTerminate(r.ID)
			hangUntilClosed(p)
		}, ipc.ErrOutcomeUnknown, context.DeadlineExceeded},
		{"answer that cannot be read", func(p *ipctest.Peer) {
			r := p.Request()
			p.Send(ipctest.Response(r.ID, model.GetThingShadow, `{"payload":1}`))
			hangUntilClosed(p)
		}, ipc.ErrOutcomeUnknown, nil},
		{"stream ended without an answer", func(p *ipctest.Peer) {
			r := p.Request()
			p.Send(ipctest.Terminate(r.ID))
			hangUntilClosed(p)
		}, ipc.ErrOutcomeUnknown, ipc.ErrStreamEnded},
	} {
		t.Run(test.name, func(t *testing.T) {
			conversation(t, test.script, func(t *testing.T, conn *ipc.Conn) {
				_, err := conn.GetThingShadow(t.Context(), getShadow)
				if !errors.Is(err, test.want) || test.cause != nil && !errors.Is(err, test.cause) {
					t.Errorf("got %v, want %v and %v", err, test.want, test.cause)
				}
				if errors.Is(err, ipc.ErrNotSent) && errors.Is(err, ipc.ErrOutcomeUnknown) {
					t.Errorf("%v is two things", err)
				}
				var call *ipc.CallError
				if !errors.As(err, &call) || call.Op != "GetThingShadow" {
					t.Errorf("got %T, want a call error of GetThingShadow", err)
				}
				synctest.Wait()
			})
		})
	}
}

// TestLostBefore: a call on a connection that has ended is certainly not sent, and
// all see the same cause.
func TestLostBefore(t *testing.T) {
	conversation(t, func(p *ipctest.Peer) {}, func(t *testing.T, conn *ipc.Conn) {
		<-conn.Done()
		cause := conn.Err()
		if !errors.Is(cause, ipc.ErrDisconnected) || !errors.Is(cause, io.EOF) {
			t.Errorf("cause %v, want disconnected by EOF", cause)
		}
		for range 2 {
			_, err := conn.GetThingShadow(t.Context(), getShadow)
			if !errors.Is(err, ipc.ErrNotSent) || !errors.Is(err, cause) {
				t.Errorf("got %v, want not sent because of %v", err, cause)
			}
			_ = conn.Close()
			if conn.Err() != cause {
				t.Errorf("Close changed the cause to %v", conn.Err())
			}
		}
	})
}

func TestCancelCall(t *testing.T) {
	conversation(t, func(p *ipctest.Peer) {
		r := p.Expect(model.GetThingShadow)
		p.ExpectTerminate(r.ID)
		p.Send(ipctest.Response(r.ID, model.GetThingShadow, `{}`)) // was on its way
		r = p.Expect(model.GetThingShadow)
		p.Send(ipctest.Response(r.ID, model.GetThingShadow, `{"payload":"e30="}`))
		hangUntilClosed(p)
	}, func(t *testing.T, conn *ipc.Conn) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("not needed any more")
		time.AfterFunc(time.Second, func() { cancel(cause) })
		_, err := conn.GetThingShadow(ctx, getShadow)
		if !errors.Is(err, ipc.ErrOutcomeUnknown) || !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
			t.Errorf("got %v, want outcome unknown by cancellation", err)
		}
		synctest.Wait() // for the end of the first stream to be sent before the next one
		if r, err := conn.GetThingShadow(t.Context(), getShadow); err != nil || string(r.Payload) != "{}" {
			t.Errorf("the next call: %q, %v", r.Payload, err)
		}
	})
}

func TestCallTimeout(t *testing.T) {
	for _, test := range []struct {
		name         string
		config, ctx  time.Duration
		want         time.Duration
		stillWaiting bool
	}{
		{"default", 0, 0, 10 * time.Second, false},
		{"configured", time.Minute, 0, time.Minute, false},
		{"context is earlier", time.Minute, time.Second, time.Second, false},
		{"context is later", time.Second, time.Minute, time.Minute, false},
		{"none but the context", -1, time.Hour, time.Hour, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, err := ipc.Dial(t.Context(), ipc.Config{
					Token: ipctest.Token, CallTimeout: test.config,
					Dial: ipctest.Dialer(t, func(p *ipctest.Peer) {
						p.Accept()
						p.ExpectTerminate(p.Request().ID)
						hangUntilClosed(p)
					}),
				})
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
				ctx := t.Context()
				if test.ctx > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.ctx)
					defer cancel()
				}
				start := time.Now()
				_, err = conn.GetThingShadow(ctx, getShadow)
				if took := time.Since(start); took != test.want || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v after %v, want the deadline after %v", err, took, test.want)
				}
				synctest.Wait()
			})
		})
	}
}

// TestIdle: there is no keep-alive, which would be the end of a connection to lite.
func TestIdle(t *testing.T) {
	conversation(t, hangUntilClosed, func(t *testing.T, conn *ipc.Conn) {
		time.Sleep(24 * time.Hour)
		if err := conn.Err(); err != nil {
			t.Errorf("the connection ended: %v", err)
		}
	})
}

// TestUnboundedCalls: these outlive the time-out of calls.
func TestUnboundedCalls(t *testing.T) {
	for _, op := range []model.Operation{model.SubscribeToIoTCore, model.DeferComponentUpdate} {
		synctest.Test(t, func(t *testing.T) {
			conn := dialScript(t, func(p *ipctest.Peer) {
				p.Accept()
				m := p.Read()
				time.Sleep(time.Hour)
				p.Send(ipctest.Response(m.StreamID, op, `{}`))
				for ok := true; ok; _, ok = p.Next() {
				}
			})
			if _, err := invoke(t, conn, op, wire[op.Name][0]); err != nil {
				t.Errorf("%s: %v", op.Name, err)
			}
			_ = conn.Close()
		})
	}
}
