package holder

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"time"
)

// owner is the component that lines are held for, while it is there.
type owner struct {
	conn     *net.UnixConn
	receiver *receiver
	hello    command
}

// serve works for an owner until it is gone. One that fails before it has taken
// over never was the owner.
func (h *holder) serve(ctx context.Context, o *owner) {
	unhook := context.AfterFunc(ctx, func() { o.conn.SetDeadline(time.Unix(1, 0)) })
	defer unhook()
	defer o.conn.Close()
	o.conn.SetDeadline(time.Now().Add(packetTime))
	if h.greet(o, o.hello) != nil {
		return
	}
	h.told, h.left = nil, false
	for o.conn.SetDeadline(time.Time{}); ctx.Err() == nil; {
		var c command
		file, err := o.receiver.receive(&c)
		if err != nil {
			break
		}
		a := answer{ID: c.ID}
		if err := h.obey(c, file); err != nil {
			a.Error = err.Error()
		}
		o.conn.SetWriteDeadline(time.Now().Add(packetTime))
		if send(o.conn, a, nil) != nil || c.Op == "leave" {
			break
		}
	}
	h.until = time.Now().Add(o.hello.HoldFor)
}

// greet tells an owner what is held, and gives it copies.
func (h *holder) greet(o *owner, hello command) error {
	if err := send(o.conn, answer{ID: hello.ID, Protocol: protocol, Held: len(h.requests), Told: h.told}, nil); err != nil {
		return err
	}
	now := time.Now()
	for _, key := range slices.Sorted(maps.Keys(h.requests)) {
		k := h.requests[key]
		if err := send(o.conn, answer{Key: key, Request: &k.request, Orders: onWire(k.orders, now)}, k.file); err != nil {
			return err
		}
	}
	return nil
}

// obey does what a command says. The file, if any, is its own.
func (h *holder) obey(c command, file *os.File) error {
	if c.Op == "keep" {
		return h.keep(c, file)
	}
	closeFile(file)
	switch c.Op {
	case "guard":
		k := h.requests[c.Key]
		if k == nil {
			return fmt.Errorf("%q is not held", c.Key)
		}
		return k.guard(c.Orders)
	case "ping":
	case "release":
		h.letGo(func(k *kept) bool { return k.key == c.Key })
	case "leave":
		if !c.Keep {
			h.letGo(func(*kept) bool { return true })
			h.left = true
		}
	default:
		return fmt.Errorf("unknown op %q", c.Op)
	}
	return nil
}

// keep holds a request, in place of one of the same key.
func (h *holder) keep(c command, file *os.File) error {
	if file == nil || c.Request == nil || c.Key == "" || len(c.Request.Offsets) == 0 {
		closeFile(file)
		return fmt.Errorf("keep %q: want a key, a request and its descriptor", c.Key)
	}
	k := &kept{key: c.Key, request: *c.Request, file: file}
	if err := k.guard(c.Orders); err != nil {
		file.Close()
		return err
	}
	before := h.requests[c.Key]
	h.requests[c.Key] = k
	if before != nil {
		before.file.Close()
	}
	return nil
}

// guard replaces the orders of a request.
func (k *kept) guard(orders []order) error {
	if len(orders) > maxOrders {
		return fmt.Errorf("%q: %d orders, at most %d", k.key, len(orders), maxOrders)
	}
	for _, o := range orders {
		if len(o.Values) != len(k.request.Offsets) {
			return fmt.Errorf("%q: an order of %d values for %d lines", k.key, len(o.Values), len(k.request.Offsets))
		}
	}
	k.orders, k.tries = fromWire(orders, time.Now()), 0
	return nil
}

func closeFile(file *os.File) {
	if file != nil {
		file.Close()
	}
}
