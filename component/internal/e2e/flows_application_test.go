package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"syscall"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/shadow"
	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// The application role of the same document, A1 to A6, and its message flows: here
// another component of the core device plays the application.

type application struct {
	t         *testing.T
	conn      *ipc.Conn
	documents *ipc.Stream[model.SubscriptionResponseMessage]
	local     map[string]any // its copy of the state
}

// application connects and subscribes; only then it may read (A1).
func (r *rig) application() *application {
	r.t.Helper()
	conn, err := ipc.Dial(r.t.Context(), ipc.Config{Socket: r.coreAt, Token: ipc.Token(r.core.IssueToken("com.example.Application"))})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	a := &application{t: r.t, conn: conn, local: map[string]any{}}
	a.documents, err = conn.SubscribeToTopic(r.t.Context(), model.SubscribeToTopicRequest{
		Topic: shadow.ID{Thing: thing}.Topic("/update/documents"), ReceiveMode: model.ReceiveAll,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// get reads the shadow: the local copy is what is reported, overlaid with what is
// still open (A2). exists is false when there is no shadow (A3).
func (a *application) get() (exists bool) {
	a.t.Helper()
	reply, err := a.conn.GetThingShadow(a.t.Context(), model.GetThingShadowRequest{ThingName: thing})
	if errors.Is(err, model.ResourceNotFound) {
		return false
	}
	if err != nil {
		a.t.Fatal(err)
	}
	var doc struct {
		State struct{ Reported, Delta map[string]any }
	}
	if err := json.Unmarshal(reply.Payload, &doc); err != nil {
		a.t.Fatal(err)
	}
	if doc.State.Reported != nil {
		a.local = doc.State.Reported
	}
	maps.Copy(a.local, doc.State.Delta)
	return true
}

// set writes desired only, and only what changes (A4).
func (a *application) set(desired string) {
	a.t.Helper()
	_, err := a.conn.UpdateThingShadow(a.t.Context(), model.UpdateThingShadowRequest{ThingName: thing, Payload: []byte(`{"state":{"desired":` + desired + `}}`)})
	if err != nil {
		a.t.Fatal(err)
	}
}

// becomes follows the documents until the local copy has all of want (A5).
func (a *application) becomes(want string) {
	a.t.Helper()
	var wanted map[string]any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		a.t.Fatal(err)
	}
	deadline := time.After(patience)
	for !contains(a.local, wanted) {
		select {
		case m, open := <-a.documents.Events():
			if !open {
				a.t.Fatal("the subscription ended: ", a.documents.Err())
			}
			var doc struct {
				Current struct {
					State struct{ Reported map[string]any }
				}
			}
			if err := json.Unmarshal(m.Payload(), &doc); err != nil {
				a.t.Fatal(err)
			}
			if doc.Current.State.Reported != nil {
				a.local = doc.Current.State.Reported
			}
		case <-deadline:
			a.t.Fatalf("the application never saw %s; it has %v", want, a.local)
		}
	}
}

// A1, A2, A4, A5: it asks, desires, and sees the device obey.
func TestFlowA01ApplicationFollowsTheDevice(t *testing.T) {
	r, _ := house(t)
	a := r.application()
	if !a.get() || !contains(a.local, map[string]any{"lights": "off", "locked": false}) {
		t.Fatalf("the application read %v", a.local)
	}
	a.set(`{"lights":"on"}`)
	a.becomes(`{"lights":"on"}`)
	if !r.level(lampOffset) {
		t.Error("the lamp is low, want high")
	}
	r.chip.SetPull(chipName, doorOffset, true)
	a.becomes(`{"locked":true}`)
}

// A2: a value that is desired and not yet obeyed is part of the application's copy.
func TestFlowA02DeltaIsOverlaid(t *testing.T) {
	r, p := house(t)
	p.signal(syscall.SIGKILL)
	p.ends()
	r.desire("", `{"lights":"on"}`)
	a := r.application()
	a.get()
	if a.local["lights"] != "on" || a.local["locked"] != false {
		t.Errorf("the application has %v, want lights as desired and the rest as reported", a.local)
	}
}

// A3 and A6: an application that comes first finds no shadow, and goes on; when the
// device was there once, either may be away.
func TestFlowA06EitherSideMayBeAway(t *testing.T) {
	r := newRig(t, houseConfig)
	r.simulate()
	r.serve()
	a := r.application()
	if a.get() {
		t.Fatal("there is a shadow before the device was there")
	}
	p := r.start()
	a.becomes(`{"lights":"off","locked":false}`)
	p.signal(syscall.SIGTERM)
	p.ends()
	a.set(`{"lights":"on"}`)
	a.conn.Close()
	r.chip.SetPull(chipName, doorOffset, true)
	r.start()
	r.reported("", `{"lights":"on","locked":true}`)
	a = r.application()
	a.get()
	if !contains(a.local, map[string]any{"lights": "on", "locked": true}) {
		t.Errorf("the application has %v after both were away", a.local)
	}
}

// The message flows of the document: first contact, a change that the application
// wants, the device obeys, and a change at the device. What is stored and what is
// published is what the shadow manager makes of the component's updates.
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
	r.start()
	first := r.reported("", `{"lights":"off","doors":"unlocked"}`)
	if got := section(t, first, "desired"); first.Version != 1 || got != nil || first.Delta != nil {
		t.Errorf("first contact: version %d, desired %v, delta %s; want 1 and reported only", first.Version, got, first.Delta)
	}

	v := r.desire("", `{"lights":"on"}`)
	wanted, _ := r.events.wait(func(e devcore.Event) bool { return e.Version == v && e.Shadow == "" })
	if string(wanted.Delta) == "" || section(t, wanted, "reported")["lights"] != "off" {
		t.Errorf("a wanted change: delta %s, reported %v", wanted.Delta, section(t, wanted, "reported"))
	}

	obeyed := r.answered("", v, fmt.Sprintf(`{"lights":"on","ack":{"lights":{"code":200,"version":%d}}}`, v))
	if obeyed.Delta != nil || section(t, obeyed, "desired")["lights"] != "on" {
		t.Errorf("obeyed: delta %s, desired %v", obeyed.Delta, section(t, obeyed, "desired"))
	}

	r.chip.SetPull(chipName, 5, true)
	local := r.answered("", obeyed.Version, `{"lights":"off"}`)
	if local.Delta != nil || section(t, local, "desired")["lights"] != "off" {
		t.Errorf("a change at the device: delta %s, desired %v; want both sections off", local.Delta, section(t, local, "desired"))
	}
}
