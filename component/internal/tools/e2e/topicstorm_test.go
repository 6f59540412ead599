package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/shadows"
	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
)

// TestTopicStorms are storms on the way over the topics of AWS IoT Core, one for twenty
// of TestStorms: the link and the nucleus come and go, messages are lost, late,
// twice and out of order, the component is killed, shadows are deleted, the service
// throttles.
func TestTopicStorms(t *testing.T) {
	first, n := uint64(time.Now().UnixNano())>>10, max(*stormCount/20, 2)
	switch {
	case *stormSeed != 0:
		first, n = *stormSeed, 1
	case testing.Short():
		n = 2
	}
	for i := range n {
		seed := first + uint64(i)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			topicStorm(t, seed, nil)
			if t.Failed() {
				t.Logf("again with: go test ./component/internal/tools/e2e -run TestTopicStorms -storm %d", seed)
			}
		})
	}
}

func topicStorm(t *testing.T, seed uint64, clock *stormClock) {
	rng := rand.New(rand.NewPCG(seed, 1))
	settings, config := devcore.Config{Lite: true}, houseConfig
	if rng.IntN(2) == 0 {
		settings, config = devcore.Config{KeepQoS0WhenOffline: rng.IntN(2) == 0}, "transport: iotCore\n"+houseConfig
	}
	r, app := overTopics(t, settings, config, shadows.Config{PerSecond: 20})
	room := &remoteApplication{t: t, cloud: app.cloud, shadow: "room"}
	p := r.start()
	app.sees(`{"lights":"off"}`)
	room.sees(`{"fan":false}`)
	wanted := map[string]bool{}
	desire := func(key string, on bool) {
		wanted[key] = on
		if key == "fan" {
			room.insist(fmt.Sprintf(`{"fan":%v}`, on))
		} else {
			app.insist(fmt.Sprintf(`{"lights":%q}`, onOff(on)))
		}
	}
	for range 30 {
		time.Sleep(time.Duration(rng.IntN(60)) * time.Millisecond)
		kinds := 14
		if clock != nil {
			kinds = 16
		}
		switch rng.IntN(kinds) {
		case 0, 1, 2:
			desire("lights", rng.IntN(2) == 0)
		case 3, 4:
			desire("fan", rng.IntN(2) == 0)
		case 5, 6:
			r.setInput(rng.IntN(2) == 0)
		case 7, 8:
			r.core.SetLink(!r.core.Link())
		case 9:
			r.core.Restart(time.Duration(rng.IntN(200)) * time.Millisecond)
		case 10:
			p.signal(syscall.SIGKILL)
			p.ends()
			if clock != nil {
				clock.jump(t, rng)
			}
			p = r.start()
		case 11:
			if deleted := []*remoteApplication{app, room}[rng.IntN(2)]; rng.IntN(3) == 0 {
				deleted.call("DELETE", "")
			}
		case 14, 15:
			clock.jump(t, rng)
		default:
			r.fault(topicFaults[rng.IntN(len(topicFaults))])
		}
	}
	r.core.Faults().Clear()
	r.core.SetLink(true)
	// A message that was lost shows by the next one.
	desire("lights", rng.IntN(2) == 0)
	desire("fan", rng.IntN(2) == 0)
	var err error
	for deadline := time.Now().Add(stormPatience); ; time.Sleep(100 * time.Millisecond) {
		if err = errors.Join(
			shows(app, "lights", onOff(wanted["lights"]), r.level(lampOffset) == wanted["lights"]),
			shows(room, "fan", wanted["fan"], r.level(fanOffset) == wanted["fan"]),
			is(app, "locked", r.level(doorOffset)),
		); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("after the storm: %v", err)
			return
		}
	}
	if !p.running() {
		t.Error("the component has ended by itself")
	}
}

// topicFaults end by themselves.
var topicFaults = []string{
	"PublishToIoTCore delay 200ms times 2", "PublishToIoTCore dropReply times 1", "PublishToIoTCore drop times 1", "PublishToIoTCore redeliver times 2",
	"PublishToIoTCore silence times 1", "PublishToIoTCore refuse ServiceError times 2", "SubscribeToIoTCore lose times 1", "SubscribeToIoTCore duplicate times 2",
	"SubscribeToIoTCore delay 200ms on event times 2", "SubscribeToIoTCore reorder 100ms on event times 2", "SubscribeToIoTCore refuse ServiceError times 1",
}

func (r *rig) fault(text string) {
	r.t.Helper()
	rule, err := faults.ParseRule(text)
	if err != nil {
		r.t.Fatal(err)
	}
	r.core.Faults().Add(rule)
}

func onOff(on bool) string { return map[bool]string{true: "on", false: "off"}[on] }

// insist desires until the service has taken it.
func (a *remoteApplication) insist(desired string) {
	a.t.Helper()
	awaitTrue(a.t, "desired "+desired, func() bool {
		return bytes.Contains(a.call("POST", `{"state":{"desired":`+desired+`}}`), []byte(`"version"`))
	})
}

// stored is what the shadow reports, without a request that the service would count.
func (a *remoteApplication) stored() map[string]any {
	a.t.Helper()
	for _, r := range a.cloud.Shadows.Records() {
		if r.ID.Thing == thing && r.ID.Name == a.shadow {
			var state struct{ Reported map[string]any }
			if err := json.Unmarshal(shadowdoc.Append(nil, r.Document.State()), &state); err != nil {
				a.t.Fatal(err)
			}
			return state.Reported
		}
	}
	return nil
}

// shows wants a property reported and answered as it is desired, and its line so.
func shows(a *remoteApplication, key string, want any, line bool) error {
	reported := a.stored()
	acks, _ := reported["ack"].(map[string]any)
	ack, _ := acks[key].(map[string]any)
	if !line || reported[key] != want || ack["code"] != 200.0 {
		return fmt.Errorf("%s: want %v, reported %v, answered %v, the line as desired: %v", key, want, reported[key], ack, line)
	}
	return nil
}

// is wants a property reported as its line is.
func is(a *remoteApplication, key string, want any) error {
	if got := a.stored()[key]; got != want {
		return fmt.Errorf("%s: want %v as the line is, reported %v", key, want, got)
	}
	return nil
}
