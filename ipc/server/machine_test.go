package server

import (
	"fmt"
	"math"
	"testing"

	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
)

// TestMachine lists, for every state of a connection, every kind of message.
func TestMachine(t *testing.T) {
	// Stream 1 is over, stream 2 is open.
	states := map[string]func() *machine{
		"unconnected": newMachine,
		"connected": func() *machine {
			m := newMachine()
			m.accepted()
			m.latest, m.open = 2, map[int32]bool{2: true}
			return m
		},
		"ended": func() *machine {
			m := newMachine()
			m.phase = ended
			return m
		},
	}
	type kind struct {
		msg  eventstream.Message
		want map[string]verdict
		text string // when connected
	}
	const op = "aws.greengrass#GetThingShadow"
	terminate := eventstream.TerminateStream
	kinds := map[string]kind{
		"connect":                 {eventstream.Message{Type: eventstream.Connect}, map[string]verdict{"unconnected": connect, "connected": protocol}, textConnectFirst},
		"connect on a stream":     {eventstream.Message{Type: eventstream.Connect, StreamID: 3}, map[string]verdict{"unconnected": protocol, "connected": protocol}, textStreamID},
		"ping":                    {eventstream.Message{Type: eventstream.Ping}, map[string]verdict{"unconnected": protocol, "connected": pong}, ""},
		"ping on a stream":        {eventstream.Message{Type: eventstream.Ping, StreamID: 3}, map[string]verdict{"unconnected": protocol, "connected": protocol}, textStreamID},
		"ping response":           {eventstream.Message{Type: eventstream.PingResponse}, map[string]verdict{"unconnected": protocol, "connected": ignore}, ""},
		"connect ack":             {eventstream.Message{Type: eventstream.ConnectAck}, map[string]verdict{"unconnected": protocol, "connected": unrouted}, textUnrouted(eventstream.ConnectAck)},
		"protocol error":          {eventstream.Message{Type: eventstream.ProtocolError}, map[string]verdict{"unconnected": protocol, "connected": unrouted}, textUnrouted(eventstream.ProtocolError)},
		"internal error":          {eventstream.Message{Type: eventstream.InternalError}, map[string]verdict{"unconnected": protocol, "connected": unrouted}, textUnrouted(eventstream.InternalError)},
		"message on stream 0":     {eventstream.Message{}, map[string]verdict{"unconnected": protocol, "connected": protocol}, textMessageType},
		"error on stream 0":       {eventstream.Message{Type: eventstream.ApplicationError}, map[string]verdict{"unconnected": protocol, "connected": protocol}, textMessageType},
		"type 8 on stream 0":      {eventstream.Message{Type: 8}, map[string]verdict{"unconnected": protocol, "connected": protocol}, textMessageType},
		"type -1 on stream 0":     {eventstream.Message{Type: -1}, map[string]verdict{"unconnected": protocol, "connected": protocol}, textMessageType},
		"type 8 on a stream":      {eventstream.Message{Type: 8, StreamID: 3}, map[string]verdict{"unconnected": protocol, "connected": protocol}, textStreamID},
		"next stream":             {eventstream.Message{StreamID: 3, Operation: op}, map[string]verdict{"unconnected": protocol, "connected": call}, ""},
		"next stream as error":    {eventstream.Message{Type: eventstream.ApplicationError, StreamID: 3, Operation: op}, map[string]verdict{"unconnected": protocol, "connected": call}, ""},
		"next stream, terminated": {eventstream.Message{StreamID: 3, Operation: op, Flags: terminate}, map[string]verdict{"unconnected": protocol, "connected": abandoned}, ""},
		"no operation":            {eventstream.Message{StreamID: 3}, map[string]verdict{"unconnected": protocol, "connected": protocol}, textOperation},
		"gap":                     {eventstream.Message{StreamID: 4, Operation: op}, map[string]verdict{"unconnected": protocol, "connected": protocol}, textSkippedID},
		"gap, terminated":         {eventstream.Message{StreamID: 4, Operation: op, Flags: terminate}, map[string]verdict{"unconnected": protocol, "connected": protocol}, textSkippedID},
		"largest id":              {eventstream.Message{StreamID: math.MaxInt32, Operation: op}, map[string]verdict{"unconnected": protocol, "connected": protocol}, textSkippedID},
		"negative id":             {eventstream.Message{StreamID: -1, Operation: op}, map[string]verdict{"unconnected": protocol, "connected": protocol}, textStreamID},
		"open stream":             {eventstream.Message{StreamID: 2}, map[string]verdict{"unconnected": protocol, "connected": intrude}, ""},
		"open stream, terminated": {eventstream.Message{StreamID: 2, Flags: terminate}, map[string]verdict{"unconnected": protocol, "connected": hangUp}, ""},
		"past stream":             {eventstream.Message{StreamID: 1, Operation: op}, map[string]verdict{"unconnected": protocol, "connected": protocol}, textUsedStream},
		"past stream, terminated": {eventstream.Message{StreamID: 1, Flags: terminate}, map[string]verdict{"unconnected": protocol, "connected": ignore}, ""},
	}
	for state, start := range states {
		for name, k := range kinds {
			m := start()
			v, text := m.next(&k.msg)
			want := k.want[state] // ended ignores all
			if v != want {
				t.Errorf("%s, %s: got %v, want %v", state, name, v, want)
			}
			if state == "connected" && text != k.text {
				t.Errorf("%s, %s: got text %q, want %q", state, name, text, k.text)
			}
			if state == "unconnected" && v == protocol && text != textConnectFirst && k.msg.Type != eventstream.Connect {
				t.Errorf("%s, %s: got text %q", state, name, text)
			}
			if over := v == protocol || v == unrouted; over && m.phase != ended {
				t.Errorf("%s, %s: phase is %v after an error", state, name, m.phase)
			}
		}
	}
}

func TestMachineCountsStreams(t *testing.T) {
	m := newMachine()
	m.accepted()
	request := func(id int32, flags eventstream.Flags) verdict {
		v, _ := m.next(&eventstream.Message{StreamID: id, Operation: "op", Flags: flags})
		return v
	}
	for i, step := range []struct {
		id    int32
		flags eventstream.Flags
		want  verdict
	}{
		{1, 0, call},
		{2, eventstream.TerminateStream, abandoned},
		{2, eventstream.TerminateStream, ignore},
		{3, 0, call},
		{1, eventstream.TerminateStream, hangUp},
		{1, eventstream.TerminateStream, ignore},
		{3, 0, intrude},
		{3, eventstream.TerminateStream, ignore},
		{4, 0, call},
	} {
		if got := request(step.id, step.flags); got != step.want {
			t.Errorf("step %d: got %v, want %v", i, got, step.want)
		}
	}
	if !m.finish(4) || m.finish(4) {
		t.Error("a stream is finished once")
	}
}

// FuzzMachine checks what must hold whatever a client sends: ids go up by one,
// a stream is served once, and after an error nothing is served.
func FuzzMachine(f *testing.F) {
	f.Add([]byte{4, 0, 0, 0, 0, 1, 0, 0, 1, 0, 2, 1})
	f.Add([]byte{4, 0, 0, 0, 0, 2, 2, 0, 0, 0})
	f.Add([]byte{4, 0, 0, 2, 0, 0, 3, 0, 0, 8, 0, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		m := newMachine()
		served := map[int32]bool{}
		over := false
		for len(script) >= 3 {
			msg := &eventstream.Message{
				Type:     eventstream.MessageType(int8(script[0])),
				Flags:    eventstream.Flags(script[1] & 3),
				StreamID: int32(int8(script[2])),
			}
			if script[1]&4 == 0 {
				msg.Operation = "op"
			}
			if script[1]&8 != 0 {
				m.finish(msg.StreamID)
			}
			script = script[3:]
			before := *m
			v, text := m.next(msg)
			switch {
			case over && v != ignore:
				t.Fatalf("%v after the end", v)
			case v == connect:
				if before.phase != unconnected {
					t.Fatal("connected twice")
				}
				m.accepted()
			case v == call:
				if served[msg.StreamID] || msg.StreamID != before.latest+1 || before.phase != connected {
					t.Fatalf("served stream %d after %d", msg.StreamID, before.latest)
				}
				served[msg.StreamID] = true
			case (v == hangUp || v == intrude) && (!served[msg.StreamID] || m.open[msg.StreamID]):
				t.Fatalf("%v on stream %d", v, msg.StreamID)
			case v == protocol || v == unrouted:
				if text == "" {
					t.Fatal("error without text")
				}
				over = true
			}
			if m.latest < before.latest || len(m.open) > len(served) {
				t.Fatalf("latest %d, then %d; %d open", before.latest, m.latest, len(m.open))
			}
			_ = fmt.Sprint(v, m.phase)
		}
	})
}
