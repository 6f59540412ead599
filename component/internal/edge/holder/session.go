package holder

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// Pauses between attempts to get a holder, doubled each time.
const firstPause, lastPause = time.Second, 30 * time.Second

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
			l.end()
			if said = ""; time.Since(reached) > lastPause {
				pause = 0
			}
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
	conn, err := dial(socket)
	if err != nil && !errors.Is(err, gpio.ErrUnsupported) {
		begun()
		if err = c.launch(socket); err == nil {
			conn, err = dial(socket)
		}
	}
	if err != nil {
		return nil, err
	}
	l := newLink(c.death, conn)
	if err := c.takeOver(l); err != nil {
		c.lost()
		l.end()
		return nil, err
	}
	return l, nil
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
	hello, err := l.call(command{Op: "hello", Protocol: protocol, HoldFor: c.config.HoldFor}, nil, 0)
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
