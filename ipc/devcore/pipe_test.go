package devcore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server/servertest"
)

// piped is a core whose clients are connected by pipes.
type piped struct {
	*devcore.Core
	t     *testing.T
	pipes *servertest.Pipes
}

// inBubble runs a test with a core in a bubble of time.
func inBubble(t *testing.T, cfg devcore.Config, test func(t *testing.T, core *piped)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		core, err := devcore.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		l := servertest.NewPipes()
		ctx, cancel := context.WithCancel(context.Background())
		served := make(chan error, 1)
		go func() { served <- core.Serve(ctx, l) }()
		t.Cleanup(func() {
			cancel()
			<-served
			core.Close()
		})
		test(t, &piped{core, t, l})
	})
}

// login connects a component.
func (p *piped) login(component string) *servertest.Client {
	p.t.Helper()
	return servertest.New(p.t, p.pipes.Dial()).Login(p.IssueToken(component))
}

// logBuffer keeps what is logged.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// event reads the next message, which must be an event of an operation.
func event[E any](t testing.TB, c *servertest.Client, op model.Operation) (e E) {
	t.Helper()
	m := c.Read()
	if m.ModelType != op.EventType() {
		t.Fatalf("got %v %s, want an event of %s", m, m.Payload, op.Name)
	}
	if err := json.Unmarshal(m.Payload, &e); err != nil {
		t.Fatal(err)
	}
	return e
}
