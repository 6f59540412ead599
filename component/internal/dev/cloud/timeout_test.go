package cloud

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/rest"
)

// pipes is a listener whose connections are pipes.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

// TestClientsOfTheAPIThatTakeTooLong lets clients stop in the middle, and sees after
// what time their connections end.
func TestClientsOfTheAPIThatTakeTooLong(t *testing.T) {
	t.Parallel()
	large := "GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, test := range []struct {
		name, sent string
		reads      bool
		after      time.Duration
	}{
		{"silent", "", true, headerTimeout},
		{"half a header", "GET /endpoint HTT", true, headerTimeout},
		{"half the headers", "GET /endpoint HTTP/1.1\r\nHost: x\r\n", true, headerTimeout},
		{"half a body", "POST /topics/a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345", true, requestTimeout},
		{"half a body that nobody wants", "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345", true, requestTimeout},
		{"idle", "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", true, idleTimeout},
		{"does not read", large, false, answerTimeout},
		{"reads and idles", large, true, idleTimeout},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				mux := http.NewServeMux()
				mux.Handle("/", (&rest.API{Verify: func(*http.Request, []byte) error { return nil }}).Handler())
				mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("x", 1<<20)) })
				server, l := newServer(mux, slog.New(slog.DiscardHandler)), make(pipes)
				go server.Serve(l)
				near, far := net.Pipe()
				l <- far
				ended := make(chan time.Time, 1)
				began := time.Now()
				if test.sent != "" {
					if _, err := io.WriteString(near, test.sent); err != nil {
						t.Fatal(err)
					}
				}
				go func() {
					if !test.reads {
						time.Sleep(test.after + time.Second)
					}
					io.Copy(io.Discard, near)
					ended <- time.Now()
				}()
				after := (<-ended).Sub(began)
				if test.reads && after != test.after || after > test.after+2*time.Second {
					t.Errorf("the connection ended after %v, want %v", after, test.after)
				}
				server.Close()
				synctest.Wait()
			})
		})
	}
}

// TestTooManyConnections opens one more than the cloud takes.
func TestTooManyConnections(t *testing.T) {
	c := start(t)
	for _, address := range []string{c.HTTP, c.MQTT} {
		var all []net.Conn
		for range maxConnections {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, conn)
		}
		one, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		one.SetDeadline(time.Now().Add(patience))
		if _, err := one.Read(make([]byte, 1)); err == nil || strings.Contains(fmt.Sprint(err), "timeout") {
			t.Errorf("%s: one connection too many is open: %v", address, err)
		}
		for _, conn := range all {
			conn.Close()
		}
		one.Close()
	}
}
