package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/shadowgpio/shadowgpio/component/internal/app/client"
	"github.com/shadowgpio/shadowgpio/component/internal/app/client/aws"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// patience is for what takes a moment; a test that needs it all has failed.
const patience = 30 * time.Second

// bench is one transport, and a hand on the side of the device.
type bench struct {
	service client.Service
	// update is a change by somebody else.
	update func(id shadow.ID, document string)
	lists  bool
}

func startCloud(t *testing.T) *cloud.Cloud {
	t.Helper()
	c, err := cloud.Start(cloud.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func account(t *testing.T, o aws.Options) *aws.Account {
	t.Helper()
	o.Region, o.AccessKeyID, o.SecretAccessKey = cloud.Region, cloud.AccessKeyID, cloud.SecretAccessKey
	a, err := aws.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func cloudBench(t *testing.T, c *cloud.Cloud, s client.Service, err error) bench {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	_, rest := s.(*client.REST)
	return bench{s, func(id shadow.ID, document string) {
		t.Helper()
		if _, err := c.Shadows.Update(id, []byte(document)); err != nil {
			t.Fatal(err)
		}
	}, rest}
}

// benches are all transports.
var benches = map[string]func(*testing.T) bench{
	"REST": func(t *testing.T) bench {
		c := startCloud(t)
		s, err := account(t, aws.Options{Endpoint: "http://" + c.HTTP}).REST()
		return cloudBench(t, c, s, err)
	},
	"REST over TLS": func(t *testing.T) bench {
		c := startCloud(t)
		s, err := account(t, aws.Options{Endpoint: c.HTTPS, CA: c.PKI.CAFile()}).REST()
		return cloudBench(t, c, s, err)
	},
	"MQTT with a certificate": func(t *testing.T) bench {
		c := startCloud(t)
		pair, err := c.PKI.Client("application")
		if err != nil {
			t.Fatal(err)
		}
		s, err := account(t, aws.Options{Endpoint: "mqtts://" + c.MQTT, CA: c.PKI.CAFile(), Certificate: pair.Certificate, Key: pair.Key}).MQTT(t.Context())
		return cloudBench(t, c, s, err)
	},
	"MQTT over a signed WebSocket": func(t *testing.T) bench {
		c := startCloud(t)
		s, err := account(t, aws.Options{Endpoint: c.HTTPS, CA: c.PKI.CAFile()}).MQTT(t.Context())
		return cloudBench(t, c, s, err)
	},
	"MQTT at the endpoint that the account names": func(t *testing.T) bench {
		c := startCloud(t)
		s, err := account(t, aws.Options{APIEndpoint: "http://" + c.HTTP, CA: c.PKI.CAFile()}).MQTT(t.Context())
		return cloudBench(t, c, s, err)
	},
	"IPC of a core device": func(t *testing.T) bench {
		dir, err := os.MkdirTemp("", "core") // paths of sockets are short
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		core, err := devcore.New(devcore.Config{Dir: filepath.Join(dir, "core"), ThingName: "gateway"})
		if err != nil {
			t.Fatal(err)
		}
		socket := filepath.Join(dir, "socket")
		l, err := server.Listen(socket)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		var serving sync.WaitGroup
		serving.Go(func() { core.Serve(ctx, l) })
		t.Cleanup(func() { cancel(); serving.Wait(); core.Close() })
		s, err := client.DialCore(t.Context(), ipc.Config{Socket: socket, Token: ipc.Token(core.IssueToken("application"))})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return bench{s, func(id shadow.ID, document string) {
			t.Helper()
			if _, err := core.Shadows().Update(id.Thing, id.Name, []byte(document)); err != nil {
				t.Fatal(err)
			}
		}, true}
	},
}

// TestTransports holds the same conversation over each transport.
func TestTransports(t *testing.T) {
	for name, open := range benches {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			t.Run("one shadow", func(t *testing.T) { converse(t, b, shadow.ID{Thing: "T", Name: "room"}) })
			t.Run("the classic shadow", func(t *testing.T) { converse(t, b, shadow.ID{Thing: "T"}) })
			t.Run("list", func(t *testing.T) { list(t, b) })
			t.Run("answers", func(t *testing.T) { desire(t, b) })
		})
	}
}

func converse(t *testing.T, b bench, id shadow.ID) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := b.service.Get(ctx, id); !client.NotFound(err) {
		t.Fatalf("a shadow that is not there: %v, want 404", err)
	}
	f, err := b.service.Follow(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	next := func(version int64, want string) {
		t.Helper()
		doc, err := f.Next(ctx)
		for err == nil && doc.Version < version {
			doc, err = f.Next(ctx)
		}
		if err != nil {
			t.Fatalf("while version %d was waited for: %v", version, err)
		}
		got, _ := json.Marshal([]any{doc.Desired, doc.Reported})
		if doc.Version != version || string(got) != want {
			t.Fatalf("version %d, desired and reported %s; want version %d, %s", doc.Version, got, version, want)
		}
	}
	next(0, `[null,null]`)
	version, err := b.service.Update(ctx, id, shadow.Update{Desired: map[string]any{"lamp": "on", "x": json.Number("1.5")}})
	if err != nil || version != 1 {
		t.Fatalf("version %d, %v; want 1", version, err)
	}
	next(1, `[{"lamp":"on","x":1.5},null]`)
	b.update(id, `{"state":{"reported":{"lamp":"on"}},"clientToken":"device"}`)
	next(2, `[{"lamp":"on","x":1.5},{"lamp":"on"}]`)

	if _, err := b.service.Update(ctx, id, shadow.Update{Desired: map[string]any{"lamp": "off"}, Version: 1}); !refused(err, 409) {
		t.Errorf("an update of version 1: %v, want 409", err)
	}
	if _, err := b.service.Update(ctx, id, shadow.Update{Desired: map[string]any{"deep": map[string]any{"a": map[string]any{"b": map[string]any{"c": map[string]any{"d": map[string]any{"e": map[string]any{"f": 1}}}}}}}}); !refused(err, 400) {
		t.Errorf("an update that is too deep: %v, want 400", err)
	}
	payload, err := b.service.Get(ctx, id)
	if doc, e := shadow.ParseDocument(payload); err != nil || e != nil || doc.Version != 2 || doc.Desired["lamp"] != "on" {
		t.Errorf("got %s, %v, %v", payload, err, e)
	}
	if err := b.service.Delete(ctx, id); err != nil {
		t.Fatal(err)
	}
	if _, err := b.service.Get(ctx, id); !client.NotFound(err) {
		t.Errorf("a shadow that was deleted: %v, want 404", err)
	}
}

func refused(err error, code int) bool {
	refusal, ok := errors.AsType[*client.Error](err)
	return ok && refusal.Code == code && refusal.Message != ""
}

func list(t *testing.T, b bench) {
	for i := range 30 { // more than a page
		b.update(shadow.ID{Thing: "L", Name: fmt.Sprintf("s%02d", 29-i)}, `{"state":{"reported":{"a":1}}}`)
	}
	names, err := b.service.List(t.Context(), "L")
	if !b.lists {
		if err == nil {
			t.Errorf("names %v over MQTT", names)
		}
		return
	}
	if err != nil || len(names) != 30 || !slices.IsSorted(names) || names[0] != "s00" {
		t.Errorf("names %v, %v", names, err)
	}
}

// desire asks a device that answers late, and one that is away.
func desire(t *testing.T, b bench) {
	id := shadow.ID{Thing: "D"}
	b.update(id, `{"state":{"reported":{"lamp":"off"}}}`)
	answers, err := client.Desire(t.Context(), b.service, id, map[string]any{"lamp": "on"}, 300*time.Millisecond, func(int64) {})
	if err != nil || answers["lamp"].Outcome != client.Unanswered {
		t.Errorf("of a device that is away: %v, %v", answers, err)
	}
	answers, err = client.Desire(t.Context(), b.service, id, map[string]any{"lamp": "blue", "horn": 1}, patience, func(int64) {
		b.update(id, `{"state":{"reported":{"ack":{"lamp":{"code":202,"version":9}}}}}`)
		b.update(id, `{"state":{"reported":{"ack":{"lamp":{"code":400,"version":9,"reason":"no colour"},"horn":{"code":404,"version":9}}}}}`)
	})
	if err != nil || answers["lamp"].Outcome != client.Refused || answers["lamp"].Reason != "no colour" || answers["horn"].Code != 404 {
		t.Errorf("of a device that refuses: %v, %v", answers, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := client.Desire(ctx, b.service, id, map[string]any{"lamp": "green"}, patience, func(int64) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("a wait that is interrupted: %v", err)
	}
}

// cut is a network in between, which can be cut.
type cut struct {
	net.Listener
	to    string
	conns sync.Map
	down  atomic.Bool
}

func newCut(t *testing.T, to string) *cut {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cut{Listener: l, to: to}
	t.Cleanup(func() { l.Close(); c.cut() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil || c.down.Load() {
				near.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
				c.conns.Store(pair[0], true)
				go func() {
					buf := make([]byte, 4096)
					for {
						n, err := pair[0].Read(buf)
						if _, werr := pair[1].Write(buf[:n]); err != nil || werr != nil {
							pair[0].Close()
							pair[1].Close()
							return
						}
					}
				}()
			}
		}
	}()
	return c
}

func (c *cut) cut() {
	c.down.Store(true)
	c.conns.Range(func(conn, _ any) bool { conn.(net.Conn).Close(); return true })
}

// TestMQTTComesBack follows a shadow over a connection that is lost while it changes.
func TestMQTTComesBack(t *testing.T) {
	c := startCloud(t)
	between := newCut(t, c.HTTP)
	m, err := account(t, aws.Options{Endpoint: "http://" + between.Addr().String()}).MQTT(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	id := shadow.ID{Thing: "T"}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	f, err := m.Follow(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	raw, err := m.Subscribe(ctx, "$aws/things/+/shadow/update/documents")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := f.Next(ctx); err != nil {
		t.Fatal(err)
	}
	between.cut()
	if _, err := c.Shadows.Update(id, []byte(`{"state":{"reported":{"lamp":"on"}}}`)); err != nil {
		t.Fatal(err)
	}
	between.down.Store(false)
	doc, err := f.Next(ctx)
	if err != nil || doc.Reported["lamp"] != "on" {
		t.Fatalf("%+v, %v", doc, err)
	}
	if message, err := raw.Next(ctx); err != nil || !message.Missed() {
		t.Errorf("message on %q, %v; want to be told that some were missed", message.Topic, err)
	}
	if _, err := c.Shadows.Update(id, []byte(`{"state":{"reported":{"lamp":"off"}}}`)); err != nil {
		t.Fatal(err)
	}
	if message, err := raw.Next(ctx); err != nil || message.Missed() {
		t.Errorf("%v, %v; want the next message", message, err)
	}
}

// TestSubscriptionsEnd has the cloud know of no subscription that nobody uses.
func TestSubscriptionsEnd(t *testing.T) {
	b := benches["MQTT over a signed WebSocket"](t)
	m := b.service.(*client.MQTT)
	var using sync.WaitGroup
	for i := range 100 { // of the same filter, and while it is unsubscribed
		using.Go(func() {
			id := shadow.ID{Thing: "T", Name: fmt.Sprint(i % 3)}
			if _, err := m.Update(t.Context(), id, shadow.Update{Desired: map[string]any{"n": i}}); err != nil {
				t.Error(err)
			}
		})
	}
	using.Wait()
	if s, err := m.Subscribe(t.Context(), "$aws/things/T/shadow/name/0/+/+"); err != nil {
		t.Error(err)
	} else {
		s.Close()
		s.Close()
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if _, err := m.Get(t.Context(), shadow.ID{Thing: "T"}); err == nil {
		t.Error("a request after the end succeeds")
	}
}

func TestWrongPlaces(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	c := startCloud(t)
	pair, err := c.PKI.Client("application")
	if err != nil {
		t.Fatal(err)
	}
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	for _, test := range []struct {
		name string
		o    aws.Options
		mqtt bool
		want string
	}{
		{"no region", aws.Options{Endpoint: "http://localhost:1"}, false, "want a region"},
		{"no region for MQTT", aws.Options{Endpoint: "http://localhost:1"}, true, "want a region"},
		{"a path", aws.Options{Endpoint: "https://host/things", Region: "x"}, false, "endpoint: want a host or a URL"},
		{"a scheme", aws.Options{Endpoint: "ftp://host", Region: "x"}, false, "endpoint: want one of the schemes"},
		{"MQTT for REST", aws.Options{Endpoint: "mqtts://host", Region: "x"}, false, "endpoint: want https or http"},
		{"MQTT without a certificate", aws.Options{Endpoint: "mqtts://host", Region: "x"}, true, "want --certificate and --key"},
		{"a key that is none", aws.Options{Endpoint: "mqtts://" + c.MQTT, Certificate: pair.Certificate, Key: c.PKI.CAFile()}, true, "client certificate"},
		{"an authority that is none", aws.Options{CA: pair.Key}, false, "want certificates as PEM"},
		{"an authority that nobody knows", aws.Options{Endpoint: "mqtts://" + c.MQTT, Certificate: pair.Certificate, Key: pair.Key}, true, "certificate signed by unknown authority"},
		{"nobody there", aws.Options{Endpoint: "http://" + nobody.Addr().String(), Region: "x", AccessKeyID: "a", SecretAccessKey: "b"}, true, "connection refused"},
		{"wrong keys", aws.Options{Endpoint: "http://" + c.HTTP, Region: cloud.Region, AccessKeyID: "a", SecretAccessKey: "b"}, true, "403"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, err := aws.Open(t.Context(), test.o)
			if err == nil && test.mqtt {
				_, err = a.MQTT(t.Context())
			} else if err == nil {
				_, err = a.REST()
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestPresence has a subscription told of clients.
func TestPresence(t *testing.T) {
	c := startCloud(t)
	m, err := account(t, aws.Options{Endpoint: "http://" + c.HTTP}).MQTT(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s, err := m.Subscribe(t.Context(), client.ThingFilters("lamp")[2])
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c.Broker.SetConnected("lamp", true)
	message, err := s.Next(t.Context())
	e, ok := client.ParseEvent(message)
	if err != nil || !ok || e.Kind != client.Presence || e.Verb != "connected" || e.ID.Thing != "lamp" {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestPace counts the requests of a second.
func TestPace(t *testing.T) {
	b := benches["REST"](t)
	p := client.Paced(b.service, 1000)
	for range 20 {
		client.Document(t.Context(), p, shadow.ID{Thing: "T"})
	}
	if p.Requests() != 20 {
		t.Errorf("%d requests, want 20", p.Requests())
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	slow := client.Paced(b.service, rate.Every(time.Hour))
	client.Document(t.Context(), slow, shadow.ID{Thing: "T"})
	if _, err := slow.Get(ctx, shadow.ID{Thing: "T"}); !errors.Is(err, context.DeadlineExceeded) || slow.Requests() != 1 {
		t.Errorf("a request whose turn comes too late: %v, %d requests", err, slow.Requests())
	}
}
