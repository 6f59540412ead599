package e2e

import (
	"encoding/json"
	"errors"
	"maps"
	"syscall"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// The application role of the same document, A1 to A6: here another component of the
// core device plays the application.

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
	a.until(want, func() bool { return contains(a.local, wanted) })
}

// until follows the documents until done; what says what for.
func (a *application) until(what string, done func() bool) {
	a.t.Helper()
	deadline := time.After(patience)
	for !done() {
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
			a.local = doc.Current.State.Reported
		case <-deadline:
			a.t.Fatalf("the application never saw %s; it has %v", what, a.local)
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

// A3: an application that reads what does not exist creates nothing: the device does,
// as if it had been the first.
func TestFlowA03NothingIsCreatedByReading(t *testing.T) {
	r := newRig(t, houseConfig)
	r.simulate()
	r.serve()
	a := r.application()
	for range 2 {
		if a.get() {
			t.Fatal("there is a shadow though nobody wrote one")
		}
	}
	r.start()
	if e := r.reported("", `{"lights":"off","locked":false}`); e.Version != 1 {
		t.Errorf("the device made version %d, want 1", e.Version)
	}
	a.becomes(`{"lights":"off","locked":false}`)
	if !a.get() {
		t.Error("there is no shadow after the device was there")
	}
}

// A4: what the application desires changes what it names, and what is reported is the
// device's alone.
func TestFlowA04OnlyWhatChangesIsDesired(t *testing.T) {
	r := newRig(t, pairConfig)
	r.simulate()
	r.serve()
	p := r.start()
	r.reported("", `{"lights":false,"fan":false}`)
	a := r.application()
	a.set(`{"lights":true,"fan":true}`)
	a.becomes(`{"lights":true,"fan":true}`)
	p.signal(syscall.SIGKILL)
	p.ends()
	a.set(`{"fan":false}`) // false is a value, not the absence of one
	a.get()
	if !contains(a.local, map[string]any{"lights": true, "fan": false}) {
		t.Errorf("the application has %v, want only the fan to be another", a.local)
	}
	e := r.happened("the application's update", func(e devcore.Event) bool {
		return e.Kind == devcore.ShadowUpdated && string(e.Sent) == `{"state":{"desired":{"fan":false}}}`
	})
	if got := section(t, e, "desired"); !contains(got, map[string]any{"lights": true, "fan": false}) {
		t.Errorf("desired is %v, want only the fan to be another", got)
	}
	if got := section(t, e, "reported"); !contains(got, map[string]any{"lights": true, "fan": true}) {
		t.Errorf("reported is %v, want what the device said last", got)
	}
	r.start()
	r.reported("", `{"lights":true,"fan":false}`)
	if !r.level(lampOffset) || r.level(fanOffset) {
		t.Errorf("lamp %v, fan %v; want the lamp high, since it still is desired, and the fan low", r.level(lampOffset), r.level(fanOffset))
	}
}

// A5: the copy is all that is reported, so what is reported no more goes from it.
func TestFlowA05CopyIsAllThatIsReported(t *testing.T) {
	r, _ := house(t)
	a := r.application()
	a.get()
	a.set(`{"lights":"blue"}`)
	a.becomes(`{"lights":"off","ack":{"lights":{"code":400}}}`)
	a.set(`{"lights":null}`)
	a.until("the answer withdrawn", func() bool { return a.local[shadow.AckKey] == nil })
	if !contains(a.local, map[string]any{"lights": "off", "locked": false}) {
		t.Errorf("the application has %v, want the state to stay", a.local)
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
