package control

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
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

// TestClientsThatTakeTooLong lets clients stop in the middle. Only a request that is being
// carried out may take long, and it ends with its client.
func TestClientsThatTakeTooLong(t *testing.T) {
	t.Parallel()
	const slow = time.Hour
	for _, test := range []struct {
		name, sent string
		reads      bool
		after      time.Duration
		answered   string
	}{
		{"silent", "", true, requestTimeout, ""},
		{"half the headers", "GET /x HTTP/1.1\r\nHost: x\r\n", true, requestTimeout, ""},
		{"half a body", "POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345", true, requestTimeout, "400"},
		{"half a body that nobody wants", "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345", true, requestTimeout, "404"},
		{"idle", "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", true, idleTimeout, "404"},
		{"a request that takes long", "POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", true, slow + idleTimeout, "done"},
		{"does not read", "POST /large HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", false, answerTimeout, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				mux := http.NewServeMux()
				mux.HandleFunc("POST /slow", answer(func(r *http.Request, _ nothing) (string, error) {
					select {
					case <-time.After(slow):
						return "done", nil
					case <-r.Context().Done():
						return "", r.Context().Err()
					}
				}))
				mux.HandleFunc("POST /large", answer(func(*http.Request, nothing) (string, error) { return strings.Repeat("x", 1<<20), nil }))
				server, l := newServer(ctx, mux, slog.New(slog.DiscardHandler)), make(pipes)
				go server.Serve(l)
				near, far := net.Pipe()
				l <- far
				began := time.Now()
				if _, err := io.WriteString(near, test.sent); err != nil {
					t.Fatal(err)
				}
				if !test.reads {
					time.Sleep(test.after + time.Second)
				}
				got, _ := io.ReadAll(near)
				took := time.Since(began)
				if test.reads && took != test.after || took > test.after+2*time.Second || !strings.Contains(string(got), test.answered) {
					t.Errorf("the connection ended after %v, want %v; answered %.300q", took, test.after, got)
				}
				cancel()
				server.Close()
				synctest.Wait()
			})
		})
	}
}

// TestClientThatHangsUp ends what it asked for.
func TestClientThatHangsUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		server, l := newServer(t.Context(), answer(func(r *http.Request, _ nothing) (nothing, error) {
			<-r.Context().Done()
			close(ended)
			return nothing{}, nil
		}), slog.New(slog.DiscardHandler)), make(pipes)
		go server.Serve(l)
		near, far := net.Pipe()
		l <- far
		io.WriteString(near, "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
		time.Sleep(2 * requestTimeout)
		near.Close()
		<-ended
		server.Close()
		synctest.Wait()
	})
}
