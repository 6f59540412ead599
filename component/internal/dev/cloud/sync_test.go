package cloud

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

var (
	room  = shadow.ID{Thing: "gw", Name: "room"}
	local = shadow.ID{Thing: "gw", Name: "local"} // which is not synchronized
)

// pair is a core device and the cloud that it synchronizes with.
type pair struct {
	t     *testing.T
	cloud *Cloud
	core  *devcore.Core
}

func newPair(t *testing.T, z devcore.Synchronize) *pair {
	t.Helper()
	p := &pair{t: t, cloud: start(t)}
	z.Cloud = p.cloud.CoreDevice()
	if z.Shadows == nil {
		z.Shadows = []devcore.ShadowName{{Thing: "gw"}, {Thing: "gw", Shadow: "room"}}
	}
	var err error
	p.core, err = devcore.New(devcore.Config{ThingName: "gw", Synchronize: z, Broker: p.cloud.Broker.CoreDevice("gw")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.core.Close() })
	return p
}

// device and above make an update on their side.
func (p *pair) device(id shadow.ID, state string) {
	p.t.Helper()
	if _, err := p.core.Shadows().Update(id.Thing, id.Name, []byte(`{"state":`+state+`}`)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pair) above(id shadow.ID, state string) {
	p.t.Helper()
	if _, err := p.cloud.Shadows.Update(id, []byte(`{"state":`+state+`}`)); err != nil {
		p.t.Fatal(err)
	}
}

// state is that of a document, "" if there is none.
func state(text []byte, err error) any {
	if err != nil {
		return nil
	}
	var d struct {
		State map[string]any `json:"state"`
	}
	if json.Unmarshal(text, &d) != nil {
		return nil
	}
	delete(d.State, "delta")
	return d.State
}

func (p *pair) states(id shadow.ID) (device, above any) {
	return state(p.core.Shadows().Get(id.Thing, id.Name)), state(p.cloud.Shadows.Get(id, nil))
}

// become waits until both sides have these states, "" being no shadow.
func (p *pair) become(id shadow.ID, device, above string) {
	p.t.Helper()
	parse := func(text string) (v any) {
		if text == "" {
			return nil
		}
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			p.t.Fatal(err)
		}
		return v
	}
	wantDevice, wantAbove := parse(device), parse(above)
	deadline := time.Now().Add(patience)
	for {
		d, a := p.states(id)
		if reflect.DeepEqual(d, wantDevice) && reflect.DeepEqual(a, wantAbove) {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%v: device %v, cloud %v; want %s, %s", id, d, a, device, above)
		}
		time.Sleep(time.Millisecond)
	}
}

func (p *pair) both(id shadow.ID, want string) { p.t.Helper(); p.become(id, want, want) }

func TestChangesGoBothWaysOfConfiguredShadowsOnly(t *testing.T) {
	p := newPair(t, devcore.Synchronize{})
	p.device(local, `{"reported":{"x":1}}`)
	p.device(room, `{"reported":{"fan":false}}`)
	p.both(room, `{"reported":{"fan":false}}`)
	p.above(room, `{"desired":{"fan":true}}`)
	p.both(room, `{"desired":{"fan":true},"reported":{"fan":false}}`)
	p.device(room, `{"reported":{"fan":true},"desired":null}`)
	p.both(room, `{"reported":{"fan":true}}`)
	p.become(local, `{"reported":{"x":1}}`, "")
	if _, err := p.cloud.Shadows.Delete(room, nil); err != nil {
		t.Fatal(err)
	}
	p.both(room, "")
	p.device(room, `{"reported":{"fan":true}}`)
	p.both(room, `{"reported":{"fan":true}}`)
	if err := p.core.Shadows().Delete("gw", "room"); err != nil {
		t.Fatal(err)
	}
	p.both(room, "")
}

// TestWhatHappensWhileTheLinkIsDown has the table of full synchronizations.
func TestWhatHappensWhileTheLinkIsDown(t *testing.T) {
	for _, c := range []struct{ name, device, above, want string }{
		{"nothing", "", "", `{"desired":{"a":1,"b":1},"reported":{"a":1,"b":1}}`},
		{"the device changes", `{"reported":{"a":2}}`, "", `{"desired":{"a":1,"b":1},"reported":{"a":2,"b":1}}`},
		{"the cloud changes", "", `{"desired":{"a":2}}`, `{"desired":{"a":2,"b":1},"reported":{"a":1,"b":1}}`},
		{"both change different keys", `{"reported":{"a":2}}`, `{"desired":{"b":2}}`, `{"desired":{"a":1,"b":2},"reported":{"a":2,"b":1}}`},
		{"both desire the same key", `{"desired":{"a":2}}`, `{"desired":{"a":3}}`, `{"desired":{"a":3,"b":1},"reported":{"a":1,"b":1}}`},
		{"both report the same key", `{"reported":{"a":2}}`, `{"reported":{"a":3}}`, `{"desired":{"a":1,"b":1},"reported":{"a":2,"b":1}}`},
		{"the cloud deletes a key", "", `{"desired":{"a":null}}`, `{"desired":{"b":1},"reported":{"a":1,"b":1}}`},
		{"the device deletes a key", `{"reported":{"a":null}}`, "", `{"desired":{"a":1,"b":1},"reported":{"b":1}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(t, devcore.Synchronize{})
			const both = `{"desired":{"a":1,"b":1},"reported":{"a":1,"b":1}}`
			p.device(room, both)
			p.both(room, both)
			p.core.SetLink(false)
			if p.cloud.Broker.Connected("gw") {
				t.Error("the cloud takes the core device for connected")
			}
			if c.device != "" {
				p.device(room, c.device)
			}
			if c.above != "" {
				p.above(room, c.above)
			}
			d, a := p.states(room)
			if c.want != both && reflect.DeepEqual(d, a) {
				t.Fatalf("with the link cut both sides have %v", d)
			}
			p.core.SetLink(true)
			p.both(room, c.want)
		})
	}
}

func TestDeletionsWhileTheLinkIsDown(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(p *pair)
	}{
		{"in the cloud", func(p *pair) { p.cloud.Shadows.Delete(room, nil) }},
		{"on the device", func(p *pair) { p.core.Shadows().Delete("gw", "room") }},
		{"on both", func(p *pair) { p.cloud.Shadows.Delete(room, nil); p.core.Shadows().Delete("gw", "room") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(t, devcore.Synchronize{})
			p.device(room, `{"reported":{"a":1}}`)
			p.both(room, `{"reported":{"a":1}}`)
			p.core.SetLink(false)
			c.do(p)
			p.core.SetLink(true)
			p.both(room, "")
		})
	}
}

func TestDirections(t *testing.T) {
	for _, c := range []struct {
		direction     devcore.Direction
		device, above string
	}{
		{devcore.DeviceToCloud, `{"reported":{"a":1}}`, `{"desired":{"b":1},"reported":{"a":1}}`},
		{devcore.CloudToDevice, `{"desired":{"b":1},"reported":{"a":1}}`, `{"desired":{"b":1}}`},
	} {
		t.Run(string(c.direction), func(t *testing.T) {
			p := newPair(t, devcore.Synchronize{Direction: c.direction})
			p.core.SetLink(false)
			p.above(room, `{"desired":{"b":1}}`)
			p.device(room, `{"reported":{"a":1}}`)
			p.core.SetLink(true)
			p.become(room, c.device, c.above)
		})
	}
}

func TestPeriodicSynchronization(t *testing.T) {
	p := newPair(t, devcore.Synchronize{Every: 20 * time.Millisecond})
	p.device(room, `{"reported":{"a":0}}`)
	for i := range 3 {
		p.above(room, fmt.Sprintf(`{"desired":{"a":%d}}`, i))
		p.both(room, fmt.Sprintf(`{"desired":{"a":%d},"reported":{"a":0}}`, i))
	}
}

func TestASlowLinkOnlyTakesLonger(t *testing.T) {
	p := newPair(t, devcore.Synchronize{})
	p.core.SlowLink(20 * time.Millisecond)
	for i := range 20 {
		p.above(room, fmt.Sprintf(`{"desired":{"a":%d}}`, i))
	}
	p.both(room, `{"desired":{"a":19}}`)
}

func TestSynchronizationIsChecked(t *testing.T) {
	c := start(t)
	for _, bad := range []devcore.Synchronize{
		{Direction: "up"}, {Every: -1}, {Shadows: []devcore.ShadowName{{Thing: ""}}}, {Shadows: []devcore.ShadowName{{Thing: "a", Shadow: "b/c"}}},
	} {
		bad.Cloud = c.CoreDevice()
		if core, err := devcore.New(devcore.Config{Synchronize: bad}); err == nil {
			core.Close()
			t.Errorf("%+v was taken", bad)
		}
	}
}

// TestSynchronizedShadowsChange adds and removes a shadow while the link is up and down.
func TestSynchronizedShadowsChange(t *testing.T) {
	p := newPair(t, devcore.Synchronize{Shadows: []devcore.ShadowName{{Thing: "gw"}}})
	classic := shadow.ID{Thing: "gw"}
	set := func(ids ...shadow.ID) {
		t.Helper()
		var names []devcore.ShadowName
		for _, id := range ids {
			names = append(names, devcore.ShadowName{Thing: id.Thing, Shadow: id.Name})
		}
		if err := p.core.SetSynchronized(names); err != nil {
			t.Fatal(err)
		}
		if got := p.core.Synchronized(); !reflect.DeepEqual(got, names) {
			t.Errorf("synchronized are %v, want %v", got, names)
		}
	}
	p.device(room, `{"reported":{"fan":1}}`)
	p.above(room, `{"desired":{"fan":2}}`)
	p.device(classic, `{"reported":{"a":1}}`)
	p.both(classic, `{"reported":{"a":1}}`)
	p.become(room, `{"reported":{"fan":1}}`, `{"desired":{"fan":2}}`)

	set(classic, room) // both sides are merged
	p.both(room, `{"desired":{"fan":2},"reported":{"fan":1}}`)
	p.above(room, `{"desired":{"fan":3}}`)
	p.both(room, `{"desired":{"fan":3},"reported":{"fan":1}}`) // a report meanwhile could be dropped
	p.device(room, `{"reported":{"fan":3}}`)
	p.both(room, `{"desired":{"fan":3},"reported":{"fan":3}}`)

	set(classic) // neither side hears of the other
	p.above(room, `{"desired":{"fan":4}}`)
	p.device(room, `{"reported":{"fan":5}}`)
	p.above(classic, `{"desired":{"a":2}}`)
	p.both(classic, `{"desired":{"a":2},"reported":{"a":1}}`)
	p.become(room, `{"desired":{"fan":3},"reported":{"fan":5}}`, `{"desired":{"fan":4},"reported":{"fan":3}}`)

	p.core.SetLink(false)
	set(room)
	p.become(room, `{"desired":{"fan":3},"reported":{"fan":5}}`, `{"desired":{"fan":4},"reported":{"fan":3}}`)
	p.core.SetLink(true)
	p.both(room, `{"desired":{"fan":4},"reported":{"fan":5}}`)

	if err := p.core.SetSynchronized([]devcore.ShadowName{{Thing: "a/b"}}); err == nil {
		t.Error("a name with a slash is taken")
	}
	if got := p.core.Synchronized(); len(got) != 1 {
		t.Errorf("after a refusal, synchronized are %v", got)
	}
	alone, err := devcore.New(devcore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer alone.Close()
	if err := alone.SetSynchronized(nil); err == nil {
		t.Error("a core without a cloud synchronizes")
	}
}
