package replica

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// unknownKeysJSON is a desired section with keys from low up to high.
func unknownKeysJSON(low, high int, value string) string {
	var members []string
	for i := low; i < high; i++ {
		members = append(members, fmt.Sprintf(`"k%04d":%s`, i, value))
	}
	return "{" + strings.Join(members, ",") + "}"
}

// logged makes the log of a bench readable.
func (b *bench) logged() *bytes.Buffer {
	log := new(bytes.Buffer)
	b.log = slog.New(slog.NewTextHandler(log, nil))
	b.r.log = b.log
	return log
}

// sent takes the one update that is sent, whatever it writes.
func (b *bench) sent(t *testing.T) Update {
	t.Helper()
	effects := b.effects()
	if len(effects) == 1 {
		if u, ok := effects[0].(Update); ok {
			return u
		}
	}
	t.Fatalf("requests %+v, want one update", effects)
	return Update{}
}

// acks are the answers that an update writes.
func acks(t *testing.T, u Update) map[string]shadow.Ack {
	t.Helper()
	all := map[string]shadow.Ack{}
	members, _ := u.Reported[shadow.AckKey].(map[string]any)
	for key, value := range members {
		ack, ok := shadow.ParseAck(value)
		if !ok {
			t.Errorf("%s: %v is no answer", key, value)
		}
		all[key] = ack
	}
	return all
}

// TestManyUnknownKeys: answers and log messages do not grow with the number of keys.
func TestManyUnknownKeys(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	log := b.logged()
	b.Live(b.now, gw, false)
	b.document(b.fetch(), `{"version":5,"state":{"desired":`+unknownKeysJSON(0, 2400, "1")+`}}`)
	acks := acks(t, b.sent(t))
	if len(acks) != maxUnknown+1 || acks["k0000"].Code != shadow.NoProperty || acks["k0015"].Code != shadow.NoProperty {
		t.Fatalf("%d answers: %v", len(acks), acks)
	}
	if got := acks[shadow.RestKey]; got != (shadow.Ack{Code: shadow.NoProperty, Version: 5, Reason: "2384 more desired keys have no property"}) {
		t.Errorf("the other keys are answered with %+v", got)
	}
	if text := log.String(); strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, "count=2400") || !strings.Contains(text, "k0004") || len(text) > 1000 {
		t.Errorf("logged %d bytes:\n%.2000s", len(text), text)
	}

	// What was told is not told again; what is new is.
	log.Reset()
	b.message(6, `{"desired":`+unknownKeysJSON(0, 2000, "2")+`}`)
	b.message(7, `{"desired":{"another":1}}`)
	if text := log.String(); strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, "count=1 ") {
		t.Errorf("logged\n%.2000s", text)
	}

	// A key that is withdrawn makes room for another.
	b.message(8, `{"desired":{"k0000":null}}`)
	b.message(9, `{"desired":`+unknownKeysJSON(100, 2400, "null")+`}`)
	r := b.r
	if got := len(r.unknown.all); got != 100 {
		t.Errorf("%d unknown keys are known, want 100", got)
	}
	if _, answered := r.Acknowledged("k0000"); answered {
		t.Error("a withdrawn key is still answered")
	}
	if _, answered := r.Acknowledged("another"); !answered {
		t.Error("a free place for an answer was not taken")
	}
	if ack, _ := r.Acknowledged(shadow.RestKey); ack.Reason != "84 more desired keys have no property" {
		t.Errorf("the other keys are answered with %+v", ack)
	}
	b.message(10, `{"desired":`+unknownKeysJSON(0, 100, "null")+`}`)
	if _, answered := r.Acknowledged(shadow.RestKey); answered || len(r.wantAck) != 1 {
		t.Errorf("answers without unknown keys: %v", r.wantAck)
	}
	if len(r.withdrawn) > maxWithdrawn {
		t.Errorf("%d withdrawn requests are remembered", len(r.withdrawn))
	}
}

// TestUnknownKeysAfterARestart: a run that finds its answers in the shadow writes none,
// and one that finds too many deletes them.
func TestUnknownKeysAfterARestart(t *testing.T) {
	t.Parallel()
	answers := func(n int) string {
		var acks []string
		for i := range n {
			acks = append(acks, fmt.Sprintf(`"k%04d":{"code":404,"version":3,"reason":"no such property"}`, i))
		}
		return strings.Join(acks, ",")
	}
	const metadata = `,"metadata":{"desired":%s,"reported":{"ack":%s}}`
	times := func(n int, at int) string { return unknownKeysJSON(0, n, fmt.Sprintf(`{"timestamp":%d}`, at)) }
	b := newBench(t)
	b.Live(b.now, gw, false)
	b.document(b.fetch(), `{"version":5,"state":{"desired":`+unknownKeysJSON(0, 20, "1")+`,"reported":{"ack":{`+answers(16)+`,"*":{"code":404,"version":3,"reason":"4 more desired keys have no property"}}}}`+
		fmt.Sprintf(metadata, times(20, 10), times(16, 11))+`}`)
	b.nothing()

	b = newBench(t)
	b.Live(b.now, gw, false)
	b.document(b.fetch(), `{"version":5,"state":{"desired":`+unknownKeysJSON(0, 100, "1")+`,"reported":{"ack":{`+answers(100)+`}}}`+fmt.Sprintf(metadata, times(100, 10), times(100, 11))+`}`)
	written, _ := b.sent(t).Reported[shadow.AckKey].(map[string]any)
	deleted := 0
	for _, ack := range written {
		if ack == nil {
			deleted++
		}
	}
	if deleted != 84 || len(written) != 85 {
		t.Errorf("of 100 answers %d are deleted, %d written", deleted, len(written))
	}
}

func TestUnknownKeysWithNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.Live(b.now, gw, false)
	long, err := json.Marshal(strings.Repeat("x", maxUnknownKey+1))
	if err != nil {
		t.Fatal(err)
	}
	b.document(b.fetch(), `{"version":5,"state":{"desired":{"*":1,`+string(long)+`:1,"short":1}}}`)
	acks := acks(t, b.sent(t))
	if len(acks) != 2 || acks["short"].Code != shadow.NoProperty || acks[shadow.RestKey].Reason != "2 more desired keys have no property" {
		t.Errorf("answers %v", acks)
	}
}

// TestWarningsThatReturn: a problem that comes and goes is logged once a minute.
func TestWarningsThatReturn(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	log := b.logged()
	for range 100 {
		b.Live(b.now, gw, false)
		b.document(b.fetch(), `{"version":5,"state":{}}`)
		b.Lost(gw, fmt.Errorf("message too large"))
		b.pass(100 * time.Millisecond)
		b.Flush(b.now)
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings in ten seconds, want 1", n)
	}
	b.pass(warnPause)
	b.Flush(b.now)
	b.Live(b.now, gw, false)
	b.document(b.fetch(), `{"version":5,"state":{}}`)
	b.Lost(gw, fmt.Errorf("message too large"))
	if n := strings.Count(log.String(), "level=WARN"); n != 2 {
		t.Errorf("%d warnings after a minute, want 2", n)
	}
}

// TestEarlyMessagesAreBoundedInBytes: few large messages during a fetch lead to another
// read, as many small ones do.
func TestEarlyMessagesAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.Live(b.now, gw, false)
	first := b.fetch()
	for i := range 3 {
		b.Accepted(b.now, gw, shadow.Accepted{Version: int64(6 + i), Size: maxEarlyBytes / 2, Desired: map[string]any{"lamp": true}})
	}
	if r := b.r; len(r.early) != 0 || r.phase != unknown {
		t.Errorf("%d messages are kept, phase %d", len(r.early), r.phase)
	}
	b.document(first, `{"version":5,"state":{}}`)
	b.nothing()
	b.pass(2 * firstFetch)
	b.document(b.fetch(), `{"version":8,"state":{"desired":{"lamp":true}}}`)
	b.requests("lamp=true")
}
