package ipc_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/ipctest"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

func TestNotSent(t *testing.T) {
	conversation(t, hangUntilClosed, func(t *testing.T, conn *ipc.Conn) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := conn.GetThingShadow(ctx, getShadow); !errors.Is(err, ipc.ErrNotSent) || !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: got %v, want not sent", err)
		}
		publish := func(m model.PublishMessage) error {
			_, err := conn.PublishToTopic(t.Context(), model.PublishToTopicRequest{Topic: "t", PublishMessage: m})
			return err
		}
		_, noDocument := conn.UpdateThingShadow(t.Context(), model.UpdateThingShadowRequest{ThingName: "t"})
		for _, test := range []struct {
			err  error
			text string
		}{
			{publish(model.PublishMessage{JSONMessage: &model.JSONMessage{Message: []byte("{")}}), "unexpected end of JSON"},
			{publish(model.PublishMessage{JSONMessage: &model.JSONMessage{}}), "jsonMessage.message: want a JSON object, got nothing"},
			{publish(model.PublishMessage{JSONMessage: &model.JSONMessage{Message: []byte("{}")}, BinaryMessage: &model.BinaryMessage{}}), "got both"},
			{publish(model.PublishMessage{}), "got neither"},
			{noDocument, "UpdateThingShadow: not sent: payload: want a shadow document"},
		} {
			if !errors.Is(test.err, ipc.ErrNotSent) || !strings.Contains(test.err.Error(), test.text) {
				t.Errorf("got %v, want not sent, %q", test.err, test.text)
			}
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

// TestUpdateConfigurationTime: a time that was not set is that of the call, with the
// fraction that lite wants.
func TestUpdateConfigurationTime(t *testing.T) {
	conversation(t, func(p *ipctest.Peer) {
		for _, want := range []string{
			`{"timestamp":946684801.500,"valueToMerge":{"a":1}}`, // simulated time begins with 2000
			`{"timestamp":1627935591.000,"valueToMerge":{"a":1}}`,
		} {
			r := p.Expect(model.UpdateConfiguration)
			if string(r.Payload) != want {
				t.Errorf("request %s, want %s", r.Payload, want)
			}
			p.Send(ipctest.Response(r.ID, model.UpdateConfiguration, `{}`))
		}
		hangUntilClosed(p)
	}, func(t *testing.T, conn *ipc.Conn) {
		time.Sleep(1500 * time.Millisecond)
		for _, at := range []time.Time{{}, time.Unix(1627935591, 0)} {
			_, err := conn.UpdateConfiguration(t.Context(), model.UpdateConfigurationRequest{
				Timestamp: model.Timestamp{Time: at}, ValueToMerge: []byte(`{"a":1}`),
			})
			if err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
	})
}

// TestTooLargeForLite: a nucleus that drops the connection at a large request has
// perhaps executed it for all the client knows.
func TestTooLargeForLite(t *testing.T) {
	conversation(t, func(p *ipctest.Peer) {
		if m, ok := p.Next(); ok {
			p.Send(ipctest.Response(p.Check(m).ID, model.UpdateThingShadow, `{}`))
			hangUntilClosed(p)
		}
	}, func(t *testing.T, conn *ipc.Conn) {
		_, err := conn.UpdateThingShadow(t.Context(), model.UpdateThingShadowRequest{ThingName: "t", Payload: make([]byte, 10000)})
		switch {
		case strings.HasSuffix(t.Name(), ipctest.Classic.String()):
			if err != nil {
				t.Error(err)
			}
		case !errors.Is(err, ipc.ErrDisconnected):
			t.Errorf("got %v, want disconnected", err)
		}
	})
}

func TestRequestLimit(t *testing.T) {
	cfg := ipc.Config{Token: ipctest.Token, RequestLimit: eventstream.MaxLiteMessage, Dial: ipctest.Dialer(t, func(p *ipctest.Peer) {
		p.Accept()
		m := p.Read() // the first stream, although a call came before
		p.Send(ipctest.Response(m.StreamID, model.UpdateThingShadow, `{}`))
		p.ExpectClosed()
	})}
	conn, err := ipc.Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	large := model.UpdateThingShadowRequest{ThingName: "t", Payload: make([]byte, 8000)}
	if _, err := conn.UpdateThingShadow(t.Context(), large); !errors.Is(err, ipc.ErrNotSent) || !errors.Is(err, ipc.ErrTooLarge) {
		t.Errorf("got %v, want not sent because too large", err)
	}
	large.Payload = large.Payload[:7000]
	if _, err := conn.UpdateThingShadow(t.Context(), large); err != nil {
		t.Error(err)
	}
}

// TestNilPayload: null is no blob.
func TestNilPayload(t *testing.T) {
	conn := dialScript(t, func(p *ipctest.Peer) {
		p.Accept()
		for range 2 {
			m := p.Read()
			if strings.Contains(string(m.Payload), "null") || !strings.Contains(string(m.Payload), `""`) {
				t.Errorf("request %s, want an empty blob", m.Payload)
			}
			op := model.Operation{Name: strings.TrimPrefix(m.Operation, model.Namespace)}
			p.Send(ipctest.Response(m.StreamID, op, `{}`))
		}
		p.ExpectClosed()
	})
	_, err := conn.PublishToIoTCore(t.Context(), model.PublishToIoTCoreRequest{TopicName: "t", QOS: model.AtMostOnce})
	_, err2 := conn.PublishToTopic(t.Context(), model.PublishToTopicRequest{Topic: "t", PublishMessage: model.PublishMessage{BinaryMessage: &model.BinaryMessage{}}})
	if err := errors.Join(err, err2); err != nil {
		t.Error(err)
	}
}
