package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

func TestOutcome(t *testing.T) {
	service := func(code model.ErrorCode, message string) error {
		return fmt.Errorf("wrapped: %w", &ipc.ServiceError{Code: code, Message: message})
	}
	for _, c := range []struct {
		err  error
		want replica.Outcome
	}{
		{nil, replica.OK},
		{fmt.Errorf("call: %w", ipc.ErrNotSent), replica.NotSent},
		{fmt.Errorf("call: %w", ipc.ErrOutcomeUnknown), replica.Unknown},
		{errors.New("a reply that is no JSON"), replica.Unknown},
		{service(model.ResourceNotFound, "No shadow found"), replica.Missing},
		{service(model.Unauthorized, ""), replica.Unauthorized},
		{service(model.InvalidArguments, "Invalid JSON: state: is missing but it is required"), replica.Invalid},
		{service(model.InvalidArguments, "The payload exceeds the maximum size allowed"), replica.TooLarge},
		{service(model.InvalidArguments, "Invalid version"), replica.Conflict},
		{service(model.ServiceFailure, "Too Many Requests"), replica.Throttled},
		{service(model.ServiceFailure, "Database pool not initialized."), replica.Unknown},
		{service(model.ServiceFailure, ""), replica.Unknown},
		{service(model.Conflict, "Version conflict"), replica.Conflict},
		{service("SomethingNew", ""), replica.Unknown},
	} {
		if got := outcome(c.err); got != c.want {
			t.Errorf("%v: got %d, want %d", c.err, got, c.want)
		}
	}
}

// TestUnreadMessages: a message that is too large or not understood has the document read,
// and a thousand of them make one log message.
func TestUnreadMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		a := &agent{Parts: Parts{Logger: slog.New(slog.NewTextHandler(&log, nil))}, inputs: make(chan engine.Input, 64), weighed: semaphore.NewWeighted(maxWaiting)}
		f := &feed{agent: a, id: shadow.ID{Thing: "gw"}, ctx: ctx}
		large := []byte(`{"version":3,"state":{"desired":{"a":"` + strings.Repeat("x", maxMessage) + `"}}}`)
		for _, message := range [][]byte{large, []byte("{"), []byte(strings.Repeat("[", 1000))} {
			for range 1000 {
				if !f.accepted(message) {
					t.Fatalf("%.20s was taken", message)
				}
			}
		}
		if n := strings.Count(log.String(), "\n"); n != 1 || len(a.inputs) != 0 {
			t.Errorf("%d log messages, %d inputs:\n%s", n, len(a.inputs), log.String())
		}
		time.Sleep(burstPause)
		f.accepted(large)
		if !strings.Contains(log.String(), "more=2999") {
			t.Errorf("the others are not counted:\n%s", log.String())
		}

		// Bytes on their way to the engine are bounded.
		full := []byte(`{"version":3,"state":{"desired":{"a":"` + strings.Repeat("x", maxMessage-100) + `"}}}`)
		ended := make(chan bool)
		go func() {
			for range 6 {
				f.accepted(full)
			}
			close(ended)
		}()
		synctest.Wait()
		if n := len(a.inputs); n != 4 {
			t.Errorf("%d large messages wait for the engine, want 4", n)
		}
		in := (<-a.inputs).(engine.Accepted)
		a.weighed.Release(int64(in.Size))
		synctest.Wait()
		if n := len(a.inputs); n != 4 {
			t.Errorf("%d large messages wait after one was taken, want 4", n)
		}
		cancel()
		<-ended
	})
}
