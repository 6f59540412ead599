package environment

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/eventlog"
)

// TestPartsComeBack ends a part again and again. It is started again with pauses that
// grow, and each end and return is told.
func TestPartsComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		var starts []time.Duration
		began, lives, listened := time.Now(), time.Duration(0), 0
		serve := func(context.Context, net.Listener) error {
			starts = append(starts, time.Since(began))
			time.Sleep(lives)
			if len(starts) == 9 {
				lives = steady
			}
			if len(starts) == 11 {
				cancel()
			}
			return errors.New("accept failed")
		}
		listen := func() (net.Listener, error) {
			if listened++; listened == 2 {
				return nil, errors.New("no file")
			}
			return nil, nil
		}
		log := eventlog.New(&text)
		keep(ctx, log, "core", nil, listen, serve)
		var pauses []time.Duration
		for i := range starts[1:] {
			pauses = append(pauses, starts[i+1]-starts[i])
		}
		want := []time.Duration{500*time.Millisecond + time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, lastPause, lastPause, lastPause, lastPause, steady + firstPause}
		if len(pauses) != len(want) {
			t.Fatalf("pauses %v, want %v", pauses, want)
		}
		for i := range want {
			if pauses[i] != want[i] {
				t.Errorf("pause %d is %v, want %v", i, pauses[i], want[i])
			}
		}
		for _, line := range []string{"ended: accept failed; started again in 500ms", "ended: no file; started again in 1s", "is back"} {
			if !strings.Contains(text.String(), line) {
				t.Errorf("no %q in\n%s", line, &text)
			}
		}
	})
}
