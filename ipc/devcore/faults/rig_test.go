package faults_test

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
	"github.com/shadowgpio/shadowgpio/ipc/server/servertest"
)

// rig is a core, and what it has told.
type rig struct {
	*testing.T
	core *devcore.Core
	dial func() net.Conn
	back chan struct{} // the core is back

	mu   sync.Mutex
	made []faults.Hit
}

// newRig serves a core on a socket.
func newRig(t *testing.T, rules ...string) *rig {
	dir, err := os.MkdirTemp("", "faults")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "ipc.socket")
	l, err := server.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	return serveRig(t, l, func() net.Conn {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}, rules)
}

// inBubble runs a test in simulated time.
func inBubble(t *testing.T, test func(r *rig), rules ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := servertest.NewPipes()
		test(serveRig(t, l, l.Dial, rules))
	})
}

func serveRig(t *testing.T, l net.Listener, dial func() net.Conn, rules []string) *rig {
	r := &rig{T: t, dial: dial, back: make(chan struct{}, 10)}
	var err error
	if r.core, err = devcore.New(devcore.Config{ThingName: "gw", Observe: r.observe}); err != nil {
		t.Fatal(err)
	}
	r.rules(rules...)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- r.core.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		r.core.Close()
	})
	return r
}

func (r *rig) observe(e devcore.Event) {
	switch e.Kind {
	case devcore.CoreBack:
		r.back <- struct{}{}
		return
	case devcore.FaultMade:
	default:
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made = append(r.made, e.Fault)
}

// rules adds rules.
func (r *rig) rules(texts ...string) {
	r.Helper()
	for _, text := range texts {
		rule, err := faults.ParseRule(text)
		if err != nil {
			r.Fatal(err)
		}
		r.core.Faults().Add(rule)
	}
}

// did demands what the core has told since the last time.
func (r *rig) did(want ...faults.Hit) {
	r.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(want) != len(r.made) {
		r.Errorf("made %+v, want %+v", r.made, want)
	} else {
		for i := range want {
			if r.made[i] != want[i] {
				r.Errorf("made %+v, want %+v", r.made[i], want[i])
			}
		}
	}
	r.made = nil
}

func (r *rig) client(component string) *servertest.Client {
	r.Helper()
	return servertest.New(r, r.dial()).Login(r.core.IssueToken(component))
}

func update(x string) any {
	return model.UpdateThingShadowRequest{ThingName: "gw", ShadowName: "room", Payload: []byte(`{"state":{"desired":{"x":` + x + `}}}`)}
}

var (
	get         = model.GetThingShadowRequest{ThingName: "gw", ShadowName: "room"}
	publishA    = `{"topic":"a","publishMessage":{"binaryMessage":{"message":"YQ=="}}}`
	subscribeTo = func(topic string) any { return model.SubscribeToTopicRequest{Topic: topic} }
)

// version is that of the shadow, 0 when there is none.
func (r *rig) version() int64 {
	row, _ := r.core.Shadows().Row("gw", "room")
	return row.Version
}

// code makes a request and returns the code of its error, or "".
func code(t *testing.T, c *servertest.Client, op model.Operation, request any) string {
	t.Helper()
	var response json.RawMessage
	e, err := c.Answer(op, request, &response)
	if err != nil {
		t.Fatal(err)
	}
	if e == nil {
		return ""
	}
	return string(e.Code) + " " + e.LiteMessage
}
