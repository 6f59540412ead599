package sim

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestClientsThatTakeTooLong lets clients stop in the middle. One that holds lines keeps
// them, and a button that is held takes its time.
func TestClientsThatTakeTooLong(t *testing.T) {
	t.Parallel()
	const forever = 24 * time.Hour
	request := `{"op":"request","chip":"gpiochip0","consumer":"x","lines":[{"Offset":0}]}` + "\n"
	for _, test := range []struct {
		name, sent string
		reads      bool
		after      time.Duration // forever: not at all
	}{
		{"silent", "", true, commandTimeout},
		{"half a command", `{"op":"chi`, true, commandTimeout},
		{"idle", `{"op":"chips"}` + "\n", true, commandTimeout},
		{"does not read", `{"op":"chips"}` + "\n", false, takeTimeout},
		{"holds a button", `{"op":"hold","chip":"gpiochip0","duration":3600000000000}` + "\n", true, time.Hour + commandTimeout},
		{"holds lines", request, true, forever},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, err := New(Chip{Lines: 4})
				if err != nil {
					t.Fatal(err)
				}
				near, far := net.Pipe()
				ended := make(chan struct{})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				go func() { defer close(ended); serveConn(ctx, far, s, newHolders()) }()
				io.WriteString(near, test.sent)
				if test.reads {
					go io.Copy(io.Discard, bufio.NewReader(near))
				}
				gone := func() bool {
					synctest.Wait()
					select {
					case <-ended:
						return true
					default:
						return false
					}
				}
				time.Sleep(test.after - time.Millisecond)
				if gone() {
					t.Errorf("ended before %v", test.after)
				}
				time.Sleep(2 * time.Millisecond)
				if gone() != (test.after != forever) {
					t.Errorf("ended: %v, after %v", gone(), test.after)
				}
				if holds := len(strings.TrimSpace(test.sent)) > 0 && test.after == forever; holds {
					infos, err := s.LineInfos("gpiochip0")
					if err != nil || !infos[0].Used {
						t.Errorf("the lines are released: %+v, %v", infos, err)
					}
				}
				cancel()
				if !gone() {
					t.Error("lives on after the server")
				}
			})
		})
	}
}
