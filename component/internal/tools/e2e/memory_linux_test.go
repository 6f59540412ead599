package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// maxResident is what the component may take of memory, in kB, whatever others send.
const maxResident = 64 << 10

// realComponent builds shadowgpio as it is deployed: neither with the race detector nor in
// the test binary, whose memory would say nothing.
func realComponent(t *testing.T) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "component") // the doctor of other tests takes a shadowgpio for the deployed one
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "github.com/shadowgpio/shadowgpio/component/cmd/shadowgpio")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

const settingsConfig = `
lines: {}
shadows:
  main:
    properties:
      limit: {setting: number, default: 1}
`

// startReal starts that program with a configuration file.
func startReal(t *testing.T, r *rig, program string) *process {
	t.Helper()
	file := filepath.Join(r.dir, "own.yaml")
	if err := os.WriteFile(file, []byte(settingsConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "run", "--config", file)
	cmd.Dir = r.work()
	cmd.Env = append(environ(), r.environment()...)
	return start(t, cmd)
}

// peak is the most memory that a process has had resident, in kB.
func (p *process) peak() int {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kB, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		p.t.Fatal(err)
	}
	return kB
}

// hostileMessages are messages of update/accepted of about a size that want much memory,
// and those that are no messages at all.
func hostileMessages(size int) map[string]string {
	repeat := func(text string) string { return strings.Repeat(text, size/len(text)) }
	many := func(format string) string {
		var b strings.Builder
		for i := 0; b.Len() < size; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	message := func(desired, metadata string) string {
		return `{"version":%d,"timestamp":1,"state":{"desired":{` + desired + `}},"metadata":{"desired":{` + metadata + `}}}`
	}
	return map[string]string{
		"a long text":     message(`"limit":"`+repeat("x")+`"`, ""),
		"many keys":       message(many(`"k%d":1,`), ""),
		"many objects":    message(many(`"k%d":{"a":1},`), ""),
		"a long list":     message(`"limit":[`+strings.TrimSuffix(repeat("0,"), ",")+`]`, ""),
		"a deep list":     message(`"limit":`+strings.Repeat("[", size/2)+strings.Repeat("]", size/2), ""),
		"a deep object":   message(`"limit":`+strings.Repeat(`{"a":`, min(9000, size/6))+"1"+strings.Repeat("}", min(9000, size/6)), ""),
		"a long number":   message(`"limit":`+repeat("1"), ""),
		"a huge number":   message(`"limit":1e999999999`, ""),
		"large metadata":  message(`"limit":2`, many(`"k%d":{"timestamp":1},`)),
		"duplicated keys": message(`"limit":2,`+strings.TrimSuffix(repeat(`"limit":3,`), ","), ""),
		"no JSON":         repeat("{"),
		"garbage":         repeat("\xff\x00"),
		"long token":      `{"version":%d,"state":{},"clientToken":"` + repeat("x") + `"}`,
	}
}

// TestForeignMessages lets a foreign component flood the topics of a shadow. The
// component stays within its memory and its connection, and then obeys as before.
func TestForeignMessages(t *testing.T) {
	t.Parallel()
	r := newRig(t, settingsConfig)
	r.serve()
	p := startReal(t, r, realComponent(t))
	r.reported("", `{"limit":1}`)
	before := p.peak()
	foreigner, err := ipc.Dial(t.Context(), ipc.Config{Socket: r.coreAt, Token: ipc.Token(r.core.IssueToken("com.example.Foreign"))})
	if err != nil {
		t.Fatal(err)
	}
	defer foreigner.Close()
	publish := func(suffix, message string) {
		_, err := foreigner.PublishToTopic(t.Context(), model.PublishToTopicRequest{
			Topic:          model.ShadowTopic(thing, "") + suffix,
			PublishMessage: model.PublishMessage{BinaryMessage: &model.BinaryMessage{Message: []byte(message)}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	version := int64(1)
	for _, size := range []int{1 << 20, 60 << 10} {
		for name, message := range hostileMessages(size) {
			for range 3 << 20 / size {
				version++
				publish("/update/accepted", strings.Replace(message, "%d", strconv.FormatInt(version, 10), 1))
			}
			publish("/delete/accepted", message)
			if kB := p.peak(); kB > maxResident {
				t.Fatalf("after %s of %d bytes the component has had %d kB resident, before it %d kB", name, size, kB, before)
			}
		}
	}
	at := r.desire("", `{"limit":7}`)
	r.answered("", at, `{"limit":7}`)
	t.Logf("%d kB resident at most, %d kB before", p.peak(), before)
	if kB := p.peak(); kB > maxResident {
		t.Errorf("the component has had %d kB resident", kB)
	}
	if n := r.events.count(func(e devcore.Event) bool { return e.Kind == devcore.Connected && e.Component == componentName }); n != 1 {
		t.Errorf("the component has connected %d times, want once", n)
	}
}

// hostileNucleus is a nucleus whose shadow is what a test says.
type hostileNucleus struct {
	server   *server.Server
	connects atomic.Int64

	mu       sync.Mutex
	document string
	streams  map[string]*server.Stream
	gets     waiter[string]
	updates  waiter[string]
}

func newHostileNucleus(t *testing.T, document string) *hostileNucleus {
	t.Helper()
	n := &hostileNucleus{document: document, streams: map[string]*server.Stream{}}
	var err error
	n.server, err = server.New(server.Config{
		Authenticate: func(string) (string, bool) { return componentName, true },
		Up:           func(server.Peer) { n.connects.Add(1) },
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Handle(n.server, model.GetThingShadow, func(*server.Call, *model.GetThingShadowRequest) (model.GetThingShadowResponse, error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.gets.append(n.document)
		return model.GetThingShadowResponse{Payload: []byte(n.document)}, nil
	})
	server.Handle(n.server, model.UpdateThingShadow, func(_ *server.Call, req *model.UpdateThingShadowRequest) (model.UpdateThingShadowResponse, error) {
		n.updates.append(string(req.Payload))
		return model.UpdateThingShadowResponse{Payload: []byte(`{"version":9223372036854775807}`)}, nil
	})
	server.HandleStream(n.server, model.SubscribeToTopic, func(_ *server.Call, s *server.Stream, req *model.SubscribeToTopicRequest) (model.SubscribeToTopicResponse, error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.streams[req.Topic] = s
		return model.SubscribeToTopicResponse{}, nil
	})
	return n
}

// becomes changes the document.
func (n *hostileNucleus) becomes(document string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.document = document
}

// wasRead waits until a document was read.
func (n *hostileNucleus) wasRead(t *testing.T, document string) {
	t.Helper()
	if _, ok := n.gets.wait(func(d string) bool { return d == document }); !ok {
		t.Fatal("the document was never read")
	}
}

// publish sends a message of update/accepted.
func (n *hostileNucleus) publish(t *testing.T, message string) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	err := n.streams[model.ShadowTopic(thing, "")+"/update/accepted"].Send(model.SubscriptionResponseMessage{
		BinaryMessage: &model.BinaryMessage{Message: []byte(message), Context: &model.MessageContext{Topic: "t"}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestHostileDocuments has the nucleus answer with documents that no shadow service
// makes. The component stays within its memory, keeps the connection, and obeys the first
// document that is one.
func TestHostileDocuments(t *testing.T) {
	t.Parallel()
	program := realComponent(t)
	hostile := map[string]string{}
	for _, size := range []int{1 << 20, 180 << 10} {
		for name, document := range hostileMessages(size) {
			hostile[fmt.Sprintf("%s of %d kB", name, size>>10)] = document
		}
	}
	for name, document := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			document = strings.Replace(document, "%d", "9223372036854775807", 1)
			n := newHostileNucleus(t, document)
			r := newRig(t, settingsConfig)
			serve(t, r.coreAt, func(ctx context.Context, l net.Listener) error { return n.server.Serve(ctx, l) })
			p := startReal(t, r, program)
			n.wasRead(t, document)
			n.becomes(`{"version":9,"state":{"desired":{"limit":8}},"metadata":{"desired":{"limit":{"timestamp":1}}}}`)
			// A document that was not understood is read again after a pause, one with a
			// version that is none at the next message.
			n.publish(t, `{"version":9223372036854775806,"state":{"desired":{"limit":3}}}`)
			if _, ok := n.updates.wait(func(update string) bool {
				var u struct {
					State struct{ Reported struct{ Limit json.Number } }
				}
				return json.Unmarshal([]byte(update), &u) == nil && u.State.Reported.Limit == "8"
			}); !ok {
				t.Errorf("the good document was never obeyed")
			}
			if kB := p.peak(); kB > maxResident {
				t.Errorf("the component has had %d kB resident", kB)
			} else {
				t.Logf("%d kB resident at most", kB)
			}
			if lines := strings.Count(p.log.String(), "level=WARN") + strings.Count(p.log.String(), "level=ERROR"); lines > 5 {
				t.Errorf("the component has logged %d warnings", lines)
			}
			if c := n.connects.Load(); c != 1 {
				t.Errorf("the component has connected %d times, want once", c)
			}
		})
	}
}
