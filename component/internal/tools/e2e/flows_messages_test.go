package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// TestFlowMessages plays the message flows of the document one after the other, with
// what is stored and what is published.
func TestFlowMessages(t *testing.T) {
	r := newRig(t, `
lines:
  lamp:   {line: LAMP, direction: output}
  door:   {line: DOOR, direction: input}
  button: {line: 5, chip: board, direction: input}
shadows:
  main: {properties: {lights: {line: lamp, values: {"on": on, "off": off}}, doors: {line: door, values: {locked: on, unlocked: off}}}}
controls:
  wall: {input: button, output: lamp, action: toggle, edge: rising}
`)
	r.simulate()
	r.serve()
	heard := r.listen()
	r.start()

	e := r.reported("", `{"lights":"off","doors":"unlocked"}`)
	t.Run("first contact", func(t *testing.T) {
		if got := section(t, e, "desired"); e.Version != 1 || got != nil || e.Delta != nil {
			t.Errorf("version %d, desired %v, delta %s; want 1 and reported only", e.Version, got, e.Delta)
		}
		heard.hears(t, e.Version, "accepted", "documents")
	})

	v := r.desire("", `{"lights":"on"}`)
	t.Run("application wants a change", func(t *testing.T) {
		heard.hears(t, v, "accepted", "delta", "documents")
	})

	e = r.answered("", v, fmt.Sprintf(`{"lights":"on","ack":{"lights":{"code":200,"version":%d}}}`, v))
	t.Run("device obeys", func(t *testing.T) {
		if got := section(t, e, "desired")["lights"]; e.Delta != nil || got != "on" {
			t.Errorf("delta %s, desired %v; want both sections on", e.Delta, got)
		}
		if !r.level(lampOffset) {
			t.Error("the lamp is low, want high")
		}
		heard.hears(t, e.Version, "accepted", "documents")
	})

	r.chip.SetPull(chipName, 5, true)
	e = r.answered("", e.Version, `{"lights":"off"}`)
	t.Run("change at the device", func(t *testing.T) {
		if got := section(t, e, "desired")["lights"]; e.Delta != nil || got != "off" {
			t.Errorf("delta %s, desired %v; want both sections off", e.Delta, got)
		}
		heard.hears(t, e.Version, "accepted", "documents")
	})
}

// listener hears all that is published about updates of the classic shadow.
type listener struct {
	stream *ipc.Stream[model.SubscriptionResponseMessage]
}

func (r *rig) listen() *listener {
	r.t.Helper()
	conn, err := ipc.Dial(r.t.Context(), ipc.Config{Socket: r.coreAt, Token: ipc.Token(r.core.IssueToken("com.example.Listener"))})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	stream, err := conn.SubscribeToTopic(r.t.Context(), model.SubscribeToTopicRequest{
		Topic: shadow.ID{Thing: thing}.Topic("/update/#"), ReceiveMode: model.ReceiveAll,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return &listener{stream}
}

// hears checks what was published about the update that made a version. Of one update
// accepted comes last
// (aws-greengrass/aws-greengrass-shadow-manager
// src/main/java/com/aws/greengrass/shadowmanager/ipc/UpdateThingShadowRequestHandler.java).
func (l *listener) hears(t *testing.T, version int64, want ...string) {
	t.Helper()
	deadline := time.After(patience)
	var heard []string
	for {
		select {
		case m, open := <-l.stream.Events():
			if !open {
				t.Fatal("the subscription ended: ", l.stream.Err())
			}
			kind := m.Topic()[strings.LastIndex(m.Topic(), "/")+1:]
			heard = append(heard, kind)
			if kind != "accepted" {
				continue
			}
			var accepted struct{ Version int64 }
			if err := json.Unmarshal(m.Payload(), &accepted); err != nil {
				t.Fatal(err)
			}
			if accepted.Version < version {
				heard = nil
				continue
			}
			if slices.Sort(heard); !slices.Equal(heard, want) || accepted.Version != version {
				t.Errorf("version %d: published %v, want %v of version %d", accepted.Version, heard, want, version)
			}
			return
		case <-deadline:
			t.Fatalf("version %d was never accepted; heard %v", version, heard)
		}
	}
}
