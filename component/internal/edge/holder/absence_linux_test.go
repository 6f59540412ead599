package holder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// recorder is an adopter that notes what is set, and when. It is one of the lines
// that it adopts.
type recorder struct {
	gpio.Lines
	began time.Time
	set   []string
	fail  func() error
}

func (r *recorder) Adopt(file *os.File, chip, consumer string, offsets []int) (gpio.Lines, error) {
	return r, file.Close()
}

func (r *recorder) SetValues(values []bool) error {
	if err := r.fail(); err != nil {
		return err
	}
	r.set = append(r.set, fmt.Sprint(time.Since(r.began), values))
	return nil
}

func (r *recorder) Close() error { return nil }

// absent runs a holder whose owner has just gone, until it ends, and gives how long
// that took, with what it has to tell.
func absent(t *testing.T, r *recorder, stop, holdFor time.Duration, orders map[string][]order) (took time.Duration, told int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if r.fail == nil {
			r.fail = func() error { return nil }
		}
		r.began = time.Now()
		h := &holder{
			Server:   Server{Adopter: r, Logger: slog.New(slog.DiscardHandler)},
			until:    r.began.Add(holdFor),
			requests: map[string]*kept{},
		}
		for key, orders := range orders {
			file, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			k := &kept{key: key, file: file, request: Request{Offsets: []int{1}}}
			if err := k.guard(orders); err != nil {
				t.Fatal(err)
			}
			h.requests[key] = k
		}
		ctx, cancel := context.WithTimeout(t.Context(), stop)
		defer cancel()
		h.run(ctx, nil)
		for key, k := range h.requests {
			if ctx.Err() == nil {
				t.Errorf("%s is still held", key)
			}
			k.file.Close()
		}
		took, told = time.Since(r.began), len(h.told)
	})
	return took, told
}

var (
	on, off = []bool{true}, []bool{false}
	never   = 1000 * time.Hour
)

func TestAbsence(t *testing.T) {
	for name, c := range map[string]struct {
		stop, holdFor time.Duration
		orders        map[string][]order
		set           []string
		took          time.Duration
	}{
		"nothing to hold":      {never, time.Minute, nil, nil, time.Minute},
		"held for a time":      {never, time.Minute, map[string][]order{"a": nil}, nil, time.Minute},
		"not held at all":      {never, 0, map[string][]order{"a": nil}, nil, 0},
		"at once":              {never, time.Minute, map[string][]order{"a": {{Values: off}}}, []string{"0s [false]"}, time.Minute},
		"a pulse":              {never, time.Minute, map[string][]order{"a": {{After: 3 * time.Second, Values: off}}}, []string{"3s [false]"}, time.Minute},
		"longer than the hold": {never, time.Second, map[string][]order{"a": {{After: time.Hour, Values: off}}, "b": nil}, []string{"1h0m0s [false]"}, time.Hour},
		"several": {never, time.Minute, map[string][]order{"a": {{2 * time.Second, off}, {time.Second, on}, {3 * time.Second, on}}},
			[]string{"1s [true]", "2s [false]", "3s [true]"}, time.Minute},
		"two requests": {never, 0, map[string][]order{"a": {{2 * time.Second, off}}, "b": {{time.Second, on}}},
			[]string{"1s [true]", "2s [false]"}, 2 * time.Second},
		"asked to end": {5 * time.Second, time.Minute, map[string][]order{"a": {{time.Second, on}, {time.Hour, off}}},
			[]string{"1s [true]", "5s [false]"}, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			r := &recorder{}
			took, told := absent(t, r, c.stop, c.holdFor, c.orders)
			if !slices.Equal(r.set, c.set) || took != c.took || told != len(c.set) {
				t.Errorf("set %v in %v and tells %d, want %v in %v", r.set, took, told, c.set, c.took)
			}
		})
	}
}

func TestAbsenceTriesAgain(t *testing.T) {
	tries := 0
	r := &recorder{fail: func() error {
		if tries++; tries < 4 {
			return errors.New("the bus is busy")
		}
		return nil
	}}
	took, _ := absent(t, r, never, 0, map[string][]order{"a": {{Values: off}}})
	if want := []string{"3s [false]"}; !slices.Equal(r.set, want) || took != 3*time.Second {
		t.Errorf("set %v in %v, want %v", r.set, took, want)
	}
}

func TestAbsenceGivesUp(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		took time.Duration
	}{
		"an order that never works": {errors.New("broken"), 59 * time.Second},
		"a chip that is gone":       {&gpio.OpError{Op: "set", Err: gpio.ErrGone}, 0},
	} {
		r := &recorder{fail: func() error { return c.err }}
		took, told := absent(t, r, never, 0, map[string][]order{"a": {{Values: off}}})
		if len(r.set) > 0 || took != c.took || told != 1 {
			t.Errorf("%s: set %v in %v, told %d things, want %v", name, r.set, took, told, c.took)
		}
	}
}
