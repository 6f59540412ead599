package engine

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
	"github.com/shadowgpio/shadowgpio/internal/shadowsync"
)

var (
	syncStorms    = flag.Uint64("syncstorms", 100, "how many random histories TestSyncStorms plays, from seed 1")
	syncStormSeed = flag.Uint64("syncstorm", 0, "the one history to play, as TestSyncStorms named it")
)

// TestSyncStorms plays random histories of an engine behind the synchronization of the
// shadow manager with the cloud. Applications in the cloud and on the device desire
// values, buttons are pressed, links are cut and slow, component and core are killed.
// In the end the cloud has what the device has, and each press in the cloud was carried
// out once: not twice, and not lost unless the component was killed in it.
func TestSyncStorms(t *testing.T) {
	first, last := uint64(1), *syncStorms
	if *syncStormSeed != 0 {
		first, last = *syncStormSeed, *syncStormSeed
	}
	for seed := first; seed <= last; seed++ {
		if !t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playSyncStorm(t, seed) })
		}) {
			t.Logf("replay with -run TestSyncStorms -syncstorm %d", seed)
			return
		}
	}
}

const syncConfig = `
lines:
  bell: {line: GPIO1, direction: output, start: "off"}
  lamp: {line: GPIO2, direction: output}
  door: {line: GPIO3, direction: input}
  button: {line: GPIO4, direction: input}
controls:
  toggle: {input: button, action: toggle, output: lamp}
shadows:
  main:
    name: room
    properties:
      bell: {line: bell, pulse: 2s}
      lamp: {line: lamp}
      door: {line: door}
`

var (
	syncID  = shadow.ID{Thing: "gw", Name: "room"}
	syncKey = shadowsync.Key{Thing: "gw", Shadow: "room"}
)

// syncWorld has the device, the shadow manager and the cloud. mu guards all but the
// engine, which has a goroutine of its own.
type syncWorld struct {
	t    *testing.T
	mu   sync.Mutex
	rand *rand.Rand // of the applications and of what goes wrong
	both *rand.Rand // of the synchronization
	log  strings.Builder

	local, cloud *shadowdoc.Document
	sync         *shadowsync.Sync
	link         bool
	cut          context.CancelFunc // ends the synchronization
	running      sync.WaitGroup     // the synchronization

	core   bool // the core runs
	device *syncDevice
	disk   state.State
	inputs map[string]bool
	levels map[string]bool
	rung   int // how often the bell went on

	mode    int       // how presses are told apart: see press
	presses int       // of the bell in the cloud
	lampAt  time.Time // when the component desired something of the lamp
	raced   bool      // a full synchronization changed that at once: the older update may reach the cloud after it
	offline int       // presses that need not count: without an ID, and without a link
	kills   int       // of the component while a press was not known to be over
	ids     int
}

// syncDevice is one run of the component.
type syncDevice struct {
	w      *syncWorld
	rand   *rand.Rand
	engine *Engine
	in     chan Input
	end    chan struct{}
	claims map[string]lines.Request // by line
}

func playSyncStorm(t *testing.T, seed uint64) {
	w := &syncWorld{t: t, rand: rand.New(rand.NewPCG(seed, 1)), both: rand.New(rand.NewPCG(seed, 3)), core: true, inputs: map[string]bool{}, levels: map[string]bool{}}
	var err error
	w.sync, err = shadowsync.New(shadowsync.Config{Shadows: []shadowsync.Key{syncKey}}, (*syncLocal)(w), (*syncCloud)(w))
	if err != nil {
		t.Fatal(err)
	}
	w.mode = w.rand.IntN(3)
	w.start()
	w.connect()
	for range 60 {
		w.act()
		w.wait(3000)
	}
	w.heal()
	w.judge()
	w.kill()
	w.disconnect()
	if t.Failed() {
		t.Log(w.log.String())
	}
}

func (w *syncWorld) note(format string, args ...any) {
	fmt.Fprintf(&w.log, "%s %s\n", time.Now().UTC().Format("04:05.000"), fmt.Sprintf(format, args...))
}

// chance is true one time in n.
func (w *syncWorld) chance(n int) bool { return w.rand.IntN(n) == 0 }

// wait lets up to so many milliseconds pass, mostly few.
func (w *syncWorld) wait(most int) {
	time.Sleep(pause(w.rand, most))
}

// pause is up to so many milliseconds, mostly few.
func pause(random *rand.Rand, most int) time.Duration {
	if random.IntN(2) == 0 {
		most /= 10
	}
	if random.IntN(2) == 0 {
		most /= 10
	}
	return time.Duration(random.IntN(most*1000+1))*time.Microsecond + time.Microsecond
}

// act does one thing.
func (w *syncWorld) act() {
	switch w.rand.IntN(20) {
	case 0, 1, 2, 3:
		w.press()
	case 4, 5, 6:
		w.desire(fmt.Sprintf(`{"state":{"desired":{"lamp":%v}}}`, w.chance(2)))
	case 7:
		w.desire(fmt.Sprintf(`{"state":{"desired":{"other":%d}}}`, w.rand.IntN(5)))
	case 8:
		w.desire(`{"state":{"desired":{"other":null}}}`)
	case 9, 10:
		w.seen("button", true)
		w.seen("button", false)
	case 11, 12:
		w.seen("door", !w.inputs["door"])
	case 13, 14, 15:
		if w.link {
			w.disconnect()
		} else {
			w.connect()
		}
	case 16:
		w.sync.Slow(time.Duration(w.rand.IntN(3)) * 150 * time.Millisecond)
	case 17:
		w.application(fmt.Sprintf(`{"state":{"reported":{"note":%d}},"clientToken":"application"}`, w.rand.IntN(9)))
	case 18:
		w.kill()
		w.wait(3000)
		w.start()
	case 19:
		w.restartCore()
	}
}

// The ways to press: with an ID; without one, when no value can come back any more;
// without one at any time.
const (
	withID = iota
	unhurried
	hasty
)

// press desires a pulse in the cloud, where none is desired.
func (w *syncWorld) press() {
	w.mu.Lock()
	desired := w.cloud != nil
	if desired {
		_, desired = w.cloud.Desired.Get("bell")
	}
	w.mu.Unlock()
	if desired {
		return
	}
	w.presses++
	value := "true"
	switch w.mode {
	case withID:
		w.ids++
		value = fmt.Sprintf(`{"id":"press %d"}`, w.ids)
	case unhurried:
		time.Sleep(backWithin + 2*time.Second)
	}
	w.desire(`{"state":{"desired":{"bell":` + value + `}}}`)
	if w.mode != withID {
		w.wait(100)
		w.mu.Lock()
		if w.local == nil {
			w.offline++
		} else if _, arrived := w.local.Desired.Get("bell"); !arrived {
			w.offline++
		}
		w.mu.Unlock()
	}
}

// desire is an update by an application in the cloud.
func (w *syncWorld) desire(update string) {
	if _, err := (*syncCloud)(w).store([]byte(update)); err != nil {
		w.t.Errorf("the cloud refused %s: %v", update, err)
	}
}

// application is an update by an application on the device.
func (w *syncWorld) application(update string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.core {
		w.update([]byte(update))
	}
}

func (w *syncWorld) seen(line string, value bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inputs[line] = value
	w.note("%s is %v", line, value)
	if w.device == nil {
		return
	}
	if claim, ok := w.device.claims[line]; ok {
		burst := lines.Burst{Value: value}
		if value {
			burst.Rising = 1
		} else {
			burst.Falling = 1
		}
		w.device.in <- LineSeen{claim.Claim, claim.Request, burst}
	}
}

func (w *syncWorld) connect() {
	ctx, cancel := context.WithCancel(context.Background())
	w.mu.Lock()
	w.note("link up")
	w.link, w.cut = true, cancel
	core := w.core
	w.mu.Unlock()
	if core {
		w.running.Go(func() { w.sync.Run(ctx) })
	}
}

func (w *syncWorld) disconnect() {
	w.mu.Lock()
	w.note("link down")
	w.link = false
	cut := w.cut
	w.mu.Unlock()
	if cut != nil {
		cut()
	}
	w.running.Wait()
}

// restartCore ends the synchronization and the messages to the component for a time.
func (w *syncWorld) restartCore() {
	w.mu.Lock()
	w.note("core ends")
	w.core = false
	w.tell(ShadowLost{syncID, errors.New("core ended")})
	w.mu.Unlock()
	up := w.link
	w.disconnect()
	w.wait(4000)
	w.mu.Lock()
	w.note("core starts")
	w.core = true
	w.mu.Unlock()
	if up {
		w.connect()
	}
	w.wait(200)
	w.mu.Lock()
	w.tell(ShadowLive{ID: syncID})
	w.mu.Unlock()
}

func (w *syncWorld) tell(in Input) {
	if w.device != nil {
		w.device.in <- in
	}
}

// start starts the component with what is on its disk.
func (w *syncWorld) start() {
	cfg, err := config.Parse([]byte(syncConfig), "gw")
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note("component starts")
	random := rand.New(rand.NewPCG(w.rand.Uint64(), 2))
	d := &syncDevice{w, rand.New(rand.NewPCG(w.rand.Uint64(), 4)), New(cfg, "1.0.0", w.disk, random, slog.New(slog.DiscardHandler)), make(chan Input, 10000), make(chan struct{}), map[string]lines.Request{}}
	w.device = d
	d.in <- Start{}
	if w.core {
		d.in <- ShadowLive{ID: syncID}
	}
	go d.run()
}

// kill ends the component. Nobody holds its lines.
func (w *syncWorld) kill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note("component is killed")
	close(w.device.end)
	w.device = nil
	w.levels["bell"] = false
	w.kills++
}

func (d *syncDevice) run() {
	for {
		wake := time.Hour
		if at := d.engine.Wake(); !at.IsZero() {
			wake = time.Until(at)
		}
		timer := time.NewTimer(wake)
		var in Input
		select {
		case <-d.end:
			timer.Stop()
			return
		case in = <-d.in:
		case <-timer.C:
			in = Tick{}
		}
		timer.Stop()
		d.w.mu.Lock()
		if d.w.device == d {
			for _, e := range d.engine.Step(time.Now(), in) {
				d.carryOut(e)
			}
		}
		d.w.mu.Unlock()
	}
}

// later answers after a moment, unless the run has ended.
func (d *syncDevice) later(most int, answer func() Input) {
	delay := time.Duration(d.rand.IntN(most*1000)) * time.Microsecond
	time.AfterFunc(delay, func() {
		d.w.mu.Lock()
		defer d.w.mu.Unlock()
		if in := answer(); d.w.device == d {
			d.in <- in
		}
	})
}

func (d *syncDevice) carryOut(effect Effect) {
	w := d.w
	switch e := effect.(type) {
	case lines.Request:
		for i, value := range e.Values {
			if value != nil {
				w.set(e.Lines[i], *value)
			}
			d.claims[e.Lines[i]] = e
		}
		if len(e.Values) == 0 {
			d.claims[e.Label] = e
		}
		d.in <- LinesReady{Claim: e.Claim, Values: w.read(e.Lines)}
	case lines.Write:
		for _, claim := range d.claims {
			if claim.Claim == e.Claim {
				for i, value := range e.Values {
					w.set(claim.Lines[i], value)
				}
				d.in <- LinesWritten{e.Claim, w.read(claim.Lines)}
				break
			}
		}
	case Save:
		d.later(20, func() Input {
			if w.device == d {
				w.disk = e.State
			}
			return Saved{Seq: e.Seq}
		})
	case replica.Fetch:
		d.later(20, func() Input {
			switch {
			case !w.core:
				return replica.Fetched{ID: e.ID, Seq: e.Seq, Outcome: replica.NotSent, Err: errors.New("no core")}
			case w.local == nil:
				return replica.Fetched{ID: e.ID, Seq: e.Seq, Outcome: replica.Missing, Err: errors.New("none")}
			}
			doc, err := shadow.ParseDocument(w.local.Got(time.Now().Unix()))
			if err != nil {
				w.t.Error(err)
			}
			return replica.Fetched{ID: e.ID, Seq: e.Seq, Document: doc}
		})
	case replica.Update:
		d.later(20, func() Input {
			if !w.core {
				return replica.Updated{ID: e.ID, Seq: e.Seq, Outcome: replica.NotSent, Err: errors.New("no core")}
			}
			payload, err := shadow.Update{Reported: e.Reported, Desired: e.Desired, Version: e.Version, ClientToken: e.Token}.Encode()
			if err != nil {
				w.t.Error(err)
			}
			if err := w.update(payload); err != nil {
				return replica.Updated{ID: e.ID, Seq: e.Seq, Outcome: replica.Conflict, Err: err}
			}
			return replica.Updated{ID: e.ID, Seq: e.Seq, Version: w.local.Version}
		})
	}
}

func (w *syncWorld) set(line string, value bool) {
	if line == "bell" && value && !w.levels[line] {
		w.rung++
		w.note("the bell rings")
	}
	w.levels[line] = value
}

func (w *syncWorld) read(labels []string) []bool {
	var values []bool
	for _, label := range labels {
		values = append(values, w.levels[label] || w.inputs[label])
	}
	return values
}

// update is an update of the shadow manager. mu is held.
func (w *syncWorld) update(payload []byte) error {
	u, err := shadowdoc.ParseUpdate(payload)
	if err != nil {
		w.t.Errorf("update %s: %v", payload, err)
		return err
	}
	before := w.lampDesired()
	change, err := shadowdoc.Apply(w.local, u, time.Now().Unix(), shadowdoc.DefaultSizeLimit, shadowdoc.Faithful)
	if err != nil {
		return err
	}
	w.local = change.After
	switch own := strings.Contains(string(payload), `"shadowgpio-`); {
	case w.lampDesired() == before:
	case own:
		w.lampAt = time.Now()
	case time.Since(w.lampAt) < 2*time.Second:
		w.raced = true
	}
	w.note("device version %d: %s", w.local.Version, payload)
	accepted, err := shadow.ParseAccepted(change.Accepted(time.Now().Unix()))
	if err != nil {
		w.t.Error(err)
	}
	w.tell(Accepted{syncID, accepted})
	w.sync.LocalUpdate(syncKey, payload, change.After)
	return nil
}

func (w *syncWorld) lampDesired() shadowdoc.Value {
	if w.local == nil {
		return nil
	}
	lamp, _ := w.local.Desired.Get("lamp")
	return lamp
}

// syncLocal is the device's side of the synchronization.
type syncLocal syncWorld

func (l *syncLocal) Document(shadowsync.Key) *shadowdoc.Document {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.local
}

func (l *syncLocal) Version(shadowsync.Key) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.local == nil {
		return 0
	}
	return l.local.Version
}

func (l *syncLocal) Update(_ shadowsync.Key, payload []byte) (*shadowdoc.Document, error) {
	w := (*syncWorld)(l)
	time.Sleep(pause(w.both, 40)) // the database
	w.mu.Lock()
	err := w.update(payload)
	after := w.local
	w.mu.Unlock()
	if err != nil {
		return nil, shadowsync.ErrConflict
	}
	time.Sleep(pause(w.both, 10))
	return after, nil
}

func (l *syncLocal) Delete(shadowsync.Key) error { return shadowsync.ErrNotFound }

// syncCloud is the other side.
type syncCloud syncWorld

func (c *syncCloud) store(payload []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	u, err := shadowdoc.ParseCloudUpdate(payload)
	if err != nil {
		c.t.Errorf("update of the cloud %s: %v", payload, err)
		return nil, err
	}
	change, err := shadowdoc.ApplyCloud(c.cloud, 0, u, time.Now().Unix(), shadowdoc.DefaultSizeLimit)
	if err != nil {
		return nil, shadowsync.ErrConflict
	}
	c.cloud = change.After
	(*syncWorld)(c).note("cloud version %d: %s", c.cloud.Version, payload)
	accepted := change.Accepted(time.Now().Unix())
	if c.link {
		c.sync.CloudUpdate(syncKey, accepted)
	}
	return accepted, nil
}

func (c *syncCloud) UpdateThingShadow(_ context.Context, _, _ string, payload []byte) ([]byte, error) {
	w := (*syncWorld)(c)
	time.Sleep(pause(w.both, 100))
	w.mu.Lock()
	up, stored := w.link, w.both.IntN(2) == 0
	w.mu.Unlock()
	if !up && !stored {
		return nil, context.Canceled
	}
	reply, err := c.store(payload)
	time.Sleep(pause(w.both, 100))
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.link {
		return nil, context.Canceled
	}
	return reply, err
}

func (c *syncCloud) GetThingShadow(context.Context, string, string) ([]byte, error) {
	w := (*syncWorld)(c)
	time.Sleep(pause(w.both, 100))
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !w.link:
		return nil, context.Canceled
	case w.cloud == nil:
		return nil, shadowsync.ErrNotFound
	}
	return w.cloud.Got(time.Now().Unix()), nil
}

func (c *syncCloud) DeleteThingShadow(context.Context, string, string) error {
	return shadowsync.ErrNotFound
}

// heal brings all up, for long enough.
func (w *syncWorld) heal() {
	w.mu.Lock()
	w.note("heal")
	w.mu.Unlock()
	w.sync.Slow(0)
	if !w.link {
		w.connect()
	}
	time.Sleep(2 * time.Minute)
	// A change that the synchronization has to copy, so that it has run.
	w.desire(`{"state":{"desired":{"end":true}}}`)
	time.Sleep(2 * time.Minute)
}

func (w *syncWorld) judge() {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.t
	if w.rung > w.presses || w.rung < w.presses-w.kills-w.offline {
		t.Errorf("the bell rang %d times, want %d as it was desired, less at most %d as the component was killed, and %d without a link", w.rung, w.presses, w.kills, w.offline)
	}
	if w.cloud == nil || w.local == nil {
		t.Fatal("want a shadow on both sides")
	}
	var doc struct{ Desired, Reported map[string]any }
	if err := json.Unmarshal(shadowdoc.Append(nil, w.local.State()), &doc); err != nil {
		t.Fatal(err)
	}
	// What others write is not the component's to repeat: of what the cloud changes, too,
	// the shadow manager loses nulls that wait.
	local, cloud := w.local.State().Clone(), w.cloud.State().Clone()
	for _, side := range []*shadowdoc.Object{local, cloud} {
		for _, name := range []string{"desired", "reported"} {
			if section, ok := side.Get(name); ok {
				section := section.(*shadowdoc.Object)
				section.Delete("note")
				section.Delete("other")
				if w.raced && name == "desired" {
					section.Delete("lamp")
				}
				if acks, ok := section.Get(shadow.AckKey); ok && w.kills > 0 {
					// The next run does not know what the last one deleted.
					acks.(*shadowdoc.Object).Delete("other")
					for _, ack := range acks.(*shadowdoc.Object).All() {
						if ack, ok := ack.(*shadowdoc.Object); ok {
							ack.Delete("reason")
						}
					}
				}
			}
		}
	}
	if !shadowdoc.Equal(local, cloud) {
		t.Errorf("device and cloud differ:\n%s\n%s", w.local.JSON(), w.cloud.JSON())
	}
	if bell := doc.Desired["bell"]; bell != nil {
		t.Errorf("bell=%v is still desired", bell)
	}
	for _, line := range []string{"bell", "lamp", "door"} {
		if is := w.levels[line] || w.inputs[line]; doc.Reported[line] != is {
			t.Errorf("%s is %v, reported %v", line, is, doc.Reported[line])
		}
	}
	if lamp := doc.Desired["lamp"]; lamp != nil && lamp != w.levels["lamp"] {
		t.Errorf("the lamp is %v, desired %v", w.levels["lamp"], lamp)
	}
}
