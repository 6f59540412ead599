package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/app/devenv"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/pki"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/control"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/holder"
	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server/servertest"
)

// hangUps is how many clients of each socket hang up.
const hangUps = 40

// TestPeersThatHangUp resets many clients of each socket of a running environment in the
// middle of an answer. Nothing of it ends.
func TestPeersThatHangUp(t *testing.T) {
	dir := shortDir(t)
	dev := startDev(t, dir)
	dev.says("cloud ", "MyGateway/workshop version 1")
	component := componentPID(t, dev)
	at, err := devenv.Dir(dir).Contact()
	if err != nil {
		t.Fatal(err)
	}
	pair, roots := clientCertificate(t, dir)
	dial := func(network, address string) net.Conn {
		t.Helper()
		c, err := net.Dial(network, address)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	overTLS := func(address string, certificates ...tls.Certificate) (tcp net.Conn, secured *tls.Conn) {
		t.Helper()
		tcp = dial("tcp", address)
		secured = tls.Client(tcp, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", Certificates: certificates})
		if err := secured.Handshake(); err != nil {
			t.Fatal(err)
		}
		return tcp, secured
	}
	get := strings.Repeat("GET /things/MyGateway/shadow HTTP/1.1\r\nHost: x\r\n\r\n", 50)

	for _, socket := range []struct {
		name   string
		client func() // sends requests and hangs up with the answers unread
	}{
		{"control socket of dev", func() {
			c := dial("unix", devenv.Dir(dir).Control())
			c.Write([]byte(strings.Repeat("GET /compare HTTP/1.1\r\nHost: x\r\n\r\n", 50)))
			c.Close()
		}},
		{"chips", func() {
			c := dial("unix", at.Chips)
			c.Write([]byte(strings.Repeat(`{"op":"chips"}`+"\n"+`{"op":"infos","chip":"gpiochip0"}`+"\n", 50)))
			c.Close()
		}},
		{"IPC, requests", func() {
			c := dial("unix", at.Socket)
			var frames bytes.Buffer
			frames.Write(frame(t, servertest.Connect(at.Token)))
			for i := range 50 {
				frames.Write(frame(t, servertest.Request(int32(i+1), model.GetThingShadow, map[string]string{"thingName": at.ThingName})))
			}
			c.Write(frames.Bytes())
			c.Close()
		}},
		{"IPC, a subscriber under load", func() {
			c := servertest.Dial(t, at.Socket).Login(at.Token)
			c.Call(model.SubscribeToTopic, map[string]string{"topic": "load"})
			var frames bytes.Buffer
			for i := range 200 {
				frames.Write(frame(t, servertest.Request(int32(i+100), model.PublishToTopic,
					map[string]any{"topic": "load", "publishMessage": map[string]any{"binaryMessage": map[string]any{"message": bytes.Repeat([]byte("x"), 1000)}}})))
			}
			c.Write(frames.Bytes())
			c.Conn.Close()
		}},
		{"HTTP of the cloud", func() {
			c := dial("tcp", at.Cloud.HTTP)
			c.Write([]byte(get))
			reset(t, c)
		}},
		{"HTTPS of the cloud", func() {
			tcp, c := overTLS(at.Cloud.HTTPS)
			c.Write([]byte(get))
			reset(t, tcp)
		}},
		{"TLS and nothing more", func() {
			for _, address := range []string{at.Cloud.HTTPS, at.Cloud.MQTT} {
				tcp, _ := overTLS(address, pair)
				reset(t, tcp)
			}
		}},
		{"TLS without an end", func() {
			for _, address := range []string{at.Cloud.HTTPS, at.Cloud.MQTT} {
				c := dial("tcp", address)
				c.Write([]byte("\x16\x03\x01"))
				reset(t, c)
			}
		}},
		{"MQTT of the cloud", func() {
			tcp, c := overTLS(at.Cloud.MQTT, pair)
			packets := []byte("\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03hup" + "\x82\x06\x00\x01\x00\x01#\x00") // connect, subscribe to all
			for range 200 {
				packets = append(packets, "\x30\x83\x01\x00\x01a"+strings.Repeat("x", 128)...) // publish
			}
			c.Write(packets)
			reset(t, tcp)
		}},
		{"control socket of the component", func() {
			c := dial("unix", filepath.Join(devenv.Dir(dir).Work(), control.SocketName))
			c.Write([]byte(strings.Repeat(`{"op":"status"}`+"\n", 50)))
			c.Close()
		}},
		{"holder", func() {
			c := dial("unixpacket", filepath.Join(devenv.Dir(dir).Work(), holder.SocketName))
			c.Write([]byte("{}"))
			c.Close()
		}},
	} {
		for range hangUps {
			socket.client()
		}
		for _, args := range [][]string{{"get"}, {"get", "--core"}, {"link", "status"}, {"component", "list"}} {
			out, code := shadowctl(t, dir, args...)
			if code != 0 || args[0] == "component" && !strings.Contains(out, "RUNNING") {
				t.Fatalf("%s: after that, shadowctl %s: exit code %d, %s", socket.name, strings.Join(args, " "), code, out)
			}
		}
		if err := syscall.Kill(component, 0); err != nil {
			t.Fatalf("%s: after that, the component's process is gone: %v", socket.name, err)
		}
	}
	if out, code := shadowctl(t, dir, "set", "lights=on", "--wait", "30s"); code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
	dev.signal(syscall.SIGINT)
	if code := dev.ends(); code != 0 {
		t.Errorf("exit code %d after ^C, want 0", code)
	}
}

// clientCertificate is that of an application of the development cloud.
func clientCertificate(t *testing.T, dir string) (pair tls.Certificate, roots *x509.CertPool) {
	t.Helper()
	authority, err := pki.Open(filepath.Join(devenv.Dir(dir).Cloud(), cloud.CertificatesDir))
	if err != nil {
		t.Fatal(err)
	}
	files, err := authority.Client("hup")
	if err != nil {
		t.Fatal(err)
	}
	if pair, err = tls.LoadX509KeyPair(files.Certificate, files.Key); err != nil {
		t.Fatal(err)
	}
	trusted, err := os.ReadFile(authority.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(trusted)
	return pair, roots
}

func frame(t *testing.T, m *eventstream.Message) []byte {
	t.Helper()
	text, err := eventstream.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// reset ends a TCP connection without the usual farewell.
func reset(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// TestWatchOutlivesItsConnection resets the connection of a command that watches.
func TestWatchOutlivesItsConnection(t *testing.T) {
	dir := shortDir(t)
	dev := startDev(t, dir)
	dev.says("cloud ", "MyGateway/workshop version 1")
	at := contactOf(t, dir).Cloud
	out, code := shadowctl(t, dir, "certificate", "watcher")
	files := map[string]string{}
	for line := range strings.Lines(out) {
		if words := strings.Fields(line); len(words) == 2 {
			files[words[0]] = words[1]
		}
	}
	if code != 0 || len(files) != 3 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	passed := make(chan net.Conn, 10)
	go pass(l, at.MQTT, passed)

	watch := run(t, dir, []string{roleVariable + "=shadowctl", "SHADOWGPIO_DEV_DIR=" + dir}, "watch", "MyGateway",
		"--endpoint", "mqtts://"+l.Addr().String(), "--ca", files["ca"], "--certificate", files["certificate"], "--key", files["key"])
	for i := range 3 {
		connection := <-passed
		watch.says("watching")
		shadowctl(t, dir, "set", fmt.Sprintf("round=%d", i))
		watch.says(fmt.Sprintf("desired round: %s → %d", map[bool]string{true: "-", false: fmt.Sprint(i - 1)}[i == 0], i))
		reset(t, connection)
		watch.says("messages may have been missed")
	}
	watch.signal(syscall.SIGINT)
	if code := watch.ends(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	dev.signal(syscall.SIGINT)
	dev.ends()
}

// pass passes connections on, and tells of each.
func pass(l net.Listener, to string, passed chan<- net.Conn) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", to)
		if err != nil {
			client.Close()
			continue
		}
		go func() { io.Copy(server, client); server.Close() }()
		go func() { io.Copy(client, server); client.Close() }()
		passed <- client
	}
}

// TestOutputThatNobodyReads closes the standard output of commands, which ends them in
// their order.
func TestOutputThatNobodyReads(t *testing.T) {
	dir := shortDir(t)
	dev, devOutput := startRead(t, dir, "dev")
	readUntil(t, devOutput, "MyGateway/workshop version 1: reported", "cloud ")
	contact, err := devenv.Dir(dir).Contact()
	if err != nil {
		t.Fatal(err)
	}

	watch, watchOutput := startRead(t, dir, "watch", "--json")
	seen := make(chan error, 1)
	go func() { _, err := watchOutput.ReadString('\n'); seen <- err }()
	awaitTrue(t, "a watch that sees changes", func() bool {
		shadowctl(t, dir, "set", "note=1")
		shadowctl(t, dir, "set", "note=null")
		return len(seen) > 0
	})
	watchOutput.close()
	awaitTrue(t, "the end of watch", func() bool {
		shadowctl(t, dir, "set", "note=2")
		shadowctl(t, dir, "set", "note=null")
		return watch.ended()
	})
	if code := watch.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("watch: exit code %d, want 0", code)
	}
	if out, code := shadowctl(t, dir, "get"); code != 0 {
		t.Fatalf("dev ended with watch: %s", out)
	}

	devOutput.close()
	shadowctl(t, dir, "set", "note=3") // which dev prints
	awaitTrue(t, "the end of dev", dev.ended)
	if code := dev.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("dev: exit code %d, want 0", code)
	}
	for _, file := range []string{contact.Socket, contact.Chips, devenv.Dir(dir).ContactFile()} {
		if _, err := os.Lstat(file); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", file, err)
		}
	}

	// What dev left behind serves the next one.
	again := startDev(t, dir)
	again.says("core ", componentName+" is RUNNING")
	if out, code := shadowctl(t, dir, "set", "lights=on", "--wait", "30s"); code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
	again.signal(syscall.SIGINT)
	again.ends()
}

// reader is the standard output of a command, of which the test holds the only end.
type reader struct {
	*bufio.Reader
	close func() error
}

// background is a command whose output the test may close.
type background struct {
	cmd  *exec.Cmd
	done chan struct{}
}

func (b *background) ended() bool {
	select {
	case <-b.done:
		return true
	default:
		return false
	}
}

func startRead(t *testing.T, dir string, args ...string) (*background, *reader) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(environ(), roleVariable+"=shadowctl", "SHADOWGPIO_DEV_DIR="+dir)
	cmd.Stdout, cmd.Stderr = w, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	b := &background{cmd, make(chan struct{})}
	go func() { defer close(b.done); cmd.Wait() }()
	t.Cleanup(func() { cmd.Process.Kill(); <-b.done; r.Close() })
	return b, &reader{bufio.NewReader(r), r.Close}
}

// readUntil reads lines until one has all the texts.
func readUntil(t *testing.T, r *reader, texts ...string) {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("no line with %q: %v", texts, err)
		}
		found := true
		for _, text := range texts {
			found = found && strings.Contains(line, text)
		}
		if found {
			return
		}
	}
}
