package ipc_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/ipctest"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

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

// TestHostileFrames sends every fault of a frame that there is a vector for, before
// and after the handshake: the connection ends with the name of the fault.
func TestHostileFrames(t *testing.T) {
	faults := 0
	for _, v := range ipctest.Vectors(t, "eventstream/testdata/vectors.json") {
		kind, reason, _ := strings.Cut(v.Error, " ")
		if kind != "frame" && kind != "header" {
			continue
		}
		faults++
		named := func(err error) bool {
			return strings.Contains(err.Error(), reason) &&
				(kind == "frame" && isA[*eventstream.FrameError](err) || kind == "header" && isA[*eventstream.HeaderError](err))
		}
		t.Run(v.Name, func(t *testing.T) {
			conversation(t, func(p *ipctest.Peer) {
				p.Expect(model.GetThingShadow)
				p.TrySendBytes(v.Bytes)
			}, func(t *testing.T, conn *ipc.Conn) {
				_, err := conn.GetThingShadow(t.Context(), getShadow)
				if !errors.Is(err, ipc.ErrOutcomeUnknown) || !errors.Is(err, ipc.ErrDisconnected) || !named(err) || !named(conn.Err()) {
					t.Errorf("got %v and %v, want %s", err, conn.Err(), v.Error)
				}
			})
			synctest.Test(t, func(t *testing.T) {
				_, err := ipc.Dial(t.Context(), ipc.Config{Token: ipctest.Token, Dial: ipctest.Dialer(t, func(p *ipctest.Peer) {
					p.Connect()
					p.TrySendBytes(v.Bytes)
				})})
				if err == nil || !named(err) {
					t.Errorf("handshake: got %v, want %s", err, v.Error)
				}
			})
		})
	}
	if faults < 25 {
		t.Errorf("%d faults, want at least 25", faults)
	}
}

// TestNeverEndingFrame: a frame that comes byte by byte has its time as a whole.
// Afterwards nothing is in a hurry.
func TestNeverEndingFrame(t *testing.T) {
	frame, err := eventstream.Encode(ipctest.Response(1, model.GetThingShadow, `{"payload":"`+strings.Repeat("YWJj", 250)+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		each time.Duration // between two bytes
		ends bool
	}{
		{"in time", 20 * time.Millisecond, false},
		{"too late", 40 * time.Millisecond, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			conversation(t, func(p *ipctest.Peer) {
				p.Request()
				for i := range frame {
					if !p.TrySendBytes(frame[i : i+1]) {
						return
					}
					time.Sleep(test.each)
				}
				for ok := true; ok; _, ok = p.Next() {
				}
			}, func(t *testing.T, conn *ipc.Conn) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				start := time.Now()
				_, err := conn.GetThingShadow(ctx, getShadow)
				if !test.ends {
					if time.Sleep(time.Hour); err != nil || conn.Err() != nil {
						t.Errorf("got %v, and the connection %v", err, conn.Err())
					}
					return
				}
				if took := time.Since(start); !isA[*eventstream.FrameError](err) || !errors.Is(err, os.ErrDeadlineExceeded) || took != 30*time.Second {
					t.Errorf("got %v after %v, want a frame error after 30s", err, took)
				}
			})
		})
	}
}

// TestInterleaved: answers in another order than the requests, with events of two
// subscriptions in between, in pieces of all sizes.
func TestInterleaved(t *testing.T) {
	const calls = 20
	conversation(t, func(p *ipctest.Peer) {
		subs := []int32{confirm(p), confirm(p)}
		var ids []int32
		for range calls {
			ids = append(ids, p.Expect(model.GetThingShadow).ID)
		}
		var all []byte
		add := func(m *eventstream.Message) {
			frame, err := eventstream.Encode(m)
			if err != nil {
				t.Error(err)
			}
			all = append(all, frame...)
		}
		for i, id := range slices.Backward(ids) {
			add(ipctest.TopicEvent(subs[i%2], "t", fmt.Sprint(i)))
			add(ipctest.Response(id, model.GetThingShadow, fmt.Sprintf(`{"payload":%q}`, base64.StdEncoding.EncodeToString(fmt.Append(nil, id)))))
		}
		for n := 1; len(all) > 0; n = n%97 + 1 {
			n = min(n, len(all))
			p.SendBytes(all[:n])
			all = all[n:]
		}
		hangUntilClosed(p)
	}, func(t *testing.T, conn *ipc.Conn) {
		streams := []*ipc.Stream[model.SubscriptionResponseMessage]{subscribe(t, conn, "even"), subscribe(t, conn, "odd")}
		var all sync.WaitGroup
		for i := range calls {
			all.Go(func() {
				r, err := conn.GetThingShadow(t.Context(), getShadow)
				if want := fmt.Sprint(i + 3); err != nil || string(r.Payload) != want {
					t.Errorf("got %q, %v, want the answer to stream %s", r.Payload, err, want)
				}
			})
			synctest.Wait() // the next one is written after this one
		}
		all.Wait()
		for i := calls - 1; i >= 0; i-- {
			if got := next(t, streams[i%2]); got != fmt.Sprint(i) {
				t.Errorf("got event %s, want %d", got, i)
			}
		}
	})
}

// dialLimited runs a conversation with limits of the client.
func dialLimited(t *testing.T, limits ipc.Config, script ipctest.Script, test func(*testing.T, *ipc.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		limits.Token = ipctest.Token
		limits.Dial = ipctest.Dialer(t, func(p *ipctest.Peer) { p.Accept(); script(p) })
		conn, err := ipc.Dial(t.Context(), limits)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		test(t, conn)
	})
}

// TestPayloadLimit: a message above the limit costs the call or the stream that it is
// for, and neither the connection nor the other streams.
func TestPayloadLimit(t *testing.T) {
	long := strings.Repeat("x", 10000)
	dialLimited(t, ipc.Config{PayloadLimit: eventstream.MaxLiteMessage}, func(p *ipctest.Peer) {
		flooded := p.Expect(model.SubscribeToTopic)
		p.Send(ipctest.Response(flooded.ID, model.SubscribeToTopic, "{}"))
		quiet := p.Expect(model.SubscribeToTopic)
		p.Send(ipctest.Response(quiet.ID, model.SubscribeToTopic, "{}"))
		p.Send(ipctest.TopicEvent(flooded.ID, "t", "before"))
		p.Send(ipctest.TopicEvent(flooded.ID, "t", long))
		p.ExpectTerminate(flooded.ID)
		p.Send(ipctest.TopicEvent(flooded.ID, "t", long)) // on its way meanwhile
		p.Send(&eventstream.Message{Type: eventstream.PingResponse, Payload: []byte(long)})
		p.Send(ipctest.TopicEvent(quiet.ID, "t", "after"))
		get := p.Expect(model.GetThingShadow)
		p.Send(ipctest.Response(get.ID, model.GetThingShadow, `{"payload":"`+long+`"}`))
		get = p.Expect(model.GetThingShadow)
		p.Send(ipctest.Response(get.ID, model.GetThingShadow, `{"payload":"QQ=="}`))
		hangUntilClosed(p)
	}, func(t *testing.T, conn *ipc.Conn) {
		flooded, quiet := subscribe(t, conn, "flooded"), subscribe(t, conn, "quiet")
		if got := next(t, flooded); got != "before" {
			t.Errorf("got %q, want what came before", got)
		}
		if err := ended(t, flooded); !errors.Is(err, ipc.ErrMessageTooLarge) {
			t.Errorf("the stream ended with %v", err)
		}
		if got := next(t, quiet); got != "after" || quiet.Err() != nil {
			t.Errorf("the other stream got %q, %v", got, quiet.Err())
		}
		_, err := conn.GetThingShadow(t.Context(), getShadow)
		if !errors.Is(err, ipc.ErrMessageTooLarge) || !errors.Is(err, ipc.ErrOutcomeUnknown) {
			t.Errorf("the call failed with %v", err)
		}
		if r, err := conn.GetThingShadow(t.Context(), getShadow); err != nil || string(r.Payload) != "A" {
			t.Errorf("the next call got %q, %v", r.Payload, err)
		}
	})
}

// TestInboxLimit: waiting events are bounded in bytes, taken ones do not count, and one
// event is always taken.
func TestInboxLimit(t *testing.T) {
	half, whole := strings.Repeat("h", 600), strings.Repeat("w", 2000)
	dialLimited(t, ipc.Config{InboxLimit: 1500}, func(p *ipctest.Peer) {
		r := p.Expect(model.SubscribeToTopic)
		p.Send(ipctest.Response(r.ID, model.SubscribeToTopic, "{}"))
		p.Send(ipctest.TopicEvent(r.ID, "t", whole))
		for range 5 {
			p.Expect(model.GetThingShadow) // the event before was taken
			p.Send(ipctest.TopicEvent(r.ID, "t", half))
		}
		p.Send(ipctest.TopicEvent(r.ID, "t", half))
		p.ExpectTerminate(r.ID)
		hangUntilClosed(p)
	}, func(t *testing.T, conn *ipc.Conn) {
		s := subscribe(t, conn, "t")
		if got := next(t, s); got != whole {
			t.Errorf("got %d bytes, want the first event", len(got))
		}
		for i := range 5 {
			if i > 0 {
				if got := next(t, s); got != half {
					t.Errorf("got %q", got)
				}
			}
			go conn.GetThingShadow(t.Context(), getShadow)
		}
		if got := next(t, s); got != half {
			t.Errorf("got %q, want the event before the overflow", got)
		}
		if err := ended(t, s); !errors.Is(err, ipc.ErrOverflow) {
			t.Errorf("the stream ended with %v", err)
		}
	})
}
