package devcore_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
	"github.com/shadowgpio/shadowgpio/ipc/server/servertest"
)

// shortDir is a directory whose path leaves room for a socket.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "core")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// serve runs a core until the test ends and returns it with its socket.
func serve(t testing.TB, cfg devcore.Config) (*devcore.Core, string) {
	t.Helper()
	core, err := devcore.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(shortDir(t), "ipc.socket")
	listener, err := server.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- core.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		core.Close() // the test may have
	})
	return core, socket
}

// answer demands a response.
func answer(t testing.TB, c *servertest.Client, op model.Operation, request, response any) {
	t.Helper()
	e, err := c.Answer(op, request, response)
	if err != nil {
		t.Fatal(err)
	}
	if e != nil {
		t.Fatalf("%s: %s %q", op.Name, e.Code, e.LiteMessage)
	}
}

// refusal demands an error, and returns its code and text.
func refusal(t testing.TB, c *servertest.Client, op model.Operation, request any) string {
	t.Helper()
	e, err := c.Answer(op, request, &struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if e == nil {
		t.Fatalf("%s %v: not refused", op.Name, request)
	}
	if e.Service != model.Service {
		t.Errorf("%s: error of service %q", op.Name, e.Service)
	}
	if (e.Message == nil) != (e.LiteMessage == "") || e.Message != nil && *e.Message != e.LiteMessage {
		t.Errorf("%s: messages of the error disagree: %+v", op.Name, e)
	}
	return strings.TrimSuffix(string(e.Code)+" "+e.LiteMessage, " ")
}

// recorder collects events.
type recorder struct {
	mu     sync.Mutex
	events []devcore.Event
}

func (r *recorder) observe(e devcore.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// all is what was seen up to now.
func (r *recorder) all() []devcore.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

func (r *recorder) kinds() []string {
	var kinds []string
	for _, e := range r.all() {
		kinds = append(kinds, e.Kind.String())
	}
	return kinds
}

func TestObserver(t *testing.T) {
	var seen recorder
	core, socket := serve(t, devcore.Config{Observe: seen.observe})
	c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
	update := model.UpdateThingShadowRequest{ThingName: "gw", Payload: []byte(`{"state":{"desired":{"x":1}},"clientToken":"t"}`)}
	answer(t, c, model.UpdateThingShadow, update, &model.UpdateThingShadowResponse{})
	answer(t, c, model.GetThingShadow, model.GetThingShadowRequest{ThingName: "gw"}, &model.GetThingShadowResponse{})
	update.Payload = []byte(`{"state":{},"version":9}`)
	refusal(t, c, model.UpdateThingShadow, update)
	update.Payload = []byte(`{"state":{"desired":{"x":{"y":2}}}}`)
	answer(t, c, model.UpdateThingShadow, update, &model.UpdateThingShadowResponse{})
	update.Payload = []byte(`{"state":{"desired":{"z":[1]}}}`)
	answer(t, c, model.UpdateThingShadow, update, &model.UpdateThingShadowResponse{})
	answer(t, c, model.UpdateState, model.UpdateStateRequest{State: model.StateRunning}, &struct{}{})
	answer(t, c, model.DeleteThingShadow, model.DeleteThingShadowRequest{ThingName: "gw"}, &model.DeleteThingShadowResponse{})
	if err := core.Shadows().ChangeFromCloud("gw", "n", []byte(`{"desired":{"y":2}}`)); err != nil {
		t.Fatal(err)
	}
	if err := core.Shadows().DeleteFromCloud("gw", "n"); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"connected", "shadow updated", "shadow read", "shadow refused", "shadow updated", "shadow updated",
		"state reported", "shadow deleted", "shadow updated", "shadow deleted",
	}
	if got := seen.kinds(); !slices.Equal(got, want) {
		t.Fatalf("got  %q\nwant %q", got, want)
	}
	events := seen.all()
	first := events[1]
	if first.Component != "a" || first.Thing != "gw" || first.Version != 1 || first.Token != "t" ||
		string(first.Delta) != `{"x":1}` || !strings.Contains(string(first.Document), `"desired":{"x":1}`) {
		t.Errorf("got %+v", first)
	}
	if refused := events[3]; refused.Code != 409 || refused.Reason != "Version conflict" {
		t.Errorf("got %+v", refused)
	}
	if cloud := events[8]; cloud.Component != "aws.greengrass.ShadowManager" || cloud.Token != "" {
		t.Errorf("got %+v", cloud)
	}
}

// TestObserverOrder has many writers; the versions of a shadow must come in order.
func TestObserverOrder(t *testing.T) {
	var seen recorder
	core, err := devcore.New(devcore.Config{Observe: seen.observe})
	if err != nil {
		t.Fatal(err)
	}
	const writers, writes = 8, 50
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range writes {
				if _, err := core.Shadows().Update("gw", "", []byte(`{"state":{"reported":{"a":1}}}`)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	events := seen.all()
	if len(events) != writers*writes {
		t.Fatalf("got %d events", len(events))
	}
	for i, e := range events {
		if e.Version != int64(i+1) {
			t.Fatalf("event %d has version %d", i, e.Version)
		}
	}
}

func TestTokens(t *testing.T) {
	core, socket := serve(t, devcore.Config{})
	token := core.IssueToken("a")
	if again := core.IssueToken("a"); again != token {
		t.Errorf("got %q, then %q", token, again)
	}
	if len(token) != 16 || strings.Trim(token, "ABCDEFGHJKLMNPQRSTUVWXYZ01234567") != "" {
		t.Errorf("got token %q", token)
	}
	if core.IssueToken("b") == token {
		t.Error("two components have one token")
	}
	core.SetToken("a", "OLDTOKENOLDTOKEN")
	servertest.Dial(t, socket).Login("OLDTOKENOLDTOKEN")
	c := servertest.Dial(t, socket)
	c.Send(servertest.Connect(token))
	if ack := c.Read(); ack.Flags != 0 {
		t.Errorf("a replaced token: got %v", ack)
	}
	c.WantClosed()
}

// A token that went to another component stays with it.
func TestTokenThatMoved(t *testing.T) {
	core, socket := serve(t, devcore.Config{})
	core.SetToken("a", "T")
	core.SetToken("b", "T")
	core.SetToken("a", "U")
	servertest.Dial(t, socket).Login("T")
	servertest.Dial(t, socket).Login("U")
	core.SetToken("b", "V")
	c := servertest.Dial(t, socket)
	c.Send(servertest.Connect("T"))
	if ack := c.Read(); ack.Flags != 0 {
		t.Errorf("a token of nobody: got %v", ack)
	}
}

// TestDeleteOrder has writers and deleters; each event must follow from those
// before it.
func TestDeleteOrder(t *testing.T) {
	var seen recorder
	core, err := devcore.New(devcore.Config{Observe: func(e devcore.Event) {
		runtime.Gosched()
		seen.observe(e)
	}})
	if err != nil {
		t.Fatal(err)
	}
	const rounds = 300
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range rounds {
				if _, err := core.Shadows().Update("gw", "", []byte(`{"state":{"reported":{"a":1}}}`)); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			for range rounds {
				core.Shadows().Delete("gw", "") // which may be refused
			}
		})
	}
	all.Wait()
	var version, deleted int64 // 0 is without a document
	for i, e := range seen.all() {
		want := version
		switch e.Kind {
		case devcore.ShadowUpdated:
			version++
			want = version
		case devcore.ShadowDeleted:
			version = 0
			deleted++
		case devcore.ShadowRefused: // a delete of nothing
			want = 0
		}
		if e.Version != want || e.Kind == devcore.ShadowDeleted && want == 0 || e.Kind == devcore.ShadowRefused && version != 0 {
			t.Fatalf("event %d: %v of version %d, want %d", i, e.Kind, e.Version, want)
		}
	}
	if deleted == 0 {
		t.Error("nothing was deleted")
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, cfg := range map[string]devcore.Config{
		"size limit over the maximum": {ShadowDocumentSizeLimit: 30721},
		"negative size limit":         {ShadowDocumentSizeLimit: -1},
		"negative rate":               {RateLimits: devcore.RateLimits{PerThing: -1}},
		"directory is a file":         {Dir: "core_test.go"},
	} {
		if _, err := devcore.New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestQuirks looks that a failure of the shadow manager is answered like its
// internal errors, and is logged either way.
func TestQuirks(t *testing.T) {
	for _, quirks := range []devcore.Quirks{devcore.Faithful, devcore.Fixed} {
		var log bytes.Buffer
		var seen recorder
		core, err := devcore.New(devcore.Config{
			Quirks: quirks, Observe: seen.observe, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		do(t, core, "gw", "", `{"state":{"reported":{"r":false}}}`)
		log.Reset()
		_, err = core.Shadows().Update("gw", "", []byte(`{"state":{"desired":{"r":null},"reported":{"r":true}}}`))
		if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), quirks.String()) {
			t.Errorf("%v: log is %q", quirks, log.String())
		}
		want := "shadow updated"
		if quirks == devcore.Faithful {
			want = "shadow failed"
			if failure, ok := errors.AsType[*server.Error](err); !ok || failure.Code != model.ServiceFailure {
				t.Errorf("got %v", err)
			}
		} else if err != nil {
			t.Errorf("fixed: %v", err)
		}
		if got := seen.kinds(); got[len(got)-1] != want {
			t.Errorf("%v: got %q", quirks, got)
		}
		if row, _ := core.Shadows().Row("gw", ""); row.Version != 2 {
			t.Errorf("%v: version %d", quirks, row.Version)
		}
	}
}

func BenchmarkUpdateStored(b *testing.B) {
	core := open(b, b.TempDir(), nil)
	for b.Loop() {
		do(b, core, "gw", "", `{"state":{"reported":{"a":1}}}`)
	}
}
