package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// fragile is a service with one shadow, whose requests fail as the test says.
type fragile struct {
	Service
	doc     shadow.Document
	updates int
	// update says what happens to an update: whether it gets there, and its error.
	update func(n int) (arrives bool, err error)
	get    func() error
}

func (f *fragile) Get(context.Context, shadow.ID) ([]byte, error) {
	if f.get != nil {
		if err := f.get(); err != nil {
			return nil, err
		}
	}
	return json.Marshal(map[string]any{"version": f.doc.Version, "state": map[string]any{"desired": f.doc.Desired, "reported": f.doc.Reported}})
}

func (f *fragile) Update(_ context.Context, _ shadow.ID, u shadow.Update) (int64, error) {
	f.updates++
	arrives, err := f.update(f.updates)
	if arrives {
		f.doc.Version++
		f.doc.Desired = u.Desired
	}
	if err != nil {
		return 0, operation("update", shadow.ID{Thing: "T"}, err)
	}
	return f.doc.Version, nil
}

// TestSendOutlivesALostConnection loses the answer, or the request.
func TestSendOutlivesALostConnection(t *testing.T) {
	t.Parallel()
	refused := &Error{Code: 400, Message: "no"}
	for _, c := range []struct {
		name    string
		update  func(n int) (bool, error)
		updates int
		err     error
	}{
		{"all is well", func(int) (bool, error) { return true, nil }, 1, nil},
		{"the answer is lost", func(int) (bool, error) { return true, errLost }, 1, nil},
		{"the request is lost", func(n int) (bool, error) { return n == 2, map[bool]error{true: errLost}[n < 2] }, 2, nil},
		{"refused", func(int) (bool, error) { return false, refused }, 1, refused},
		{"lost each time", func(int) (bool, error) { return false, errLost }, sends, errLost},
	} {
		f := &fragile{doc: shadow.Document{Version: 5, Desired: map[string]any{"a": "old"}}, update: c.update}
		version, err := Send(t.Context(), f, shadow.ID{Thing: "T"}, map[string]any{"a": "new"}, f.doc)
		if !errors.Is(err, c.err) || (c.err == nil) != (err == nil) || f.updates != c.updates || err == nil && version != 6 {
			t.Errorf("%s: version %d, %v, after %d updates; want %v after %d", c.name, version, err, f.updates, c.err, c.updates)
		}
	}
}

// TestWaitingOutlivesAServiceOutOfReach answers after a while, or never.
func TestWaitingOutlivesAServiceOutOfReach(t *testing.T) {
	t.Parallel()
	desired := map[string]any{"a": "new"}
	for _, c := range []struct {
		name string
		away time.Duration
		want string
	}{
		{"back in time", 20 * time.Second, "done"},
		{"away for too long", time.Hour, "unanswered: the shadow service is out of reach: connection refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				f := &fragile{doc: shadow.Document{Version: 6, Desired: desired}}
				f.get = func() error {
					if time.Since(began) < c.away {
						return errors.New("connection refused")
					}
					f.doc = shadow.Document{Version: 7, Desired: desired, Reported: map[string]any{"a": "new", "ack": map[string]any{"a": map[string]any{"code": 200, "version": 6}}}}
					return nil
				}
				p := &poller{service: f, id: shadow.ID{Thing: "T"}, first: firstPoll, pause: firstPoll, version: 5}
				q := Question{Desired: desired, Before: shadow.Document{Version: 5, Desired: map[string]any{"a": "old"}}, Version: 6}
				answers, err := q.Await(t.Context(), p, q.Before, time.Minute)
				if err != nil || !strings.HasPrefix(fmt.Sprint(answers["a"]), c.want) {
					t.Errorf("got %v, %v, want %s", answers["a"], err, c.want)
				}
				if waited := time.Since(began); waited > time.Minute {
					t.Errorf("waited %v", waited)
				}
			})
		})
	}
}

// TestFirstQuestionTellsWhatIsWrong does not wait for a service that cannot be reached at
// all, and a refusal ends later ones, too.
func TestFirstQuestionTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	wrong := errors.New("no credentials")
	p := &poller{service: &fragile{get: func() error { return wrong }}, first: firstPoll}
	if _, err := p.Next(t.Context()); !errors.Is(err, wrong) {
		t.Errorf("got %v", err)
	}
	refused := &Error{Code: 403, Message: "forbidden"}
	p = &poller{service: &fragile{get: func() error { return refused }}, first: firstPoll, pause: firstPoll}
	if _, err := p.Next(t.Context()); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
}
