package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net"
	"os"
	"reflect"
	"sync"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/socketpath"
)

// Bounds that keep clients from mattering to the component.
const (
	mostClients  = 16
	writeTimeout = 5 * time.Second  // a client that does not read is left
	idleTimeout  = time.Minute      // one that asks nothing, too
	callTimeout  = 15 * time.Second // of one request
	watchPause   = 50 * time.Millisecond
)

// listen makes the socket at path; what an earlier run left there is replaced.
func listen(path string) (*net.UnixListener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var listener *net.UnixListener
	err := socketpath.At(path, func(address string) (err error) {
		listener, err = net.ListenUnix("unix", &net.UnixAddr{Name: address, Net: "unix"})
		return err
	})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false) // it may be another's by then, and of another address
	if err := os.Chmod(path, 0o660); err != nil {
		listener.Close()
		return nil, err
	}
	return listener, nil
}

// Serve makes the socket at path and answers clients until ctx is done. If the socket is
// deleted or replaced, Serve makes it again within a second, without a word to the
// clients that are connected. It returns when the last client is gone.
func Serve(ctx context.Context, path string, source Source, log *slog.Logger) {
	var clients sync.WaitGroup
	defer clients.Wait()
	places := make(chan struct{}, mostClients)
	keeper := socketpath.Keeper{
		Path:   path,
		Listen: func() (*net.UnixListener, error) { return listen(path) },
		Taken:  func() bool { return answers(path) },
		Accept: func(conn *net.UnixConn) {
			select {
			case places <- struct{}{}:
			default:
				conn.Close()
				return
			}
			clients.Go(func() {
				defer func() { <-places }()
				c := &client{conn: conn, source: source}
				defer conn.Close()
				defer context.AfterFunc(ctx, func() { conn.Close() })()
				c.serve(ctx)
			})
		},
		Told: func(err error) {
			if err != nil {
				log.Warn("no control socket; status, watch, get and set do not work; retrying", "error", err)
			} else {
				log.Info("control socket works again", "path", path)
			}
		},
	}
	keeper.Run(ctx, nil)
}

// answers reports whether a process listens at path.
func answers(path string) bool {
	err := socketpath.At(path, func(address string) error {
		conn, err := net.DialTimeout("unix", address, time.Second)
		if err == nil {
			conn.Close()
		}
		return err
	})
	return err == nil
}

type client struct {
	conn   net.Conn
	source Source
}

func (c *client) serve(ctx context.Context) {
	if c.send(greeting{"shadowgpio", protocol}) != nil {
		return
	}
	requests := bufio.NewScanner(c.conn)
	requests.Buffer(nil, longestLine)
	for {
		c.conn.SetReadDeadline(time.Now().Add(idleTimeout))
		if !requests.Scan() {
			if errors.Is(requests.Err(), bufio.ErrTooLong) {
				c.send(Response{Error: fmt.Sprintf("want a line of at most %d bytes", longestLine)})
			}
			return
		}
		var r Request
		if err := json.Unmarshal(requests.Bytes(), &r); err != nil {
			c.send(Response{Error: "want one JSON object a line: " + err.Error()})
			return
		}
		if r.Op == opWatch {
			c.watch(ctx)
			return
		}
		if c.send(c.answer(ctx, r)) != nil {
			return
		}
	}
}

func (c *client) answer(ctx context.Context, r Request) Response {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var answer Response
	var err error
	switch r.Op {
	case opStatus:
		var status Status
		status, err = c.source.Status(ctx)
		answer.Status = &status
	case opJournal:
		all, _ := c.source.Journal(0)
		answer.Journal = all[max(0, len(all)-max(r.Last, 0)):]
	case opDesire:
		answer.Version, err = c.source.Desire(ctx, r.Shadow, r.Property, r.Value)
	default:
		err = fmt.Errorf("want one of the operations status, journal, watch and desire, got %q", r.Op)
	}
	if err != nil {
		return Response{Error: err.Error()}
	}
	return answer
}

// watch sends what is, and then what changes, until the client is gone. While it
// does not keep up, changes become one.
func (c *client) watch(ctx context.Context) {
	ctx, gone := context.WithCancel(ctx)
	defer gone()
	c.conn.SetReadDeadline(time.Time{})
	go func() {
		defer gone()
		c.conn.Read(make([]byte, 1)) // nothing more is asked; it ends with the client
	}()
	changed, stop := c.source.Changed()
	defer stop()
	_, seen := c.source.Journal(math.MaxInt64)
	var last Status
	for first := true; ; first = false {
		now, err := c.source.Status(ctx)
		if err != nil {
			return
		}
		var r Response
		r.Journal, seen = c.source.Journal(seen)
		switch change, some := difference(last, now); {
		case first || reconfigured(last, now):
			r.Status = &now
		case some:
			r.Change = &change
		}
		last = now
		if (r.Status != nil || r.Change != nil || len(r.Journal) > 0) && c.send(r) != nil {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(watchPause):
		case <-ctx.Done():
			return
		}
	}
}

// reconfigured reports whether lines or shadows are others than before.
func reconfigured(old, now Status) bool {
	return !sameKeys(old.Lines, now.Lines) || !sameKeys(old.Shadows, now.Shadows)
}

func sameKeys[V any](a, b map[string]V) bool {
	for key := range a {
		if _, ok := b[key]; !ok {
			return false
		}
	}
	return len(a) == len(b)
}

// difference is now without the lines and shadows that are as they were, and
// whether anything is different.
func difference(old, now Status) (change Status, some bool) {
	change = now
	change.Lines, change.Shadows = map[string]engine.LineView{}, map[string]engine.ShadowView{}
	for label, line := range now.Lines {
		if !reflect.DeepEqual(line, old.Lines[label]) {
			change.Lines[label] = line
		}
	}
	for label, shadow := range now.Shadows {
		if !reflect.DeepEqual(shadow, old.Shadows[label]) {
			change.Shadows[label] = shadow
		}
	}
	some = len(change.Lines) > 0 || len(change.Shadows) > 0 || !reflect.DeepEqual(old.Nucleus, now.Nucleus) ||
		old.Stopped != now.Stopped || old.Refused != now.Refused || !maps.Equal(old.Disk, now.Disk)
	return change, some
}

func (c *client) send(message any) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	c.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err = c.conn.Write(append(text, '\n'))
	return err
}
