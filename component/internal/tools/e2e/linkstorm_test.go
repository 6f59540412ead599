package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/holder"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

var (
	linkStormCount = flag.Uint64("linkstorms", 20, "how many storms over a link TestLinkStorms plays, from seed 1")
	linkStormSeed  = flag.Uint64("linkstorm", 0, "the only storm that TestLinkStorms plays")
)

// TestLinkStorms has the component as a process, its core and the cloud, while the link is
// cut and slow, the component is killed and frozen, the core starts again and sockets are
// deleted. Commands with an ID are desired on both sides of the link, and counted at the
// chip: each is carried out once, unless the component was killed in it. In the end the
// cloud has what the device has.
func TestLinkStorms(t *testing.T) {
	first, last := uint64(1), *linkStormCount
	if *linkStormSeed != 0 {
		first, last = *linkStormSeed, *linkStormSeed
	}
	var next atomic.Uint64
	next.Store(first)
	var workers sync.WaitGroup
	for range *stormParallel {
		workers.Go(func() {
			for seed := next.Add(1) - 1; seed <= last; seed = next.Add(1) - 1 {
				t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { stormOverLink(t, seed) })
			}
		})
	}
	workers.Wait()
	if t.Failed() {
		t.Log("again with: go test ./component/internal/tools/e2e -run TestLinkStorms -linkstorm SEED")
	}
}

const linkConfig = `
lines:
  bell: {line: BELL, direction: output, start: "off"}
  lamp: {line: LAMP, direction: output}
  door: {line: DOOR, direction: input}
shadows:
  room:
    name: room
    properties:
      bell: {line: bell, pulse: 100ms}
      lamp: {line: lamp}
      door: {line: door}
`

var linkRoom = shadow.ID{Thing: thing, Name: "room"}

// linkStorm is a storm over a link.
type linkStorm struct {
	t         *testing.T
	rand      *rand.Rand
	rig       *rig
	cloud     *cloud.Cloud
	watch     *stormWatch
	component *process

	presses int
	kills   int // of the component since the last press was known to be over
	excused int // presses that a kill may have ended before their pulse
}

func stormOverLink(t *testing.T, seed uint64) {
	c, err := cloud.Start(cloud.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s := &linkStorm{t: t, rand: rand.New(rand.NewPCG(seed, 1)), cloud: c, rig: &rig{t: t, dir: shortDir(t), events: newJournal()}}
	r := s.rig
	r.coreAt, r.chipsAt = filepath.Join(r.dir, "ipc.socket"), filepath.Join(r.dir, "chips.socket")
	t.Cleanup(func() { holder.End(r.work()) })
	if err := os.Mkdir(r.work(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.dir, "config.yaml"), []byte(linkConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	s.startCore()
	r.simulateChip(stormBoard)
	s.watch = watchStorm(t, r.chip)
	s.component = r.start()
	for range 30 {
		s.act()
		s.wait(150)
	}
	s.heal()
	s.judge()
	if t.Failed() {
		t.Log(s.component.log)
		for _, e := range r.events.items {
			t.Logf("%s %v version %d by %q: %s%s", e.Time.Format("05.000"), e.Kind, e.Version, e.Component, e.Sent, e.Reason)
		}
	}
	s.component.signal(syscall.SIGTERM)
	s.component.ends()
}

func (s *linkStorm) startCore() {
	r := s.rig
	config := devcore.Config{
		Dir: filepath.Join(r.dir, "core"), ThingName: thing, Observe: r.events.add, Broker: s.cloud.Broker.CoreDevice(thing),
		Synchronize: devcore.Synchronize{Cloud: s.cloud.CoreDevice(), Shadows: []devcore.ShadowName{{Thing: thing, Shadow: linkRoom.Name}}},
	}
	var err error
	r.core, err = devcore.New(config)
	for end := time.Now().Add(patience); err != nil && time.Now().Before(end); r.core, err = devcore.New(config) {
		time.Sleep(10 * time.Millisecond) // a process that another storm starts right now may hold the lock of the directory
	}
	if err == nil {
		err = r.core.LoadConfiguration(componentName, filepath.Join(r.dir, "config.yaml"))
	}
	if err != nil {
		s.t.Fatal(err)
	}
	if r.token == "" {
		r.token = r.core.IssueToken(componentName)
	}
	r.core.SetToken(componentName, r.token)
	r.serve()
}

// chance is true one time in n.
func (s *linkStorm) chance(n int) bool { return s.rand.IntN(n) == 0 }

// wait waits up to so many milliseconds, mostly few.
func (s *linkStorm) wait(most int) {
	if s.chance(2) {
		most /= 10
	}
	time.Sleep(time.Duration(s.rand.IntN(most+1)) * time.Millisecond)
}

func (s *linkStorm) act() {
	r := s.rig
	switch s.rand.IntN(16) {
	case 0, 1, 2, 3:
		s.press()
	case 4, 5:
		s.desire(fmt.Sprintf(`{"lamp":%v}`, s.chance(2)))
	case 6:
		s.desire(fmt.Sprintf(`{"other":%d}`, s.rand.IntN(5)))
	case 7:
		s.desire(`{"other":null}`)
	case 8, 9:
		press := r.chip.Press
		if s.chance(2) {
			press = r.chip.Release
		}
		_ = press(chipName, stormDoor)
	case 10, 11:
		r.core.SetLink(!r.core.Link())
	case 12:
		r.core.SlowLink(time.Duration(s.rand.IntN(3)) * 50 * time.Millisecond)
	case 13:
		s.restart()
	case 14:
		s.freeze()
	case 15:
		if s.chance(2) {
			up := r.core.Link()
			r.stopCore()
			r.core.Close()
			s.wait(300)
			s.startCore()
			r.core.SetLink(up)
			return
		}
		for _, name := range []string{"control.socket", "holder.socket"} {
			_ = os.Remove(filepath.Join(r.work(), name))
		}
	}
}

// restart kills the component and starts it again, as a nucleus does.
func (s *linkStorm) restart() {
	s.component.signal(syscall.SIGKILL)
	s.component.ends()
	s.kills++
	s.wait(200)
	s.component = s.rig.start()
}

func (s *linkStorm) freeze() {
	s.component.signal(syscall.SIGSTOP)
	s.wait(500)
	s.component.signal(syscall.SIGCONT)
}

// press desires a pulse with an ID, once the one before is gone on both sides: two at a
// time would be one pulse, begun anew.
func (s *linkStorm) press() {
	inCloud := s.chance(2)
	if s.state(false).Desired["bell"] != nil || s.state(true).Desired["bell"] != nil {
		return
	}
	s.presses++
	s.excused += min(s.kills, 1)
	s.kills = 0
	update := fmt.Sprintf(`{"bell":{"id":"press %d"}}`, s.presses)
	if inCloud {
		s.desire(update)
		return
	}
	s.rig.update(thing, linkRoom.Name, `{"state":{"desired":`+update+`},"clientToken":"application"}`)
}

// desire is an update by an application in the cloud.
func (s *linkStorm) desire(desired string) {
	if _, err := s.cloud.Shadows.Update(linkRoom, []byte(`{"state":{"desired":`+desired+`}}`)); err != nil {
		s.t.Errorf("the cloud refused %s: %v", desired, err)
	}
}

type linkState struct{ Desired, Reported map[string]any }

// state is the shadow on one side, empty if there is none.
func (s *linkStorm) state(inCloud bool) (state linkState) {
	text, err := s.rig.core.Shadows().Get(thing, linkRoom.Name)
	if inCloud {
		text, err = s.cloud.Shadows.Get(linkRoom, nil)
	}
	var document struct{ State linkState }
	if err == nil && json.Unmarshal(text, &document) == nil {
		state = document.State
	}
	return state
}

// heal ends all trouble and waits for both sides to come to rest.
func (s *linkStorm) heal() {
	s.rig.core.SlowLink(0)
	s.rig.core.SetLink(true)
	var desired time.Time
	s.await("the lamp is on, and the device agrees", func() bool {
		// What waits for the cloud may still undo it there.
		if time.Since(desired) > 5*time.Second {
			s.desire(`{"lamp":true}`)
			desired = time.Now()
		}
		state := s.state(true)
		return state.Reported["lamp"] == true && s.level(lampOffset) && state.Desired["bell"] == nil
	})
	s.desire(`{"end":true}`)
	s.await("both sides are the same", func() bool {
		device, above := s.state(false), s.state(true)
		_, answered := acks(above)["end"]
		return answered && reflect.DeepEqual(known(device), known(above))
	})
}

func acks(state linkState) map[string]any {
	acks, _ := state.Reported[shadow.AckKey].(map[string]any)
	return acks
}

// known is a state without what the cloud's own waiting changes, or a killed run, may have
// left on one side.
func known(state linkState) linkState {
	known := linkState{maps.Clone(state.Desired), maps.Clone(state.Reported)}
	delete(known.Desired, "other")
	delete(known.Desired, "lamp")
	delete(known.Desired, shadow.SyncKey)
	delete(known.Reported, shadow.SyncKey)
	answers := maps.Clone(acks(state))
	delete(answers, "other")
	for key, answer := range answers {
		if answer, ok := answer.(map[string]any); ok {
			answer = maps.Clone(answer)
			delete(answer, "reason")
			answers[key] = answer
		}
	}
	known.Reported[shadow.AckKey] = answers
	return known
}

func (s *linkStorm) level(offset int) bool {
	high, err := s.rig.chip.Level(chipName, offset)
	return err == nil && high
}

func (s *linkStorm) await(what string, done func() bool) {
	s.t.Helper()
	for end := time.Now().Add(4 * patience); ; { // a second repetition comes after a minute
		if done() {
			return
		}
		if time.Now().After(end) {
			device, above := s.state(false), s.state(true)
			s.t.Errorf("%s: it does not come\ndevice %v\ncloud  %v", what, device, above)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (s *linkStorm) judge() {
	changes, lost := s.watch.of(stormBell)
	rings := 0
	for _, c := range changes {
		if c.High {
			rings++
		}
	}
	if least := s.presses - s.excused - min(s.kills, 1); lost == 0 && (rings > s.presses || rings < least) {
		s.t.Errorf("the bell rang %d times, want %d to %d", rings, least, s.presses)
	}
	state := s.state(true)
	for key, offset := range map[string]int{"bell": stormBell, "lamp": lampOffset, "door": stormDoor} {
		if is := s.level(offset); state.Reported[key] != is {
			s.t.Errorf("%s is %v, reported %v", key, is, state.Reported[key])
		}
	}
}
