package faults_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// TestScriptRuns runs in simulated time.
func TestScriptRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var got []string
		note := func(format string, args ...any) {
			got = append(got, fmt.Sprintf("%v ", time.Since(start))+fmt.Sprintf(format, args...))
		}
		set := faults.New(faults.Host{
			Restart:   func(d time.Duration) { note("restart %v", d) },
			NotReady:  func(d time.Duration) { note("not ready %v", d) },
			Throttled: errors.New("throttled"),
			Observe:   func(h faults.Hit) { note("%d %s", h.Rule, h.Did) },
		})
		parsed, err := faults.Parse([]byte(script))
		if err != nil {
			t.Fatal(err)
		}
		set.Load(parsed)
		set.Run(t.Context(), parsed.Steps)
		want := []string{
			"0s 3 added: GetThingShadow silence",
			"5s 0 the core is away for 3s, by the script", "5s restart 3s",
			"5s 0 the shadow manager's database is closed for 1s, by the script", "5s not ready 1s",
			"10s 0 all rules cleared, by the script",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		if set.Seed() != 7 || len(set.List()) != 0 {
			t.Errorf("seed %d, rules %v", set.Seed(), set.List())
		}

		got = nil
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		set.Load(parsed)
		set.Run(ctx, parsed.Steps)
		if len(got) != 1 || len(set.List()) != 3 {
			t.Errorf("a script that is ended: %q, %v", got, set.List())
		}
	})
}

func TestSeed(t *testing.T) {
	parsed, err := faults.Parse([]byte("seed: 42\nrules: [GetThingShadow refuse ServiceError probability 0.3]"))
	if err != nil {
		t.Fatal(err)
	}
	run := func() (answers string) {
		r := newRig(t)
		r.core.Faults().Load(parsed)
		c := r.client("a")
		for range 15 {
			answers += code(t, c, model.GetThingShadow, get)[:1]
		}
		return answers
	}
	first, second := run(), run()
	if first != second {
		t.Errorf("the same seed: %s, then %s", first, second)
	}
	if !slices.Contains([]byte(first), 'S') || !slices.Contains([]byte(first), 'R') {
		t.Errorf("probability 0.3: %s", first)
	}
}
