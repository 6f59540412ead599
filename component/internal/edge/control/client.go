package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"syscall"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/journal"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/socketpath"
)

// ErrNotRunning says that no component listens at a socket.
var ErrNotRunning = errors.New("no component is running here")

// Client is a connection to a running component. It is not safe for concurrent use.
type Client struct {
	conn net.Conn
	in   *bufio.Reader
}

// Dial connects to the component whose socket is at path. The error of a component
// that does not run is [ErrNotRunning], that of missing permission fs.ErrPermission.
// Close the client.
func Dial(path string) (*Client, error) {
	var conn net.Conn
	err := socketpath.At(path, func(address string) (err error) {
		conn, err = net.DialTimeout("unix", address, callTimeout)
		return err
	})
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		return nil, fmt.Errorf("%w: nobody listens at %s", ErrNotRunning, path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s: %w: it is for the component's user and group; try sudo", path, fs.ErrPermission)
	case err != nil:
		return nil, err
	}
	c := &Client{conn, bufio.NewReader(conn)}
	var hello greeting
	conn.SetReadDeadline(time.Now().Add(callTimeout))
	if err := c.receive(&hello); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if hello.Component != "shadowgpio" || hello.Protocol != protocol {
		conn.Close()
		return nil, fmt.Errorf("%s: want a shadowgpio that speaks protocol %d, got %q with %d; use the program of the running component", path, protocol, hello.Component, hello.Protocol)
	}
	return c, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Status asks for what is now.
func (c *Client) Status() (Status, error) {
	r, err := c.ask(Request{Op: opStatus})
	if err == nil && r.Status == nil {
		err = errors.New("want a status, got none")
	}
	if err != nil {
		return Status{}, err
	}
	return *r.Status, nil
}

// Journal asks for up to n of the last entries, the oldest first.
func (c *Client) Journal(n int) ([]journal.Entry, error) {
	r, err := c.ask(Request{Op: opJournal, Last: n})
	return r.Journal, err
}

// Desire has the component write a desired value, and returns the version of the
// document that has it.
func (c *Client) Desire(shadow, property string, value json.RawMessage) (version int64, err error) {
	r, err := c.ask(Request{Op: opDesire, Shadow: shadow, Property: property, Value: value})
	return r.Version, err
}

// Watch calls see with the whole status now and after each change, and with what
// came to the journal, until see returns false, ctx is done or the component is
// gone. The Client is closed then. Only a component that is gone is an error.
func (c *Client) Watch(ctx context.Context, see func(Status, []journal.Entry) bool) error {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	err := c.send(Request{Op: opWatch})
	c.conn.SetReadDeadline(time.Time{})
	for now := (Status{}); err == nil; {
		var r Response
		if err = c.receive(&r); err != nil {
			break
		}
		switch {
		case r.Status != nil:
			now = *r.Status
		case r.Change != nil:
			now = now.with(*r.Change)
		}
		if !see(now, r.Journal) {
			return nil
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// with is a status after a change.
func (s Status) with(change Status) Status {
	change.Lines = overlaid(s.Lines, change.Lines)
	change.Shadows = overlaid(s.Shadows, change.Shadows)
	return change
}

func overlaid[V any](below, above map[string]V) map[string]V {
	both := make(map[string]V, len(below))
	maps.Copy(both, below)
	maps.Copy(both, above)
	return both
}

func (c *Client) ask(request Request) (Response, error) {
	if err := c.send(request); err != nil {
		return Response{}, err
	}
	c.conn.SetReadDeadline(time.Now().Add(callTimeout + writeTimeout))
	var r Response
	if err := c.receive(&r); err != nil {
		return Response{}, err
	}
	if r.Error != "" {
		return Response{}, errors.New(r.Error)
	}
	return r, nil
}

func (c *Client) send(request Request) error {
	text, err := json.Marshal(request)
	if err != nil {
		return err
	}
	c.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err = c.conn.Write(append(text, '\n'))
	return err
}

func (c *Client) receive(message any) error {
	line, err := c.in.ReadBytes('\n')
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("%w any more", ErrNotRunning)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(line, message)
}
