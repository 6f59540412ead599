package control

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/journal"
)

func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came: %s", what)
		}
	}
}

// A client that is connected goes on, and the next one finds the socket.
func TestSocketComesBack(t *testing.T) {
	for name, loses := range map[string]func(path string) error{
		"deleted": os.Remove,
		"replaced by a file": func(path string) error {
			os.Remove(path)
			return os.WriteFile(path, []byte("x"), 0o600)
		},
		"replaced by a socket without a listener": func(path string) error {
			l, err := listen(path)
			if err == nil {
				l.Close()
			}
			return err
		},
		"directory deleted and made again": func(path string) error {
			dir := filepath.Dir(path)
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
			return os.Mkdir(dir, 0o700)
		},
		"directory moved away for a while": func(path string) error {
			dir := filepath.Dir(path)
			if err := os.Rename(dir, dir+".away"); err != nil {
				return err
			}
			defer os.RemoveAll(dir + ".away")
			return os.Mkdir(dir, 0o700)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, path := serve(t)
			seen := make(chan string, 100)
			ctx, stop := context.WithCancel(t.Context())
			watching := make(chan error, 1)
			c := dial(t, path)
			go func() {
				watching <- c.Watch(ctx, func(s Status, _ []journal.Entry) bool {
					seen <- s.Lines["lamp"].Value
					return true
				})
			}()
			if got := <-seen; got != "off" {
				t.Errorf("the client sees %q first", got)
			}
			before, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := loses(path); err != nil {
				t.Fatal(err)
			}
			eventually(t, "another socket", func() bool {
				after, err := os.Lstat(path)
				return err == nil && !os.SameFile(before, after) && answers(path)
			})
			next := dial(t, path)
			if _, err := next.Status(); err != nil {
				t.Errorf("the next client: %v", err)
			}
			d.change(func() {
				lamp := d.status.Lines["lamp"]
				lamp.Value = "on"
				d.status.Lines["lamp"] = lamp
			})
			if got := <-seen; got != "on" {
				t.Errorf("the client that was there sees %q", got)
			}
			stop()
			if err := <-watching; err != nil {
				t.Errorf("the client that was there: %v", err)
			}
			if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0o660 {
				t.Errorf("the socket is %v, %v", info, err)
			}
		})
	}
}

// The socket of another process that answers is left to it, and taken back later.
func TestSocketOfAnotherIsLeftAlone(t *testing.T) {
	t.Parallel()
	_, path := serve(t)
	other, err := listen(path)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // it is asked whether it answers, at each look
		conn, err := other.AcceptUnix()
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	if now, err := os.Lstat(path); err != nil || !os.SameFile(theirs, now) {
		t.Errorf("the socket is %v, %v, want the other's", now, err)
	}
	other.Close()
	eventually(t, "our socket", func() bool {
		c, err := net.Dial("unix", path)
		if err != nil {
			return false
		}
		defer c.Close()
		return true
	})
}
