package ipc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/ipctest"
)

func env(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func TestConfigFromEnvMissing(t *testing.T) {
	for _, test := range []struct {
		values map[string]string
		want   []string
	}{
		{nil, []string{ipc.EnvSocket, ipc.EnvToken}},
		{map[string]string{ipc.EnvSocket: "/s"}, []string{ipc.EnvToken}},
		{map[string]string{ipc.EnvToken: "secret"}, []string{ipc.EnvSocket}},
		{map[string]string{ipc.EnvToken: "secret", ipc.EnvSocket: ""}, []string{ipc.EnvSocket}},
	} {
		_, err := ipc.ConfigFromEnv(env(test.values))
		var missing *ipc.EnvironmentError
		if !errors.As(err, &missing) || !slices.Equal(missing.Missing, test.want) {
			t.Errorf("%v: got %v, want %v missing", test.values, err, test.want)
			continue
		}
		for _, name := range append(test.want, "sudo-rs") {
			if !strings.Contains(err.Error(), name) {
				t.Errorf("%q does not mention %s", err, name)
			}
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q gives the token away", err)
		}
	}
}

func TestConfigFromEnv(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ path, want string }{
		{"/greengrass/v2/ipc.socket", "/greengrass/v2/ipc.socket"},
		{"../../ipc.socket", filepath.Join(wd, "../../ipc.socket")},
		{"ipc.socket", filepath.Join(wd, "ipc.socket")},
	} {
		c, err := ipc.ConfigFromEnv(env(map[string]string{ipc.EnvSocket: test.path, ipc.EnvToken: "token"}))
		if err != nil || c.Socket != test.want || string(c.Token) != "token" {
			t.Errorf("%s: %+v, %v, want %s", test.path, c, err, test.want)
		}
	}
	_, err = ipc.ConfigFromEnv(env(map[string]string{ipc.EnvSocket: "/" + strings.Repeat("x", 110), ipc.EnvToken: "token"}))
	if err == nil || !strings.Contains(err.Error(), "107") || !strings.Contains(err.Error(), ipc.EnvSocket) {
		t.Errorf("got %v, want the limit and the variable", err)
	}
}

// TestLongSocketPath: a nucleus below a long path hands out a relative one. It must
// work after a chdir too.
func TestLongSocketPath(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc/self/fd")
	}
	root, err := os.MkdirTemp("", "ipc")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(root) }()
	deep := filepath.Join(root, strings.Repeat("d", 100), "work", "component")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(deep)
	listener, err := net.Listen("unix", "../../ipc.socket")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	cfg, err := ipc.ConfigFromEnv(env(map[string]string{ipc.EnvSocket: "../../ipc.socket", ipc.EnvToken: ipctest.Token}))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(root)
	var peer sync.WaitGroup
	defer peer.Wait()
	peer.Go(func() {
		if far, err := listener.Accept(); err == nil {
			p := ipctest.NewPeer(t, far)
			p.Accept()
			p.ExpectClosed()
		}
	})
	conn, err := ipc.Dial(t.Context(), cfg)
	if err != nil {
		_ = listener.Close()
		t.Fatal(err)
	}
	_ = conn.Close()
}

func TestTokenNeverShows(t *testing.T) {
	const secret = "ABCDEFGH01234567"
	token := ipc.Token(secret)
	config := ipc.Config{Token: token, Socket: "/s"}
	session, err := ipc.NewSession(ipc.SessionConfig{Config: config})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	show := func(v any) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%5.2f", "%!"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(h).Info("m", "v", v)
		}
		if b, err := json.Marshal(v); err == nil {
			out.Write(b)
		}
	}
	show(token)
	show(&token)
	show(config)
	show(&config)
	show(map[string]ipc.Token{"key": token})
	show([]ipc.Token{token})
	show(session)
	fmt.Fprintln(&out, token.String(), token.GoString(), error(fmt.Errorf("token %v", token)))
	for _, form := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), "65, 66, 67", "0x41, 0x42", "65 66 67"} {
		if i := strings.Index(out.String(), form); i >= 0 {
			t.Errorf("the token shows: %q", out.String()[max(0, i-40):i+len(form)])
		}
	}
	if !strings.Contains(out.String(), "REDACTED") {
		t.Error("no placeholder shows")
	}
}

// TestNothingSecretIsLogged runs a conversation at the most talkative level.
func TestNothingSecretIsLogged(t *testing.T) {
	var out bytes.Buffer
	cfg := ipc.Config{
		Token: ipctest.Token, Logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Dial: ipctest.Dialer(t, func(p *ipctest.Peer) {
			p.Accept()
			r := p.Request()
			p.Send(ipctest.Terminate(r.ID))
			p.Send(ipctest.TopicEvent(r.ID, "t", "payload"))
		}),
	}
	conn, err := ipc.Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&out, "%v %+v %#v", conn, conn, conn)
	if _, err := conn.GetThingShadow(t.Context(), getShadow); err == nil {
		t.Error("the call succeeded")
	}
	<-conn.Done()
	_ = conn.Close()
	for _, secret := range []string{ipctest.Token, "payload\""} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%q shows in %s", secret, &out)
		}
	}
	if !strings.Contains(out.String(), "connection ended") {
		t.Errorf("nothing was logged: %s", &out)
	}
}

// TestConfigErrors: what cannot be meant is refused by name and not replaced, all of
// it at once.
func TestConfigErrors(t *testing.T) {
	good := ipc.Config{Socket: "/s"}
	for _, test := range []struct {
		name  string
		cfg   ipc.SessionConfig
		wants []string
	}{
		{"no socket", ipc.SessionConfig{}, []string{`ipc: Socket: want a path, got ""`}},
		{"long socket", ipc.SessionConfig{Config: ipc.Config{Socket: "/" + strings.Repeat("x", 120)}}, []string{"ipc: Socket: want a path that fits"}},
		{"limits", ipc.SessionConfig{Config: ipc.Config{Socket: "/s", MessageLimit: -1, RequestLimit: 25 << 20}}, []string{
			"ipc: MessageLimit: want 0, or 1000 to 25165824 bytes, got -1", "ipc: RequestLimit: want 0, or 1000 to 25165824 bytes, got 26214400"}},
		{"small limit", ipc.SessionConfig{Config: ipc.Config{Socket: "/s", MessageLimit: 999}}, []string{"MessageLimit"}},
		{"durations", ipc.SessionConfig{Config: good, MinBackoff: -1, MaxBackoff: -1, Refusal: -1, MaxOutage: -time.Second, ResubscribeDelay: -1}, []string{
			"MinBackoff", "MaxBackoff", "Refusal", "ipc: MaxOutage: want 0 or more, got -1s", "ResubscribeDelay"}},
		{"bounds the wrong way round", ipc.SessionConfig{Config: good, MinBackoff: time.Second, MaxBackoff: time.Millisecond}, []string{
			"ipc: MinBackoff: want at most MaxBackoff, 1ms, got 1s"}},
		{"good", ipc.SessionConfig{Config: ipc.Config{Socket: "/s", MessageLimit: 1000, RequestLimit: 10000, CallTimeout: -1}}, nil},
	} {
		_, err := ipc.NewSession(test.cfg)
		checkFaults(t, test.name, err, test.wants)
	}
}

// TestDialConfigErrors: Dial refuses the same before it connects.
func TestDialConfigErrors(t *testing.T) {
	cfg := ipc.Config{MessageLimit: 1, Dial: func(context.Context) (net.Conn, error) {
		t.Error("connected")
		return nil, io.EOF
	}}
	_, err := ipc.Dial(t.Context(), cfg)
	checkFaults(t, "Dial", err, []string{"ipc: MessageLimit: want"})
}

func checkFaults(t *testing.T, name string, err error, wants []string) {
	t.Helper()
	if (err != nil) != (wants != nil) {
		t.Errorf("%s: got %v", name, err)
		return
	}
	if err == nil {
		return
	}
	if !isA[*ipc.ConfigError](err) || strings.Count(err.Error(), "ipc: ") != len(wants) {
		t.Errorf("%s: got %v, want %d faults", name, err, len(wants))
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q in it", name, err, want)
		}
	}
}
