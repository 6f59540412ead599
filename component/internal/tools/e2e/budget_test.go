package e2e

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

var budgetTime = flag.Duration("budget", 10*time.Second, "how long TestRequestBudget goes on")

// budgetLimit is the share of the shadow manager's 20 requests a second for one thing
// that the component may use.
const budgetLimit = 16

// The shadows and properties of TestRequestBudget: a hundred properties of one thing.
const (
	budgetShadows  = 4
	budgetSettings = 20 // in each shadow, beside five of the input
)

// TestRequestBudget counts requests where they arrive, at the core's socket, while an
// input flaps 1,000 times a second, values are desired, and the core restarts, throttles,
// loses requests and replies, and is slow.
func TestRequestBudget(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	b := newBudgetScene(t)
	over := time.Now().Add(*budgetTime)
	var parts sync.WaitGroup
	for stream, part := range []func(*rand.Rand, time.Time){b.flap, b.apply, b.disturb} {
		rng := rand.New(rand.NewPCG(seed, uint64(stream)))
		parts.Go(func() { part(rng, over) })
	}
	parts.Wait()
	b.order(order{Do: "heal"})
	b.settles()
	total, most := b.proxy.total(), b.proxy.busiest(time.Second)
	t.Logf("%d requests in %v; the most in any window of a second: %d", total, *budgetTime, most)
	if most > budgetLimit {
		t.Errorf("%d requests for one thing within a second, want at most %d", most, budgetLimit)
	}
	if most < budgetLimit-4 {
		t.Errorf("%d requests within a second at most: the budget was not put to the test", most)
	}
}

// budgetScene is a component before a core whose requests are counted.
type budgetScene struct {
	t     *testing.T
	rig   *rig
	proxy *proxy
	setup coreSetup

	mu      sync.Mutex
	core    *coreProcess
	desired map[string]int // by "shadow/property", what the core is known to hold; -1 is unknown
}

func newBudgetScene(t *testing.T) *budgetScene {
	t.Helper()
	r := &rig{t: t, dir: shortDir(t), events: newJournal(), token: "BUDGETBUDGETBUD1"}
	r.coreAt, r.chipsAt = filepath.Join(r.dir, "proxy.socket"), filepath.Join(r.dir, "chips.socket")
	b := &budgetScene{t: t, rig: r, desired: map[string]int{}}
	b.setup = coreSetup{filepath.Join(r.dir, "core"), filepath.Join(r.dir, "ipc.socket"), filepath.Join(r.dir, "config.yaml"), r.token}
	if err := os.MkdirAll(r.work(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.setup.Config, []byte(budgetConfig()), 0o600); err != nil {
		t.Fatal(err)
	}
	r.simulate()
	b.proxy = newProxy(b.setup.Socket)
	serve(t, r.coreAt, b.proxy.serve)
	b.startCore()
	p := r.start()
	for i := range budgetShadows {
		p.says("shadow does not exist; it is created", shadowNamed(i))
	}
	return b
}

func shadowNamed(i int) string { return fmt.Sprint("part", i) }

func budgetConfig() string {
	var c strings.Builder
	c.WriteString("holdFor: 0s\nlines:\n  flap: {line: DOOR, direction: input}\nshadows:\n")
	for i := range budgetShadows {
		fmt.Fprintf(&c, "  s%d:\n    name: %s\n    properties:\n", i, shadowNamed(i))
		c.WriteString(`      level: {line: flap}
      count: {line: flap, count: rising, interval: 100ms}
      rate:  {line: flap, rate: rising, interval: 100ms}
      duty:  {line: flap, duty: 10s, interval: 100ms}
      last:  {line: flap, changed: both}
`)
		for n := range budgetSettings {
			fmt.Fprintf(&c, "      p%d: {setting: integer, default: 0}\n", n)
		}
	}
	return c.String()
}

func (b *budgetScene) startCore() {
	core := startCore(b.t, b.setup, func(devcore.Event) {})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.core = core
}

func (b *budgetScene) order(o order) (json.RawMessage, error) {
	b.mu.Lock()
	core := b.core
	b.mu.Unlock()
	return core.call(o)
}

// flap has the input change its level 2,000 times a second: it comes on 1,000 times.
func (b *budgetScene) flap(_ *rand.Rand, over time.Time) {
	tick := time.NewTicker(time.Second / 2000)
	defer tick.Stop()
	for high := true; time.Now().Before(over); high = !high {
		<-tick.C
		b.rig.chip.SetPull(chipName, doorOffset, high)
	}
}

// apply is the application, which requests values without a pause.
func (b *budgetScene) apply(rng *rand.Rand, over time.Time) {
	tick := time.NewTicker(time.Second / 20)
	defer tick.Stop()
	for n := 1; time.Now().Before(over); n++ {
		<-tick.C
		shadow, property := shadowNamed(rng.IntN(budgetShadows)), fmt.Sprint("p", rng.IntN(budgetSettings))
		_, err := b.order(order{Do: "update", Shadow: shadow, Body: fmt.Appendf(nil, `{"state":{"desired":{%q:%d}}}`, property, n)})
		switch {
		case err == nil:
			b.desired[shadow+"/"+property] = n
		case errors.Is(err, errCoreGone):
			b.desired[shadow+"/"+property] = -1
		}
	}
}

// disturb has the core fail in every way.
func (b *budgetScene) disturb(rng *rand.Rand, over time.Time) {
	rules := []string{
		"UpdateThingShadow throttle times 5", "GetThingShadow throttle times 3", "UpdateThingShadow dropReply times 2",
		"* drop times 2", "UpdateThingShadow delayReply 200ms times 5", "GetThingShadow delay 100ms times 3",
		"UpdateThingShadow silence times 1", "UpdateThingShadow redeliver times 3",
	}
	for {
		pause := time.Duration(300+rng.IntN(1700)) * time.Millisecond
		if time.Until(over) < pause {
			return
		}
		time.Sleep(pause)
		switch n := rng.IntN(len(rules) + 4); {
		case n < len(rules):
			b.order(order{Do: "fault", Text: rules[n]})
		case n == len(rules):
			b.order(order{Do: "notReady", Text: "200ms"})
		case n == len(rules)+1:
			b.proxy.cut()
		default:
			b.core.kill()
			time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
			b.startCore()
		}
	}
}

// settles waits until every desired value is reported.
func (b *budgetScene) settles() {
	b.t.Helper()
	var missing string
	right := func() bool {
		for key, want := range b.desired {
			shadow, property, _ := strings.Cut(key, "/")
			body, err := b.order(order{Do: "row", Shadow: shadow})
			var d stormDocument
			if err == nil {
				err = json.Unmarshal(body, &d)
			}
			got := d.State.Reported[property]
			if err != nil || want >= 0 && got != float64(want) {
				missing = fmt.Sprintf("%s is reported as %v, want %d: %v", key, got, want, err)
				return false
			}
		}
		return true
	}
	for deadline := time.Now().Add(patience); !right(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Errorf("after %v: %s", patience, missing)
			return
		}
	}
}
