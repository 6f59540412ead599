package logpipe

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// text is a log.
type text struct {
	mu sync.Mutex
	b  strings.Builder
}

func (t *text) Write(line []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(line)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

func (t *text) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b.Reset()
}

// count is how often a log has something.
func count(log *text, what string) int { return strings.Count(log.String(), what) }

// A loop of warnings, such as one for each of thousands of unknown keys, is a few lines
// and their number.
func TestLoopOfWarningsIsCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var text text
		limit := NewLimit(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))
		log := slog.New(limit)
		for round := range 2 {
			text.reset()
			for i := range 2400 {
				log.With("shadow", "main").Warn("not applied", "key", i)
				log.Debug("seen", "key", i)
			}
			log.Error("another")
			if n := count(&text, "not applied"); n != limitBurst {
				t.Errorf("round %d: %d warnings passed, want %d", round, n, limitBurst)
			}
			if n := count(&text, "msg=seen"); n != 2400 {
				t.Errorf("round %d: %d lines of a low level passed, want all", round, n)
			}
			if n := count(&text, "level=ERROR msg=another"); n != 1 {
				t.Errorf("round %d: another message passed %d times, want once", round, n)
			}
			time.Sleep(limitWindow)
			synctest.Wait()
			if n := count(&text, fmt.Sprintf("level=WARN msg=\"not applied\" shadow=main more=%d within=10s\n", 2400-limitBurst)); n != 1 {
				t.Errorf("round %d: the others are counted %d times, want once:\n%s", round, n, text.String()[max(0, len(text.String())-300):])
			}
		}
	})
}

func TestFlushCountsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var text text
		limit := NewLimit(slog.NewTextHandler(&text, nil))
		log := slog.New(limit)
		for range limitBurst + 3 {
			log.Error("fault")
		}
		log.Warn("rare")
		limit.Flush()
		if n := count(&text, "level=ERROR msg=fault more=3 "); n != 1 {
			t.Errorf("the others are counted %d times, want once:\n%s", n, &text)
		}
		text.reset()
		time.Sleep(2 * limitWindow)
		synctest.Wait()
		if text.String() != "" {
			t.Errorf("told again: %s", &text)
		}
	})
}

// Messages without number do not fill the memory, and pass.
func TestManyMessagesPass(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var text text
		limit := NewLimit(slog.NewTextHandler(&text, nil))
		for i := range 3 * limitMessages {
			slog.New(limit).Warn(fmt.Sprint("m", i))
		}
		if n := count(&text, "\n"); n != 3*limitMessages {
			t.Errorf("%d lines, want all", n)
		}
		if n := len(limit.all.open); n > limitMessages {
			t.Errorf("%d messages are counted", n)
		}
		limit.Flush()
	})
}
