package devcore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server/servertest"
)

// listener is a component that is told of updates.
func listener(t testing.TB, c *servertest.Client) *servertest.Client {
	t.Helper()
	answer(t, c, model.SubscribeToComponentUpdates, struct{}{}, &struct{}{})
	return c
}

// preUpdate demands that an update is announced, postUpdate that it is over.
func preUpdate(t testing.TB, c *servertest.Client) model.PreComponentUpdateEvent {
	t.Helper()
	e := event[model.ComponentUpdatePolicyEvents](t, c, model.SubscribeToComponentUpdates).PreUpdateEvent
	if e == nil || e.DeploymentID != "d" {
		t.Fatalf("got %+v, want the announcement of d", e)
	}
	return *e
}

func postUpdate(t testing.TB, c *servertest.Client) {
	t.Helper()
	if e := event[model.ComponentUpdatePolicyEvents](t, c, model.SubscribeToComponentUpdates).PostUpdateEvent; e == nil || e.DeploymentID != "d" {
		t.Fatalf("got %+v, want the end of d", e)
	}
}

func deferFor(t testing.TB, c *servertest.Client, ms int) {
	t.Helper()
	answer(t, c, model.DeferComponentUpdate, fmt.Sprintf(`{"deploymentId":"d","message":"busy","recheckAfterMs":%d}`, ms), &struct{}{})
}

var notifying = devcore.Deployment{ID: "d", Notify: true}

func TestDeferComponentUpdate(t *testing.T) {
	var seen recorder
	inBubble(t, devcore.Config{Observe: seen.observe}, func(t *testing.T, core *piped) {
		a, b := listener(t, core.login("a")), listener(t, core.login("b"))
		start := time.Now()
		after := func(want time.Duration) {
			t.Helper()
			if got := time.Since(start); got != want {
				t.Errorf("after %v, want %v", got, want)
			}
		}
		ran := false
		d := notifying
		d.NucleusRestarts = true
		d.Run = func() error { ran = true; return nil }
		done := begin(core.Core, d)
		if !preUpdate(t, a).IsGGCRestarting || !preUpdate(t, b).IsGGCRestarting {
			t.Error("the nucleus does not restart")
		}
		deferFor(t, a, 5000)
		if got := refusal(t, a, model.DeferComponentUpdate, `{"deploymentId":"d","recheckAfterMs":1}`); got != "ServiceError Time limit to respond to PreComponentUpdateEvent exceeded" {
			t.Errorf("second answer: %s", got)
		}
		deferFor(t, b, 3000)
		preUpdate(t, a)
		after(6 * time.Second) // answers are looked for once a second
		preUpdate(t, b)
		deferFor(t, a, 0)
		deferFor(t, b, 0)
		postUpdate(t, a)
		postUpdate(t, b)
		after(7 * time.Second)
		if err := <-done; err != nil || !ran {
			t.Errorf("error %v, ran %t", err, ran)
		}
	})
	deferred := 0
	for _, e := range seen.all() {
		if e.Kind == devcore.UpdateDeferred && e.Reason == "busy" && e.Deployment == "d" {
			deferred++
		}
	}
	if deferred != 2 {
		t.Errorf("%d deferrals were observed", deferred)
	}
}

// TestUpdateTimeOuts waits for answers as long as the nucleus does.
func TestUpdateTimeOuts(t *testing.T) {
	for name, test := range map[string]struct {
		deployment devcore.Deployment
		subscribe  int
		answer     string
		want       time.Duration
	}{
		"no answer":               {notifying, 1, "", time.Minute},
		"other time-out":          {devcore.Deployment{ID: "d", Notify: true, NotifyTimeout: time.Second}, 1, "", time.Second},
		"answer without a time":   {notifying, 1, `{"deploymentId":"d"}`, time.Minute},
		"negative time":           {notifying, 1, `{"deploymentId":"d","recheckAfterMs":-1}`, time.Second},
		"two streams, one answer": {notifying, 2, `{"deploymentId":"d","recheckAfterMs":0}`, time.Minute},
		"nobody subscribed":       {notifying, 0, "", 0},
		"not announced":           {devcore.Deployment{ID: "d"}, 0, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, devcore.Config{}, func(t *testing.T, core *piped) {
				c := core.login("a")
				for range test.subscribe {
					listener(t, c)
				}
				start := time.Now()
				done := begin(core.Core, test.deployment)
				for range test.subscribe {
					preUpdate(t, c)
				}
				if test.answer != "" {
					answer(t, c, model.DeferComponentUpdate, test.answer, &struct{}{})
				}
				if err := <-done; err != nil || time.Since(start) != test.want {
					t.Errorf("error %v after %v, want %v", err, time.Since(start), test.want)
				}
				for range test.subscribe {
					postUpdate(t, c)
				}
			})
		})
	}
}

// TestUpdateGivenUp tells components that wait that the update does not take place.
func TestUpdateGivenUp(t *testing.T) {
	inBubble(t, devcore.Config{}, func(t *testing.T, core *piped) {
		a := listener(t, core.login("a"))
		for _, deferred := range []bool{false, true} {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- core.Deploy(ctx, notifying) }()
			preUpdate(t, a)
			if deferred {
				deferFor(t, a, 1000)
			}
			// A second deployment waits for the first one.
			impatient, stop := context.WithTimeout(t.Context(), time.Millisecond)
			if err := core.Deploy(impatient, notifying); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("second deployment: %v", err)
			}
			stop()
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			postUpdate(t, a)
		}
	})
}

func TestDeferRefused(t *testing.T) {
	core, socket := serve(t, devcore.Config{})
	c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
	if got := refusal(t, c, model.DeferComponentUpdate, `{"deploymentId":"d"}`); got != "InvalidArgumentsError Component is not subscribed to component update events" {
		t.Error(got)
	}
	listener(t, c)
	if got := refusal(t, c, model.DeferComponentUpdate, `{}`); got != "InvalidArgumentsError Cannot defer the update, the deployment ID provided was null" {
		t.Error(got)
	}
	if got := refusal(t, c, model.DeferComponentUpdate, `{"deploymentId":"unknown"}`); got != "ServiceError Time limit to respond to PreComponentUpdateEvent exceeded" {
		t.Error(got)
	}
}
