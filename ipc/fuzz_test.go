package ipc_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/ipctest"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// FuzzConn lets a nucleus say anything at any time to a client with calls and
// streams under way: well-formed messages in any order, pieces of frames, garbage,
// silence. Whatever it says, each call has one of the documented outcomes, each
// stream ends, the client keeps to the rules of the protocol, and Close leaves
// nothing behind, which is what the bubble proves.
func FuzzConn(f *testing.F) {
	for _, seed := range [][]byte{
		{0, 2, 1, 3, 0, 0, 2, 2, 0, 0, 3, 2, 0, 0, 2, 11},             // answers, an event
		{0, 0, 2, 11, 1, 2, 2, 0, 0, 2, 3, 0},                         // early event, error, bare end
		{2, 0, 0, 5, 3, 0, 0, 0, 6, 0, 0, 5},                          // ping, its answer, protocol error
		{0x40, 20, 0x80, 3, 0, 0, 0, 0x41, 0xff, 0, 0, 1, 3},          // silence, garbage
		{0x81, 0, 1, 3, 0x40, 200, 0, 2, 1, 3},                        // half a frame, silence
		{0, 2, 1, 18, 0, 0, 2, 17, 0, 2, 9, 3, 7, 1, 255, 5, 0, 0, 1}, // unreadable, never opened
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		withstand(t, func(p *ipctest.Peer) { utter(p, script) })
	})
}

// FuzzConnBytes is FuzzConn with bytes that are nothing but bytes.
func FuzzConnBytes(f *testing.F) {
	for _, frame := range golden(f) {
		f.Add(frame)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		withstand(t, func(p *ipctest.Peer) { p.TrySendBytes(data) })
	})
}

// withstand uses a connection whose far end says something after the handshake.
func withstand(t *testing.T, say func(*ipctest.Peer)) {
	synctest.Test(t, func(t *testing.T) {
		conn := dialScript(t, func(p *ipctest.Peer) {
			p.Accept()
			var listener sync.WaitGroup
			listener.Go(func() { obey(t, p) })
			say(p)
			p.Close()
			listener.Wait()
		})
		defer func() { _ = conn.Close() }()
		use(t, conn)
		if err := conn.Err(); err == nil {
			t.Error("the connection goes on without its peer")
		}
	})
}

// use has four streams under way, and returns when they and the connection are over.
func use(t *testing.T, conn *ipc.Conn) {
	var all sync.WaitGroup
	defer all.Wait()
	outcome := func(err error) {
		known := 0
		for _, is := range []bool{err == nil, errors.Is(err, ipc.ErrNotSent), errors.Is(err, ipc.ErrOutcomeUnknown), isA[*ipc.ServiceError](err)} {
			if is {
				known++
			}
		}
		if known != 1 {
			t.Errorf("%v has %d outcomes, want one", err, known)
		}
	}
	for i := range 2 {
		all.Go(func() {
			_, err := conn.GetThingShadow(t.Context(), getShadow)
			outcome(err)
		})
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			s, err := conn.SubscribeToTopic(ctx, topicT)
			if outcome(err); err != nil {
				return
			}
			if i == 0 { // a consumer that does not take its events
				<-conn.Done()
			}
			for range s.Events() {
			}
			if s.Err() == nil {
				t.Error("the stream ended without a reason")
			}
		})
	}
	<-conn.Done()
}

// obey reads what the client says, and checks that it may say so: streams begin
// with the next id, and end once.
func obey(t *testing.T, p *ipctest.Peer) {
	last, ended := int32(0), make(map[int32]bool)
	for m, ok := p.Next(); ok; m, ok = p.Next() {
		switch {
		case m.StreamID == 0 && m.Type == eventstream.PingResponse:
		case m.Operation != "" && m.StreamID == last+1:
			last++
		case m.Flags == eventstream.TerminateStream && m.StreamID > 0 && m.StreamID <= last && !ended[m.StreamID]:
			ended[m.StreamID] = true
		default:
			t.Errorf("the client says %v after stream %d", m, last)
		}
	}
}

// utter says what the script wants. A step of it is: 0x40 and seconds of silence;
// 0x80 to 0xff and a message of which a part is sent; or a message.
func utter(p *ipctest.Peer, script []byte) {
	types := []string{"", model.SubscribeToTopic.EventType(), model.SubscribeToTopic.ResponseType(), model.GetThingShadow.ResponseType(), "x"}
	payloads := []string{"", "{}", `{"binaryMessage":{"message":"aGVsbG8="}}`, `{"binaryMessage":1,"payload":1}`, "x"}
	for len(script) >= 4 {
		if script[0] == 0x40 {
			time.Sleep(time.Duration(script[1]) * time.Second)
			script = script[2:]
			continue
		}
		part, step := script[0]&0x80 != 0, script[:4]
		script = script[4:]
		frame, err := eventstream.Encode(&eventstream.Message{
			Type: eventstream.MessageType(step[0] & 0x3f), Flags: eventstream.Flags(step[1]), StreamID: int32(int8(step[2])),
			ModelType: types[int(step[3])%len(types)], Payload: []byte(payloads[int(step[3])/len(types)%len(payloads)]),
		})
		if err != nil {
			panic(err) // of nothing that is long
		}
		if part {
			frame = frame[:int(step[3])%len(frame)]
		}
		if !p.TrySendBytes(frame) {
			return
		}
	}
}
