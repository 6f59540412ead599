package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// A gateway without a battery for its clock starts somewhere in the past, and jumps
// when it hears of the time; one that was set wrong jumps back.
var jumps = []time.Duration{-10 * 365 * 24 * time.Hour, -time.Hour, time.Hour, 10 * 365 * 24 * time.Hour}

// jumped is the time t after the wall clock was set by d, as time.Now would read it:
// what was measured since boot goes on.
func jumped(t *testing.T, now time.Time, d time.Duration) time.Time {
	t.Helper()
	set := now
	// Of the three words of a time.Time with both clocks, the first has the wall's
	// seconds in 33 bits above 30 of nanoseconds.
	word := (*uint64)(unsafe.Pointer(&set))
	*word = uint64(int64(*word) + int64(d/time.Second)<<30)
	if set.Sub(now) != 0 || set.Unix()-now.Unix() != int64(d/time.Second) {
		t.Skip("this version of Go keeps its times otherwise")
	}
	return set
}

func eachJump(t *testing.T, config string, play func(t *testing.T, r *rig, jump func())) {
	for _, d := range jumps {
		t.Run(d.String(), func(t *testing.T) {
			r := newRig(t, config, state.State{})
			r.now = time.Now() // with both clocks
			play(t, r, func() { r.now = jumped(t, r.now, d) })
		})
	}
}

// The length of a pulse is not the wall clock's.
func TestClockJumpsDuringAPulse(t *testing.T) {
	config := strings.Replace(testConfig, "pump: {line: pump}", "pump: {line: pump, pulse: 10s}", 1)
	eachJump(t, config, func(t *testing.T, r *rig, jump func()) {
		r.step(Start{})
		r.step(shadowLive{"plant"})
		r.fetched("plant", fmt.Sprintf(`{"version":1,"state":{"desired":{"pump":true}},"metadata":{"desired":{"pump":{"timestamp":%d}}}}`, r.now.Unix()))
		r.pass(4 * time.Second)
		jump()
		r.step(Tick{})
		r.pass(5900 * time.Millisecond)
		if !r.lines["pump"] {
			t.Fatal("the pump is off before its 10 s were over")
		}
		r.pass(200 * time.Millisecond)
		if r.lines["pump"] {
			t.Error("the pump is on after its 10 s were over")
		}
	})
}

// Nor how long something has to hold before an alarm is raised.
func TestClockJumpsDuringTheHoldTimeOfAnAlarm(t *testing.T) {
	eachJump(t, controlConfig, func(t *testing.T, r *rig, jump func()) {
		r.step(Start{})
		r.edge("tank", true)
		r.pass(3 * time.Second)
		jump()
		r.step(Tick{})
		r.pass(1900 * time.Millisecond)
		if r.lines["siren"] {
			t.Fatal("raised before it held for 5 s")
		}
		if r.pass(200 * time.Millisecond); !r.lines["siren"] {
			t.Error("not raised after it held for 5 s")
		}
	})
}

// Neither are the pauses of requests and of the disk, and the limit of requests.
func TestClockJumpsDuringPauses(t *testing.T) {
	eachJump(t, testConfig, func(t *testing.T, r *rig, jump func()) {
		r.step(Start{})
		r.step(shadowLive{"main"})
		r.step(documentFetched{Shadow: "main", Seq: r.lastFetch("main").Seq, Outcome: Unknown, Err: errors.New("starting")})
		jump()
		r.step(Tick{})
		if len(r.fetches) > 1 {
			t.Error("the shadow was read again without a pause")
		}
		r.pass(3 * firstFetch)
		if len(r.fetches) < 2 {
			t.Fatal("the shadow was not read again")
		}
		r.fetched("main", `{"version":1,"state":{"reported":{"lights":"off","locked":false}}}`)
		r.pass(time.Minute)
		saved := len(r.saves)
		r.accepted("main", 2, `{"lights":"on"}`, `{}`)
		for version := int64(3); version < 13; version += 2 {
			u, _ := r.update("main")
			r.accept(u, version)
			r.edge("door", true)
			jump()
			r.step(Tick{})
			if len(r.updates) > 0 {
				t.Fatal("a report followed another at once")
			}
			r.pass(reportInterval)
			u, _ = r.update("main")
			r.accept(u, version+1)
			r.pass(reportInterval)
			r.edge("door", false)
		}
		r.pass(2 * saveDelay)
		if len(r.saves) == saved {
			t.Error("the outputs were not saved")
		}
	})
}

// An answer that was given while the clock was ahead is none to another value that was
// desired after it was set right, while the process was away.
func TestAnswerOfAClockThatWasAhead(t *testing.T) {
	const document = `{"version":9,
		"state":{"desired":{"lights":%q},"reported":{"lights":"on","locked":false,"ack":{"lights":{"code":200,"version":5}}}},
		"metadata":{"desired":{"lights":{"timestamp":1700000000}},"reported":{"lights":{"timestamp":1700003600},"ack":{"lights":{"code":{"timestamp":1700003600}}}}}}`
	r := newRig(t, testConfig, state.State{Outputs: map[string]bool{"GPIO17": true}})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", fmt.Sprintf(document, "off"))
	r.reports("main", `{"ack":{"lights":{"code":200,"version":9}},"lights":"off"}`, 10)
	r = newRig(t, testConfig, state.State{Outputs: map[string]bool{"GPIO17": true}})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", fmt.Sprintf(document, "on")) // which it does answer
	r.reportsNothing()
}

// The shadow manager's times jump, too. A level follows all the same. A pulse that still
// stands is the same request: a synchronization writes it again with another time.
func TestClockOfTheShadowManagerJumps(t *testing.T) {
	const at = 1_700_000_000
	for _, d := range jumps {
		t.Run(d.String(), func(t *testing.T) {
			config := strings.Replace(testConfig, "pump: {line: pump}", "pump: {line: pump, pulse: 1s}", 1)
			r := newRig(t, config, state.State{})
			later := at + int64(d/time.Second)
			read := func(version int, lights string, pump bool, timestamp int64) {
				r.step(shadowLive{"main"})
				r.step(shadowLive{"plant"})
				r.fetched("main", fmt.Sprintf(`{"version":%d,"state":{"desired":{"lights":%q}},"metadata":{"desired":{"lights":{"timestamp":%d}}}}`, version, lights, timestamp))
				r.fetched("plant", fmt.Sprintf(`{"version":%d,"state":{"desired":{"pump":%v}},"metadata":{"desired":{"pump":{"timestamp":%d}}}}`, version, pump, timestamp))
				r.pass(5 * time.Second)
				r.updates = nil
			}
			r.step(Start{})
			read(1, "on", true, at)
			r.step(shadowLost{"main", errors.New("connection lost")})
			r.step(shadowLost{"plant", errors.New("connection lost")})
			r.sets = nil
			read(9, "off", true, later)
			if r.lines["lamp"] {
				t.Error("the lamp is on, want off as desired last")
			}
			if len(r.sets) != 1 {
				t.Errorf("lines were set %v, want the lamp only: the pulse was carried out", r.sets)
			}
		})
	}
}
