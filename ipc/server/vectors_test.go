package server_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/ipctest"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
	"github.com/shadowgpio/shadowgpio/ipc/server/servertest"
)

// startGolden serves what the documented conversations are about.
func startGolden(t *testing.T, update error) string {
	t.Helper()
	f := newFixture(server.Config{})
	type payload struct {
		Payload []byte `json:"payload"`
	}
	server.Handle(f.Server, model.UpdateThingShadow, func(_ *server.Call, _ *model.UpdateThingShadowRequest) (payload, error) {
		return payload{[]byte(`{"version":1}`)}, update
	})
	server.HandleStream(f.Server, model.SubscribeToTopic, func(_ *server.Call, s *server.Stream, _ *model.SubscribeToTopicRequest) (struct{}, error) {
		topic := &model.MessageContext{Topic: "my/topic"}
		s.Send(model.SubscriptionResponseMessage{BinaryMessage: &model.BinaryMessage{Message: []byte("hello"), Context: topic}})
		s.Send(model.SubscriptionResponseMessage{JSONMessage: &model.JSONMessage{Message: []byte(`{"led":true}`), Context: topic}})
		return struct{}{}, nil
	})
	return f.start(t)
}

// TestGoldenConversations holds every byte of the server against the documented
// ones, and has it read those that AWS's clients send.
func TestGoldenConversations(t *testing.T) {
	bytesOf := make(map[string][]byte)
	for name, v := range ipctest.Vectors(t, "../eventstream/testdata/vectors.json") {
		bytesOf[name] = v.Bytes
	}
	for name, m := range map[string]eventstream.Message{
		"wrong token": {Type: eventstream.Connect, Version: "0.1.0", Payload: []byte(`{"authToken":"wrong"}`)},
		"unreadable":  {StreamID: 3, Operation: model.UpdateThingShadow.ID(), Payload: []byte("{")},
		"type 99":     {Type: 99},
	} {
		var err error
		if bytesOf[name], err = eventstream.Encode(&m); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name   string
		update error
		steps  [][]string // what is sent, and what is answered
		closes bool
	}{
		{"whole", nil, [][]string{{"V2", "V3"}, {"V5", "V7"}, {"V11", "V12", "V13", "V14"}, {"V15"}, {"V16", "V17"}}, false},
		{"in Node's form", nil, [][]string{{"V2", "V3"}, {"V6", "V7"}}, false},
		{"refused", nil, [][]string{{"wrong token", "V4"}}, true},
		{"conflict", &server.Error{Code: model.Conflict, Message: "Version conflict"}, [][]string{{"V2", "V3"}, {"V5", "V8"}}, false},
		{"unreadable", nil, [][]string{{"V2", "V3"}, {"V5", "V7"}, {"V11", "V12", "V13", "V14"}, {"unreadable", "V10"}}, false},
		{"wrong type", nil, [][]string{{"V2", "V3"}, {"type 99", "V18"}}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := servertest.Dial(t, startGolden(t, test.update))
			for _, step := range test.steps {
				if err := c.Write(bytesOf[step[0]]); err != nil {
					t.Fatal(err)
				}
				for _, name := range step[1:] {
					want := bytesOf[name]
					got := make([]byte, len(want))
					if _, err := io.ReadFull(c.Conn, got); err != nil || !bytes.Equal(got, want) {
						t.Errorf("%s:\n got %x, %v\nwant %x", name, got, err, want)
					}
				}
			}
			if test.closes {
				c.WantClosed()
			}
		})
	}
}

// TestNeverEndingFrame: clients that begin a frame and do not end it are no trouble
// for another one.
func TestNeverEndingFrame(t *testing.T) {
	f := newFixture(server.Config{ReadTimeout: 50 * time.Millisecond})
	path := f.start(t)
	frame, err := eventstream.Encode(&eventstream.Message{StreamID: 1, Operation: opEcho.ID(), Payload: make([]byte, 1<<20)})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 11, 12, 100, len(frame) - 1} {
		if err := servertest.Dial(t, path).Login(token).Write(frame[:n]); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-f.down:
			if _, ok := errors.AsType[*eventstream.FrameError](err); !ok || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%d bytes: ended with %v, want a frame error about its time", n, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%d bytes of a message: the connection goes on", n)
		}
	}
	echoes(t, servertest.Dial(t, path).Login(token))
}
