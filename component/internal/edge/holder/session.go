package holder

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// Pauses between attempts to get a holder, doubled each time.
const firstPause, lastPause = time.Second, 30 * time.Second

// pingPause is how often a holder that has nothing to do is asked whether it answers. One
// that hangs is replaced before it is needed.
const pingPause = 2 * time.Second

// run has a holder all the time, until Leave. It calls begun when the holder of an
// earlier run has handed over, or there is none.
func (c *Client) run(begun func()) {
	defer c.closeHanded()
	defer begun()
	var said string
	for pause := time.Duration(0); ; pause = min(max(2*pause, firstPause), lastPause) {
		l, err := c.reach(begun)
		if err == nil {
			begun()
			reached := time.Now()
			err = c.work(l)
			c.lost()
			if said = ""; errors.Is(err, errHung) && c.replace(l.peer) || time.Since(reached) > lastPause {
				pause = 0
			}
			l.end()
		}
		if c.life.Err() != nil {
			return
		}
		if text := err.Error(); text != said {
			c.config.Logger.Warn("no holder: outputs may move when this process ends", "error", err)
			said = text
		}
		if errors.Is(err, gpio.ErrUnsupported) {
			return
		}
		select {
		case <-time.After(pause):
		case <-c.life.Done():
			return
		}
	}
}

func (c *Client) closeHanded() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.entries {
		e.become(nil, Request{}, nil)
	}
}

// reach gets a holder to be ours, and takes over what it has.
func (c *Client) reach(begun func()) (*link, error) {
	socket, err := c.socket()
	if err != nil {
		return nil, err
	}
	conn, pid, err := dialHolder(socket)
	if err != nil && c.config.Sole {
		conn, pid, err = c.find(socket, err)
	}
	if err != nil && !errors.Is(err, gpio.ErrUnsupported) {
		begun()
		if err = c.launch(socket); err == nil {
			conn, pid, err = dialHolder(socket)
		}
	}
	if err != nil {
		return nil, err
	}
	l := newLink(c.death, conn)
	l.peer, _ = holderProcess(pid, socket) // nil: it is left alone whatever it does
	if err := c.takeOver(l); err != nil {
		c.lost()
		if errors.Is(err, errHung) && c.config.Sole {
			c.replace(l.peer)
		}
		l.end()
		return nil, err
	}
	return l, nil
}

// dialHolder connects to the process that listens at a socket, which must be of our user: it
// gets our lines.
func dialHolder(socket string) (*net.UnixConn, int, error) {
	conn, err := dial(socket)
	if err != nil {
		return nil, 0, err
	}
	pid, err := sameUser(conn)
	if err != nil {
		conn.Close()
		return nil, 0, err
	}
	return conn, pid, nil
}

// find gets to a holder that holds the lock of the socket, though there is no way by the
// socket itself. It waits until the holder has made the socket again. One that does not is
// ended, or it would keep the lines from us.
func (c *Client) find(socket string, unreachable error) (*net.UnixConn, int, error) {
	var lost []*process
	defer func() {
		for _, p := range lost {
			p.close()
		}
	}()
	stir := time.NewTicker(stirPause)
	defer stir.Stop()
	for begun := time.Now(); ; {
		if lost == nil {
			lost = holderProcesses(socket)
		}
		there, busy := false, false
		for _, p := range lost {
			p.goOn()
			there, busy = there || !p.ended(0), busy || p.busy()
		}
		if !there {
			return nil, 0, unreachable
		}
		if waited := time.Since(begun); waited >= answerTime || waited >= hungTime && !busy {
			break
		}
		select {
		case <-stir.C:
		case <-c.death.Done():
			return nil, 0, c.death.Err()
		}
		if conn, pid, err := dialHolder(socket); err == nil {
			return conn, pid, nil
		}
	}
	for _, p := range lost {
		c.replace(p)
	}
	return nil, 0, unreachable
}

// replace ends a holder that does not answer, so that lines that it has can be requested
// and another one is started. It reports whether it did.
func (c *Client) replace(p *process) bool {
	if p == nil {
		return false
	}
	err := p.end()
	if err != nil {
		c.config.Logger.Warn("holder does not answer, and cannot be ended", "pid", p.pid, "error", err)
		return false
	}
	c.config.Logger.Warn("holder did not answer; it was ended, and another one is started", "pid", p.pid)
	return true
}

// launch starts a holder, unless we are to stop. Leave lets it, for a while: what is
// to be kept may not have been handed over yet.
func (c *Client) launch(socket string) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	command, err := c.command(socket)
	if err != nil {
		return err
	}
	return launch(c.death, command)
}

// takeOver takes over what a holder has. One that talks another protocol lets go
// of it then.
func (c *Client) takeOver(l *link) error {
	patience := time.Duration(0) // it may have another owner, and answers when that is gone
	if c.config.Sole {
		patience = answerTime
	}
	hello, err := l.call(command{Op: "hello", Protocol: protocol, HoldFor: c.config.HoldFor}, nil, patience)
	if err != nil {
		return err
	}
	for _, text := range hello.Told {
		c.config.Logger.Info("told by the holder", "event", text)
	}
	c.gained()
	for range hello.Held {
		a, file, err := l.next(answerTime)
		if err != nil {
			return err
		}
		if file == nil || a.Request == nil {
			closeFile(file)
			return errors.New("the holder gave no lines where it said so")
		}
		c.given(a, file)
	}
	if hello.Protocol == protocol {
		return nil
	}
	l.call(command{Op: "leave"}, nil, answerTime)
	return fmt.Errorf("the holder talks protocol %d, want %d; it is replaced", hello.Protocol, protocol)
}

// work tells the holder what it is to have, until Leave or the holder's end.
func (c *Client) work(l *link) error {
	ping := time.NewTicker(pingPause)
	defer ping.Stop()
	for {
		t, ok := c.pick()
		if ok {
			if err := c.do(l, t); err != nil {
				return err
			}
			continue
		}
		if c.life.Err() != nil {
			c.mu.Lock()
			keep := c.keep
			c.mu.Unlock()
			_, err := l.call(command{Op: "leave", Keep: keep}, nil, answerTime)
			return err
		}
		select {
		case <-c.wake:
		case <-ping.C:
			// Any answer does, also of one that does not know the command.
			if _, err := l.call(command{Op: "ping"}, nil, answerTime); err != nil {
				return err
			}
		case <-c.life.Done():
		case r := <-l.received:
			closeFile(r.file)
			return cmp.Or(l.over(r), errors.New("the holder answered what nobody asked"))
		}
	}
}

func (c *Client) do(l *link, t task) error {
	defer closeFile(t.file)
	a, err := l.call(t.command, t.file, answerTime)
	if err != nil {
		return err
	}
	if a.Error != "" {
		c.config.Logger.Warn("refused by the holder", "line", t.Key, "error", a.Error)
	}
	c.settle(t)
	return nil
}
