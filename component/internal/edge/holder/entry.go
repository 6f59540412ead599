package holder

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// entry is what the holder is to have under a key.
type entry struct {
	lines   gpio.Descriptor // nil to release
	request Request
	orders  []Order
	kept    bool   // the holder has the lines
	asked   uint64 // count of the latest change
	done    uint64 // count of the latest that the holder has
	life    uint64 // how often it became something else
}

// become changes what is kept; nil lines are to be released.
func (e *entry) become(lines gpio.Descriptor, request Request, orders []Order) {
	if given, ok := e.lines.(*handed); ok {
		given.file.Close()
	}
	*e = entry{lines: lines, request: request, orders: orders, done: e.done, life: e.life + 1}
}

// pending tells whether the holder has yet to be told something.
func (e *entry) pending() bool { return e.lines != nil && !e.kept || e.done < e.asked }

// handed is a request that a holder handed over and that was not kept anew yet.
// Our copy is for the case that the holder ends.
type handed struct {
	file  *os.File
	taken bool
}

// File implements [gpio.Descriptor].
func (h *handed) File() (*os.File, error) { return duplicate(h.file) }

// task is what the holder is told next.
type task struct {
	command
	file        *os.File // of keep
	asked, life uint64   // of the entry when the task was made
}

// pick makes the next task, of the oldest change. Its file is the caller's.
func (c *Client) pick() (t task, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var first *entry
	for key, e := range c.entries {
		if e.pending() && (first == nil || e.asked < first.asked) {
			first, t.Key = e, key
		}
	}
	if first == nil {
		return task{}, false
	}
	if first.lines != nil && !first.kept {
		var err error
		switch t.file, err = first.lines.File(); {
		case passes(err):
			time.AfterFunc(filePause, c.stir)
			return task{}, false
		case err != nil: // closed, or gone
			first.become(nil, Request{}, nil)
		}
	}
	t.asked, t.life = first.asked, first.life
	switch request := first.request; {
	case first.lines == nil:
		t.Op = "release"
	case first.kept:
		t.Op, t.Orders = "guard", onWire(first.orders, time.Now())
	default:
		t.Op, t.Request, t.Orders = "keep", &request, onWire(first.orders, time.Now())
	}
	return t, true
}

// filePause is the pause after a descriptor could not be duplicated.
const filePause = time.Second

// passes reports whether an error is one of too many files, or of too little memory.
func passes(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM)
}

// settle notes that the holder has done a task.
func (c *Client) settle(t task) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[t.Key]
	e.done, c.slow = t.asked, false
	switch {
	case e.life != t.life: // became something else since
	case t.Op == "release":
		delete(c.entries, t.Key)
	default:
		e.kept = true
	}
	c.announce()
}

// announce wakes who waits for an answer. c.mu is held.
func (c *Client) announce() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// gained notes a new holder, which has nothing.
func (c *Client) gained() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.present, c.slow = true, false
	for _, e := range c.entries {
		e.kept = false
	}
	c.announce()
}

// lost notes that there is no holder.
func (c *Client) lost() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.present = false
	c.announce()
}

// given notes what a holder has handed over.
func (c *Client) given(a answer, file *os.File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ours := c.entries[a.Key]
	switch {
	case ours: // and newer
		file.Close()
	case c.wanted != nil && !c.wanted(a.Key):
		file.Close()
		c.count++
		c.entries[a.Key] = &entry{asked: c.count}
	default:
		c.entries[a.Key] = &entry{
			lines:   &handed{file: file},
			request: *a.Request,
			orders:  fromWire(a.Orders, time.Now()),
			kept:    true,
		}
	}
}
