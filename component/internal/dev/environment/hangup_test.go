package environment_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/gorilla/websocket"

	"github.com/shadowgpio/shadowgpio/component/internal/app/devenv"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cli"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/pki"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/environment"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/control"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server/servertest"
)

// TestMain makes the test binary the component, too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "run-component" {
		ctx, stop := command.Context()
		code := cli.Run(ctx, cli.Env{Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv})
		stop()
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// patience is for what must happen: long, since machines are shared.
const patience = 60 * time.Second

// running is an environment within this process.
type running struct {
	t    *testing.T
	dir  devenv.Dir
	log  *output
	at   devenv.Contact
	end  context.CancelFunc
	done chan error
}

// output is what the environment prints, to wait on.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p)
	close(o.changed)
	o.changed = make(chan struct{})
	return len(p), nil
}

func (o *output) state() (string, chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String(), o.changed
}

// says waits for a text.
func (r *running) says(text string) {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		now, changed := r.log.state()
		if strings.Contains(now, text) {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			r.t.Fatalf("no %q in\n%s", text, now)
		}
	}
}

func start(t *testing.T) *running {
	t.Helper()
	dir, err := os.MkdirTemp("", "sg") // whose path leaves room for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	e, err := environment.Open(environment.Options{Dir: devenv.Dir(dir), Thing: "MyGateway", Component: []string{exe, "run-component"}, Version: "1"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	r := &running{t: t, dir: devenv.Dir(dir), log: &output{changed: make(chan struct{})}, end: end, done: make(chan error, 1)}
	started := make(chan devenv.Contact, 1)
	go func() {
		err := e.Run(ctx, r.log, func(c devenv.Contact, _ string) { started <- c })
		e.Close()
		r.done <- err
	}()
	t.Cleanup(func() { end(); <-r.done })
	r.at = <-started
	return r
}

// ctl types a command of shadowctl.
func (r *running) ctl(args ...string) (text string, code int) {
	var out bytes.Buffer
	code = cli.Run(r.t.Context(), cli.Env{
		Args: append(args, "--dir", string(r.dir)), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out,
		Getenv: func(string) string { return "" },
	})
	return out.String(), code
}

// resources are what a process has open.
type resources struct {
	goroutines, files, ofComponent int
	heap                           uint64 // bytes
}

func (r resources) String() string {
	return fmt.Sprintf("%d goroutines, %d files, %d files of the component, %d KiB", r.goroutines, r.files, r.ofComponent, r.heap>>10)
}

func measure(t *testing.T, component int) (r resources) {
	t.Helper()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files := func(pid int) int {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	return resources{runtime.NumGoroutine(), files(os.Getpid()), files(component), m.HeapAlloc}
}

// near reports whether nothing has grown by what a thousand clients would leave.
func (r resources) near(before resources) bool {
	return r.goroutines <= before.goroutines+20 && r.files <= before.files+10 && r.ofComponent <= before.ofComponent+10 && r.heap <= before.heap+32<<20
}

// reset ends a connection without the usual farewell, its answers unread.
func reset(c net.Conn) {
	if raw, err := c.(syscall.Conn).SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) {
			syscall.SetsockoptLinger(int(fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
		})
	}
	c.Close()
}

// signed is the path of a WebSocket whose signature is right.
func signed(t *testing.T, at devenv.Contact) string {
	target := &url.URL{Scheme: "wss", Host: at.Cloud.HTTPS, Path: "/mqtt"}
	request := &http.Request{Method: http.MethodGet, URL: target, Host: target.Host, Header: http.Header{}}
	keys := aws.Credentials{AccessKeyID: at.Cloud.AccessKeyID, SecretAccessKey: at.Cloud.SecretAccessKey}
	const emptyBody = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	text, _, err := v4.NewSigner().PresignHTTP(t.Context(), keys, request, emptyBody, "iotdevicegateway", at.Cloud.Region, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u.RequestURI()
}

// TestAThousandClientsOfEachSocketHangUp resets clients in the middle of their answers. The
// environment goes on, and nothing is left of them.
func TestAThousandClientsOfEachSocketHangUp(t *testing.T) {
	const clients, atOnce = 1000, 16
	r := start(t)
	r.says("MyGateway/workshop version 1")
	authority, err := pki.Open(filepath.Join(r.dir.Cloud(), cloud.CertificatesDir))
	if err != nil {
		t.Fatal(err)
	}
	files, err := authority.Client("hup")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := os.ReadFile(authority.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(trusted)

	// dial connects and writes, so that answers are on their way.
	dial := func(network, address, text string) {
		c, err := net.Dial(network, address)
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(c, text)
		reset(c)
	}
	overTLS := func(address, text string) {
		tcp, err := net.Dial("tcp", address)
		if err != nil {
			t.Error(err)
			return
		}
		c := tls.Client(tcp, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", Certificates: []tls.Certificate{pair}})
		if err := c.Handshake(); err != nil {
			t.Error(err)
		}
		io.WriteString(c, text)
		reset(tcp)
	}
	frames := func(messages ...*eventstream.Message) string {
		var all bytes.Buffer
		for _, m := range messages {
			frame, err := eventstream.Encode(m)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(frame)
		}
		return all.String()
	}
	subscriber := []*eventstream.Message{
		servertest.Connect(r.at.Token),
		servertest.Request(1, model.SubscribeToTopic, map[string]string{"topic": "load"}),
	}
	for i := range 20 {
		subscriber = append(subscriber,
			servertest.Request(int32(2*i+2), model.GetThingShadow, map[string]string{"thingName": r.at.ThingName}),
			servertest.Request(int32(2*i+3), model.PublishToTopic, map[string]any{"topic": "load", "publishMessage": map[string]any{"binaryMessage": map[string]any{"message": bytes.Repeat([]byte("x"), 1000)}}}))
	}
	get := strings.Repeat("GET /things/MyGateway/shadow HTTP/1.1\r\nHost: x\r\n\r\n", 20)
	var number atomic.Int64
	mqtt := func() string { // connect, half of them with a session that stays; subscribe and publish to a topic
		n := number.Add(1)
		id := fmt.Sprintf("\x00\x04%04d", n%3000)
		text := "\x10\x10\x00\x04MQTT\x04" + string(rune(2*(n%2))) + "\x00\x3c" + id + "\x82\x09\x00\x01" + id + "\x01"
		return text + strings.Repeat("\x32\x88\x01"+id+"\x00\x07"+strings.Repeat("x", 128), 20)
	}
	upgrade := "GET " + signed(t, r.at) + " HTTP/1.1\r\nHost: " + r.at.Cloud.HTTPS + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"

	pid := 0
	text, _ := r.log.state()
	fmt.Sscanf(text[strings.Index(text, "started, process"):], "started, process %d", &pid)
	before := measure(t, pid)
	for _, socket := range []struct {
		name   string
		client func()
	}{
		{"control", func() {
			dial("unix", r.dir.Control(), strings.Repeat("GET /compare HTTP/1.1\r\nHost: x\r\n\r\n", 20))
		}},
		{"control, half a deployment", func() {
			dial("unix", r.dir.Control(), "POST /deployments HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
		}},
		{"chips", func() {
			dial("unix", r.at.Chips, strings.Repeat(`{"op":"infos","chip":"gpiochip0"}`+"\n", 20))
		}},
		{"chips, a request of lines", func() {
			dial("unix", r.at.Chips, `{"op":"request","chip":"gpiochip0","consumer":"hup","lines":[{"Offset":30}]}`+"\n"+strings.Repeat(`{"op":"values"}`+"\n", 20))
		}},
		{"IPC", func() { dial("unix", r.at.Socket, frames(subscriber...)) }},
		{"HTTP", func() { dial("tcp", r.at.Cloud.HTTP, get) }},
		{"HTTPS", func() { overTLS(r.at.Cloud.HTTPS, get) }},
		{"WebSocket, the upgrade", func() { overTLS(r.at.Cloud.HTTPS, upgrade) }},
		{"WebSocket", func() {
			ws, answer, err := (&websocket.Dialer{TLSClientConfig: &tls.Config{RootCAs: roots}, Subprotocols: []string{"mqtt"}}).Dial("wss://"+r.at.Cloud.HTTPS+signed(t, r.at), nil)
			if err != nil {
				t.Error(err, answer)
				return
			}
			ws.WriteMessage(websocket.BinaryMessage, []byte(mqtt()))
			reset(ws.NetConn().(*tls.Conn).NetConn())
		}},
		{"WebSocket port, TLS alone", func() { overTLS(r.at.Cloud.HTTPS, "") }},
		{"MQTT", func() { overTLS(r.at.Cloud.MQTT, mqtt()) }},
		{"MQTT, half a handshake", func() { dial("tcp", r.at.Cloud.MQTT, "\x16\x03\x01") }},
		{"control socket of the component", func() {
			dial("unix", filepath.Join(r.dir.Work(), control.SocketName), strings.Repeat(`{"op":"status"}`+"\n", 20))
		}},
	} {
		var left atomic.Int64
		left.Store(clients)
		var workers sync.WaitGroup
		for range atOnce {
			workers.Go(func() {
				for left.Add(-1) >= 0 && !t.Failed() {
					socket.client()
				}
			})
		}
		workers.Wait()
		if t.Failed() {
			t.Fatalf("socket %s", socket.name)
		}
	}
	for _, c := range []struct{ args, want string }{
		{"set lights=on --wait 60s", "done (200)"},
		{"get", "lights"},
		{"get --core", "lights"},
		{"get --mqtt", "lights"},
		{"press door", ""},
		{"component list", "RUNNING"},
	} {
		if text, code := r.ctl(strings.Fields(c.args)...); code != 0 || !strings.Contains(text, c.want) {
			t.Errorf("shadowctl %s: exit code %d, %s", c.args, code, text)
		}
	}
	r.says("GPIO17 is high")
	if err := syscall.Kill(pid, 0); err != nil {
		t.Errorf("the component's process is another one: %v", err)
	}
	after := measure(t, pid)
	for deadline := time.Now().Add(patience); !after.near(before) && time.Now().Before(deadline); after = measure(t, pid) {
		<-time.After(100 * time.Millisecond)
	}
	t.Logf("before %v\nafter  %v", before, after)
	if !after.near(before) {
		stacks := make([]byte, 1<<20)
		t.Errorf("before %v\nafter  %v\n%s", before, after, stacks[:runtime.Stack(stacks, true)])
	}
	r.end()
	if err := <-r.done; err != nil {
		t.Error(err)
	}
	r.done <- nil
}
