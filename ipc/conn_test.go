package ipc_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/ipctest"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// conversation runs a client against a script, in memory and simulated time. The
// bubble proves that no goroutine is left.
func conversation(t *testing.T, script ipctest.Script, client func(*testing.T, *ipc.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		conn := dialScript(t, func(p *ipctest.Peer) {
			p.Accept()
			script(p)
		})
		defer func() { _ = conn.Close() }()
		client(t, conn)
	})
}

func dialScript(t testing.TB, script ipctest.Script) *ipc.Conn {
	t.Helper()
	conn, err := ipc.Dial(t.Context(), ipc.Config{Token: ipctest.Token, Dial: ipctest.Dialer(t, script)})
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// hangUntilClosed is the end of a script whose peer stays there and is silent.
func hangUntilClosed(p *ipctest.Peer) { p.ExpectClosed() }

var getShadow = model.GetThingShadowRequest{ThingName: "MyThing"}

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

// golden returns the bytes of vectors of the codec.
func golden(t *testing.T) map[string][]byte {
	t.Helper()
	data, err := os.ReadFile("eventstream/testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct{ Name, Hex string }
	if err := json.Unmarshal(data, &rows); err != nil {
		t.Fatal(err)
	}
	vectors := make(map[string][]byte)
	for _, row := range rows {
		if vectors[row.Name], err = hex.DecodeString(row.Hex); err != nil {
			t.Fatal(err)
		}
	}
	return vectors
}

// TestGoldenConversation holds every byte of the client against the documented
// ones: what it sends is V2, V5, V11, V15 exactly.
func TestGoldenConversation(t *testing.T) {
	v := golden(t)
	expect := func(p *ipctest.Peer, name string) {
		want := v[name]
		if len(want) == 0 {
			t.Errorf("no vector %s", name)
			return
		}
		if got := p.ReadBytes(len(want)); !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %x\nwant %x", name, got, want)
		}
	}
	peer := func(p *ipctest.Peer) {
		expect(p, "V2")
		p.SendBytes(v["V3"])
		expect(p, "V5")
		p.SendBytes(v["V7"])
		expect(p, "V11")
		for _, name := range []string{"V12", "V13", "V14"} {
			p.SendBytes(v[name])
		}
		expect(p, "V15")
		p.SendBytes(v["V16"])
		expect(p, "V17")
		p.SendBytes(v["V18"])
	}
	synctest.Test(t, func(t *testing.T) {
		conn := dialScript(t, peer)
		defer func() { _ = conn.Close() }()
		resp, err := conn.UpdateThingShadow(t.Context(), model.UpdateThingShadowRequest{
			ThingName: "MyThing", ShadowName: "gpio", Payload: []byte(`{"state":{"reported":{"led":true}}}`),
		})
		if err != nil || string(resp.Payload) != `{"version":1}` {
			t.Errorf("UpdateThingShadow: %q, %v", resp.Payload, err)
		}
		s := subscribe(t, conn, "my/topic")
		if got := next(t, s); got != "hello" {
			t.Errorf("binary event %q, want hello", got)
		}
		if got := next(t, s); got != `{"led":true}` {
			t.Errorf("JSON event %q, want an object", got)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		<-conn.Done()
		var protocol *ipc.ProtocolError
		if err := conn.Err(); !errors.As(err, &protocol) || !strings.Contains(protocol.Reason, "an invalid value for message-type field was received.") {
			t.Errorf("connection ended with %v, want the peer's words", err)
		}
	})
}

func TestDialFailures(t *testing.T) {
	v := golden(t)
	send := func(name string) ipctest.Script {
		return func(p *ipctest.Peer) {
			p.Connect()
			p.SendBytes(v[name])
		}
	}
	for _, test := range []struct {
		name   string
		script ipctest.Script
		want   error
		text   string
	}{
		{"refused", func(p *ipctest.Peer) { p.Refuse() }, ipc.ErrRefused, "ipc: handshake: token refused"},
		{"closed before CONNECT", func(p *ipctest.Peer) {}, ipc.ErrClosedBeforeAck, "closed before"},
		{"closed before ack", func(p *ipctest.Peer) { p.Connect() }, ipc.ErrClosedBeforeAck, "closed before"},
		{"closed within ack", func(p *ipctest.Peer) { p.Connect(); p.SendBytes(v["V3"][:20]) }, ipc.ErrClosedBeforeAck, "closed before"},
		{"protocol error", send("V18"), nil, "nucleus says PROTOCOL_ERROR: an invalid value"},
		{"ping", send("V16"), nil, "PING instead of"},
		{"response", send("V7"), nil, "stream 1: message before"},
		{"empty frame", send("V1"), nil, "header :message-type: missing"},
		{"not the protocol", func(p *ipctest.Peer) { p.Connect(); p.SendBytes([]byte("HTTP/1.1 400 Bad Request\r\n")) }, nil, "prelude checksum"},
		{"nobody there", nil, syscall.ECONNREFUSED, "ipc: connect: "},
		{"hanging", func(p *ipctest.Peer) { p.Connect(); hangUntilClosed(p) }, context.DeadlineExceeded, "ipc: handshake: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, err := ipc.Dial(t.Context(), ipc.Config{Token: ipctest.Token, Dial: ipctest.Dialer(t, test.script)})
				if err == nil {
					_ = conn.Close()
					t.Fatal("connected")
				}
				if test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
					t.Errorf("got %q, want %v with %q", err, test.want, test.text)
				}
				if test.want != ipc.ErrRefused && errors.Is(err, ipc.ErrRefused) {
					t.Errorf("%q counts as refused", err)
				}
			})
		})
	}
}

func TestDialCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("changed my mind")
		time.AfterFunc(time.Second, func() { cancel(cause) })
		_, err := ipc.Dial(ctx, ipc.Config{Token: ipctest.Token, Dial: ipctest.Dialer(t, func(p *ipctest.Peer) {
			p.Connect()
			hangUntilClosed(p)
		})})
		if !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
			t.Errorf("got %v, want the cancellation and its cause", err)
		}
	})
}

// TestDialContextIsForDialing proves that the end of Dial's context is no end of
// the connection.
func TestDialContextIsForDialing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		conn, err := ipc.Dial(ctx, ipc.Config{Token: ipctest.Token, Dial: ipctest.Dialer(t, func(p *ipctest.Peer) {
			p.Accept()
			r := p.Expect(model.GetThingShadow)
			p.Send(ipctest.Response(r.ID, model.GetThingShadow, `{}`))
			hangUntilClosed(p)
		})})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		cancel()
		time.Sleep(time.Hour) // simulated: no deadline of the handshake is left
		if _, err := conn.GetThingShadow(t.Context(), getShadow); err != nil {
			t.Error(err)
		}
	})
}

func TestCalls(t *testing.T) {
	for _, form := range []struct {
		name     string
		response func(int32, model.Operation, string) *eventstream.Message
	}{
		{"classic", ipctest.Response},
		{"lite", ipctest.LiteResponse},
	} {
		t.Run(form.name, func(t *testing.T) {
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
					return fmt.Sprint(r.Results, time.Time(r.Timestamp).UnixMilli(), r.NextToken == ""), err
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
					m := form.response(r.ID, step.op, step.response)
					p.Send(m)
					if m.Flags == 0 {
						p.ExpectTerminate(r.ID)
					}
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
		})
	}
}

func TestServiceErrors(t *testing.T) {
	v := golden(t)
	op := model.GetThingShadow
	fail := func(model, contentType, payload string) *eventstream.Message {
		return &eventstream.Message{
			Type: eventstream.ApplicationError, Flags: eventstream.TerminateStream, StreamID: 1,
			ContentType: contentType, ModelType: model, Payload: []byte(payload),
		}
	}
	decode := func(name string) *eventstream.Message {
		m, err := eventstream.NewReader(bytes.NewReader(v[name]), 0).Read()
		if err != nil {
			t.Fatal(err)
		}
		m.StreamID = 1
		return m
	}
	const json, text = eventstream.ContentJSON, eventstream.ContentText
	for _, test := range []struct {
		name string
		m    *eventstream.Message
		want ipc.ServiceError
		says string
	}{
		{"V8 classic", decode("V8"), ipc.ServiceError{Code: model.Conflict, Message: "Version conflict"},
			"GetThingShadow: ConflictError: Version conflict"},
		{"V9 lite", decode("V9"), ipc.ServiceError{Code: model.Unauthorized, Message: "IPC Operation not authorized."},
			"GetThingShadow: UnauthorizedError: IPC Operation not authorized."},
		{"V10 text", decode("V10"), ipc.ServiceError{Code: ipc.CodeUnknown, Message: "InternalServerError"},
			"GetThingShadow: Unknown: InternalServerError"},
		{"unknown operation, classic", fail("", json, `{ "error": "Unsupported Operation", "message": "aws.greengrass#X is an unsupported operation." }`),
			ipc.ServiceError{Code: "Unsupported Operation", Message: "aws.greengrass#X is an unsupported operation."},
			"GetThingShadow: Unsupported Operation: aws.greengrass#X is an unsupported operation."},
		{"unknown operation, lite", fail("aws.greengrass#ServiceError", json, `{"_message":"","_errorCode":"ServiceError"}`),
			ipc.ServiceError{Code: model.ServiceFailure}, "GetThingShadow: ServiceError"},
		{"resource", fail("aws.greengrass#ResourceNotFoundError", json,
			`{"message":"No shadow found","resourceType":"shadow","resourceName":"r","_service":"aws.greengrass#GreengrassCoreIPC","_message":"No shadow found","_errorCode":"ResourceNotFoundError"}`),
			ipc.ServiceError{Code: model.ResourceNotFound, Message: "No shadow found", ResourceType: "shadow", ResourceName: "r"},
			"GetThingShadow: ResourceNotFoundError: No shadow found"},
		{"context", fail("aws.greengrass#ServiceError", json, `{"context":{"reasonCode":135},"_message":"m","_errorCode":"ServiceError"}`),
			ipc.ServiceError{Code: model.ServiceFailure, Message: "m", Context: []byte(`{"reasonCode":135}`)}, "GetThingShadow: ServiceError: m"},
		{"two texts", fail("aws.greengrass#ServiceError", json, `{"_message":"lite","message":"classic","_errorCode":"ServiceError"}`),
			ipc.ServiceError{Code: model.ServiceFailure, Message: "classic"}, "GetThingShadow: ServiceError: classic"},
		{"code from the model type", fail("aws.greengrass#ConflictError", json, `{}`), ipc.ServiceError{Code: model.Conflict}, "GetThingShadow: ConflictError"},
		{"code with namespace", fail("", json, `{"_errorCode":"aws#AccessDenied"}`), ipc.ServiceError{Code: "AccessDenied"}, "GetThingShadow: AccessDenied"},
		{"members of wrong types", fail("aws.greengrass#ServiceError", json, `{"message":1,"_message":"m","_errorCode":null}`),
			ipc.ServiceError{Code: model.ServiceFailure, Message: "m"}, "GetThingShadow: ServiceError: m"},
		{"an array", fail("aws.greengrass#ServiceError", json, `[1]`), ipc.ServiceError{Code: model.ServiceFailure, Message: "[1]"}, "GetThingShadow: ServiceError: [1]"},
		{"not JSON, and says so", fail("", text, `{"_errorCode":"X"}`), ipc.ServiceError{Code: ipc.CodeUnknown, Message: `{"_errorCode":"X"}`}, `GetThingShadow: Unknown: {"_errorCode":"X"}`},
		{"not JSON", fail("", json, `oops;`), ipc.ServiceError{Code: ipc.CodeUnknown, Message: "oops;"}, "GetThingShadow: Unknown: oops;"},
		{"content type in other form", fail("", "Application/JSON; charset=utf-8", `{"_errorCode":"X"}`), ipc.ServiceError{Code: "X"}, "GetThingShadow: X"},
		{"empty", fail("", "", ``), ipc.ServiceError{Code: ipc.CodeUnknown}, "GetThingShadow: Unknown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			conversation(t, func(p *ipctest.Peer) {
				p.Expect(op)
				p.Send(test.m)
				hangUntilClosed(p)
			}, func(t *testing.T, conn *ipc.Conn) {
				_, err := conn.GetThingShadow(t.Context(), getShadow)
				var got *ipc.ServiceError
				if !errors.As(err, &got) {
					t.Fatalf("got %v, want a service error", err)
				}
				test.want.Op = op.Name
				if fmt.Sprintf("%+v", *got) != fmt.Sprintf("%+v", test.want) || err.Error() != test.says {
					t.Errorf("got %+v %q, want %+v %q", *got, err, test.want, test.says)
				}
				if errors.Is(err, ipc.ErrNotSent) || errors.Is(err, ipc.ErrOutcomeUnknown) {
					t.Errorf("a refusal counts as %v", err)
				}
			})
		})
	}
}

// TestErrorWithoutTerminate: the stream is over by an error, and the client says
// so when the peer did not.
func TestErrorWithoutTerminate(t *testing.T) {
	conversation(t, func(p *ipctest.Peer) {
		r := p.Expect(model.GetThingShadow)
		m := ipctest.Failure(r.ID, model.ServiceFailure, "")
		m.Flags = 0
		p.Send(m)
		p.ExpectTerminate(r.ID)
		hangUntilClosed(p)
	}, func(t *testing.T, conn *ipc.Conn) {
		var refused *ipc.ServiceError
		if _, err := conn.GetThingShadow(t.Context(), getShadow); !errors.As(err, &refused) {
			t.Errorf("got %v, want a service error", err)
		}
		synctest.Wait()
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

func TestNotSent(t *testing.T) {
	conversation(t, hangUntilClosed, func(t *testing.T, conn *ipc.Conn) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := conn.GetThingShadow(ctx, getShadow); !errors.Is(err, ipc.ErrNotSent) || !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: got %v, want not sent", err)
		}
		bad := model.PublishToTopicRequest{PublishMessage: model.PublishMessage{JSONMessage: &model.JSONMessage{Message: []byte("{")}}}
		if _, err := conn.PublishToTopic(t.Context(), bad); !errors.Is(err, ipc.ErrNotSent) {
			t.Errorf("no JSON: got %v, want not sent", err)
		}
		if err := conn.Err(); err != nil {
			t.Errorf("the connection ended: %v", err)
		}
	})
}

// TestIDsAfterNotSent: what was not sent used no id, for a gap ends the connection.
func TestIDsAfterNotSent(t *testing.T) {
	conversation(t, func(p *ipctest.Peer) {
		r := p.Expect(model.GetThingShadow)
		p.Send(ipctest.Response(r.ID, model.GetThingShadow, `{}`))
		hangUntilClosed(p)
	}, func(t *testing.T, conn *ipc.Conn) {
		large := model.UpdateThingShadowRequest{Payload: make([]byte, eventstream.MaxMessage*3/4)}
		var frame *eventstream.FrameError
		if _, err := conn.UpdateThingShadow(t.Context(), large); !errors.Is(err, ipc.ErrNotSent) || !errors.As(err, &frame) {
			t.Errorf("got %v, want not sent: too large", err)
		}
		if _, err := conn.GetThingShadow(t.Context(), getShadow); err != nil {
			t.Error(err)
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
		{"context is later", time.Second, time.Minute, time.Second, false},
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

func isA[E error](err error) bool {
	var e E
	return errors.As(err, &e)
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

// TestPeerBreaches: what ends the connection, and with which words.
func TestPeerBreaches(t *testing.T) {
	v := golden(t)
	frame := func(m eventstream.Message) []byte {
		b, err := eventstream.Encode(&m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, test := range []struct {
		name  string
		bytes []byte
		text  string
	}{
		{"never opened", frame(eventstream.Message{StreamID: 2}), "stream 2: message for a stream that was never opened"},
		{"negative id", frame(eventstream.Message{StreamID: -1}), "stream -1: message for a stream that was never opened"},
		{"protocol error", v["V18"], "nucleus says PROTOCOL_ERROR"},
		{"protocol error that is no JSON", frame(eventstream.Message{Type: eventstream.ProtocolError, Payload: []byte(`{ "message": "x" ;}`)}),
			`nucleus says PROTOCOL_ERROR: { "message": "x" ;}`},
		{"internal error", frame(eventstream.Message{Type: eventstream.InternalError, Payload: []byte(`{"message":"oops"}`)}), "INTERNAL_ERROR: oops"},
		{"missing headers", v["V1"], "header :message-type: missing"},
		{"garbage", bytes.Repeat([]byte("x"), 64), "prelude checksum"},
		{"checksum", append(bytes.Clone(v["V16"][:70]), 0), "message checksum"},
	} {
		t.Run(test.name, func(t *testing.T) {
			conversation(t, func(p *ipctest.Peer) {
				p.Expect(model.GetThingShadow)
				p.SendBytes(test.bytes)
				p.ExpectClosed()
			}, func(t *testing.T, conn *ipc.Conn) {
				_, err := conn.GetThingShadow(t.Context(), getShadow)
				if !errors.Is(err, ipc.ErrOutcomeUnknown) || !errors.Is(err, ipc.ErrDisconnected) || !strings.Contains(err.Error(), test.text) {
					t.Errorf("got %v, want outcome unknown with %q", err, test.text)
				}
				if cause := conn.Err(); !errors.Is(err, cause) {
					t.Errorf("the connection says %v", cause)
				}
			})
		})
	}
}

// TestBreachOnStream: a message that does not belong on a stream ends that stream.
func TestBreachOnStream(t *testing.T) {
	conversation(t, func(p *ipctest.Peer) {
		r := p.Expect(model.GetThingShadow)
		p.Send(&eventstream.Message{Type: eventstream.Ping, StreamID: r.ID})
		p.ExpectTerminate(r.ID)
		hangUntilClosed(p)
	}, func(t *testing.T, conn *ipc.Conn) {
		_, err := conn.GetThingShadow(t.Context(), getShadow)
		if !isA[*ipc.ProtocolError](err) || !errors.Is(err, ipc.ErrOutcomeUnknown) {
			t.Errorf("got %v, want a protocol error", err)
		}
		synctest.Wait()
	})
}

func TestMessageLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, err := ipc.Dial(t.Context(), ipc.Config{
			Token: ipctest.Token, MessageLimit: eventstream.MaxLiteMessage,
			Dial: ipctest.Dialer(t, func(p *ipctest.Peer) {
				p.Accept()
				r := p.Request()
				frame, err := eventstream.Encode(ipctest.Response(r.ID, model.GetThingShadow, strings.Repeat(" ", 10000)))
				if err != nil {
					t.Error(err)
				}
				p.SendBytes(frame[:100])
				p.ExpectClosed()
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		var frame *eventstream.FrameError
		if _, err := conn.GetThingShadow(t.Context(), getShadow); !errors.As(err, &frame) {
			t.Errorf("got %v, want a frame error", err)
		}
	})
}

func TestConnectionMessages(t *testing.T) {
	conversation(t, func(p *ipctest.Peer) {
		for _, ignored := range []eventstream.Message{
			{Type: eventstream.PingResponse},
			{Type: eventstream.ConnectAck, Flags: eventstream.ConnectionAccepted},
			{Type: eventstream.ApplicationMessage, Payload: []byte("{}")},
			{Type: 99},
		} {
			p.Send(&ignored)
		}
		p.Send(&eventstream.Message{Type: eventstream.Ping, Payload: []byte("echo")})
		if m := p.Read(); m.Type != eventstream.PingResponse || m.Flags != 0 || m.StreamID != 0 || string(m.Payload) != "echo" {
			t.Errorf("got %v %q, want the ping's answer", m, m.Payload)
		}
		hangUntilClosed(p)
	}, func(t *testing.T, conn *ipc.Conn) {
		synctest.Wait()
		if err := conn.Err(); err != nil {
			t.Errorf("the connection ended: %v", err)
		}
	})
}

// TestPingFlood: a peer that sends pings and reads nothing does not fill our memory,
// and does not stop the reader.
func TestPingFlood(t *testing.T) {
	conversation(t, func(p *ipctest.Peer) {
		for range 1000 {
			p.Send(&eventstream.Message{Type: eventstream.Ping})
		}
		answers := 0
		for m := p.Read(); !m.Flags.Has(eventstream.TerminateStream); m = p.Read() {
			if m.Type == eventstream.PingResponse {
				answers++
			}
		}
		if answers == 0 || answers > 20 {
			t.Errorf("%d answers, want a few", answers)
		}
		hangUntilClosed(p)
	}, func(t *testing.T, conn *ipc.Conn) {
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := conn.GetThingShadow(ctx, getShadow)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", err)
		}
		synctest.Wait()
	})
}

// TestStalledPeer: a peer that does not read. The caller that writes is bound by the
// frame's deadline, the one behind it by its own, and nobody leaves half a frame.
func TestStalledPeer(t *testing.T) {
	conversation(t, func(p *ipctest.Peer) {
		p.ReadBytes(10)
		time.Sleep(time.Hour)
	}, func(t *testing.T, conn *ipc.Conn) {
		start := time.Now()
		var callers sync.WaitGroup
		defer callers.Wait()
		callers.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := conn.GetThingShadow(ctx, getShadow)
			if !errors.Is(err, ipc.ErrNotSent) || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 5*time.Second {
				t.Errorf("the writer got %v after %v, want not sent after 5s", err, time.Since(start))
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := conn.GetThingShadow(ctx, getShadow)
		if !errors.Is(err, ipc.ErrNotSent) || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("the one behind got %v after %v, want not sent after 1s", err, time.Since(start))
		}
		<-conn.Done()
		if err := conn.Err(); !errors.Is(err, ipc.ErrDisconnected) || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the connection ended with %v", err)
		}
	})
}

func TestClose(t *testing.T) {
	conversation(t, func(p *ipctest.Peer) {
		r := p.Expect(model.SubscribeToTopic)
		p.Send(ipctest.Response(r.ID, model.SubscribeToTopic, `{}`))
		p.Expect(model.GetThingShadow)
		p.ExpectClosed()
	}, func(t *testing.T, conn *ipc.Conn) {
		s := subscribe(t, conn, "t")
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := conn.GetThingShadow(t.Context(), getShadow); !errors.Is(err, ipc.ErrOutcomeUnknown) || !errors.Is(err, ipc.ErrClosed) {
				t.Errorf("the waiting call got %v, want outcome unknown by closing", err)
			}
		})
		synctest.Wait()
		if err := conn.Err(); err != nil {
			t.Errorf("an open connection says %v", err)
		}
		for range 3 {
			all.Go(func() {
				if err := conn.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
		}
		all.Wait()
		<-conn.Done()
		if err := conn.Err(); err != ipc.ErrClosed {
			t.Errorf("cause %v, want closed", err)
		}
		if err := ended(t, s); err != ipc.ErrClosed {
			t.Errorf("stream ended with %v, want closed", err)
		}
		if _, err := conn.GetThingShadow(t.Context(), getShadow); !errors.Is(err, ipc.ErrNotSent) || !errors.Is(err, ipc.ErrClosed) {
			t.Errorf("a call afterwards got %v, want not sent", err)
		}
		_ = s.Close()
	})
}

// TestConcurrentCalls runs over a real socket: the Peer proves that ids grow by one
// in the order on the wire; each caller proves that it got its own answer, and a
// part of the calls is canceled at any moment.
func TestConcurrentCalls(t *testing.T) {
	const callers, each = 1000, 5
	l := ipctest.Listen(t)
	var peer sync.WaitGroup
	peer.Go(func() {
		p := l.Accept()
		p.Accept()
		echo(p)
	})
	conn, err := ipc.Dial(t.Context(), ipc.Config{Socket: l.Path, Token: ipctest.Token})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for j := range each {
				name := fmt.Sprintf("%d-%d", i, j)
				ctx, cancel := context.WithCancel(t.Context())
				if j%5 == 4 {
					go cancel()
				}
				r, err := conn.GetThingShadow(ctx, model.GetThingShadowRequest{ThingName: name})
				cancel()
				if j%5 == 4 && errors.Is(err, context.Canceled) {
					continue
				}
				if err != nil || string(r.Payload) != name {
					t.Errorf("call %s: %q, %v", name, r.Payload, err)
					return
				}
			}
		})
	}
	all.Wait()
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	peer.Wait()
	if err := conn.Err(); err != ipc.ErrClosed {
		t.Errorf("the connection ended with %v", err)
	}
}

// echo answers each request with the name of its thing, until the client leaves.
func echo(p *ipctest.Peer) {
	for {
		m, ok := p.Next()
		if !ok {
			return
		}
		if m.Flags.Has(eventstream.TerminateStream) {
			continue
		}
		r := p.Check(m)
		var request model.GetThingShadowRequest
		if json.Unmarshal(r.Payload, &request) != nil {
			return
		}
		answer, err := json.Marshal(model.GetThingShadowResponse{Payload: []byte(request.ThingName)})
		if err != nil {
			return
		}
		if !p.TrySend(ipctest.Response(r.ID, model.GetThingShadow, string(answer))) {
			return
		}
	}
}

func TestDialSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "ipc")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := dir + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, path string
		want       error
		text       string
	}{
		{"missing", dir + "/none", syscall.ENOENT, dir + "/none"},
		{"no socket", file, syscall.ECONNREFUSED, file},
		{"no path", "", nil, "no socket path"},
		{"name too long", "/" + strings.Repeat("x", 120), nil, "107"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ipc.Dial(t.Context(), ipc.Config{Socket: test.path, Token: "x"})
			if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v, want %v with %q", err, test.want, test.text)
			}
		})
	}
}
