package holder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/socketpath"
	"github.com/shadowgpio/shadowgpio/gpio"
)

const (
	// firstWait is how long a new holder waits for its first owner.
	firstWait = time.Minute
	// packetTime bounds the wait for an owner that does not read.
	packetTime = 10 * time.Second
	// mostGuests is the number of processes that may wait to become the owner.
	mostGuests = 16
	// An order that fails is tried that often, after that pause.
	maxTries, retryPause = 60, time.Second
	// maxTold is the number of things that are remembered for the next owner.
	maxTold = 32
)

// Server says how a holder works.
type Server struct {
	Adopter gpio.Adopter // carries out orders
	Stay    bool         // also without lines, as a service does
	Logger  *slog.Logger
}

// Serve holds lines for owners that come to the listener, until there is nothing
// left to hold or ctx is done. When ctx is done while no owner is there, all orders
// are carried out at once. It closes the listener and lets go of all lines.
func (s Server) Serve(ctx context.Context, listener *Listener) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h := &holder{Server: s, until: time.Now().Add(firstWait), requests: map[string]*kept{}}
	defer h.letGo(func(*kept) bool { return true })
	owners := make(chan *owner)
	h.replaced = make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.listen(ctx, listener, owners)
	}()
	defer func() { cancel(); <-done; listener.Close() }()
	h.run(ctx, owners)
}

// listen passes on who may become the owner, until ctx is done. If the socket is deleted
// or replaced, listen makes it again, or notes that another holder has the place.
func (h *holder) listen(ctx context.Context, listener *Listener, owners chan<- *owner) {
	replaced := sync.OnceFunc(func() { close(h.replaced) })
	places := make(chan struct{}, mostGuests)
	keeper := socketpath.Keeper{
		Path:   listener.path,
		Listen: listener.again,
		Taken: func() bool {
			if !listener.taken() {
				return false
			}
			replaced()
			return true
		},
		Accept: func(conn *net.UnixConn) {
			select {
			case places <- struct{}{}:
			default:
				conn.Close()
				return
			}
			go func() {
				defer func() { <-places }()
				welcome(ctx, conn, owners)
			}()
		},
		Told: func(err error) {
			if err != nil {
				h.Logger.Warn("socket of the holder does not work; retrying", "error", err)
			} else {
				h.Logger.Info("socket of the holder works again")
			}
		},
	}
	keeper.Run(ctx, listener.UnixListener)
}

// welcome reads the hello of who may become the owner, and waits for its turn. So one that
// says nothing keeps nobody waiting.
func welcome(ctx context.Context, conn *net.UnixConn, owners chan<- *owner) {
	o := &owner{conn: conn, receiver: newReceiver(conn)}
	unhook := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer unhook()
	conn.SetDeadline(time.Now().Add(packetTime))
	if _, err := sameUser(conn); err != nil {
		conn.Close()
		return
	}
	file, err := o.receiver.receive(&o.hello)
	closeFile(file)
	if err != nil || file != nil || o.hello.Op != "hello" {
		conn.Close()
		return
	}
	select {
	case owners <- o:
	case <-ctx.Done():
		conn.Close()
	}
}

// holder is the state of a server. One goroutine has it all.
type holder struct {
	Server
	requests map[string]*kept
	until    time.Time // without an owner lines are held until then
	told     []string  // what the next owner is to be told
	left     bool      // the last owner let go of everything

	replaced chan struct{} // closed when another holder has our place; nil never
}

// kept is a request that is held.
type kept struct {
	key     string
	request Request
	orders  []Order // in the order of their time
	file    *os.File
	tries   int // how often the first order failed
}

// run alternates between an owner and the time without one.
func (h *holder) run(ctx context.Context, owners <-chan *owner) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case o := <-owners:
			if h.serve(ctx, o); ctx.Err() != nil {
				return // the owner goes on by itself
			}
		case <-h.replaced: // no successor will find us, and it needs the lines
			h.carryOut(time.Time{})
			return
		case <-timer.C:
		case <-ctx.Done():
			h.carryOut(time.Time{})
			return
		}
		now := time.Now()
		h.carryOut(now)
		over := !now.Before(h.until)
		if over {
			h.letGo(func(k *kept) bool { return len(k.orders) == 0 })
		}
		if len(h.requests) == 0 && !h.Stay && (h.left || over) {
			return
		}
		timer.Reset(h.next(now).Sub(now))
	}
}

// next is when there is something to do without an owner.
func (h *holder) next(now time.Time) time.Time {
	at := now.Add(time.Hour)
	if now.Before(h.until) {
		at = h.until
	}
	for _, k := range h.requests {
		if len(k.orders) > 0 && k.orders[0].At.Before(at) {
			at = k.orders[0].At
		}
	}
	return at
}

// letGo releases the requests that match.
func (h *holder) letGo(match func(*kept) bool) {
	for key, k := range h.requests {
		if match(k) {
			k.file.Close()
			delete(h.requests, key)
		}
	}
}

// tell keeps something for the next owner's log.
func (h *holder) tell(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	h.Logger.Info(text)
	h.told = append(h.told, time.Now().UTC().Format(time.RFC3339)+" "+text)
	h.told = h.told[max(0, len(h.told)-maxTold):]
}

// carryOut carries out the orders that are due; at the zero time, all.
func (h *holder) carryOut(now time.Time) {
	for _, k := range h.requests {
		for len(k.orders) > 0 && (now.IsZero() || !k.orders[0].At.After(now)) {
			if h.carried(k, k.orders[0].Values, now.IsZero()) {
				k.orders, k.tries = slices.Delete(k.orders, 0, 1), 0
			} else {
				k.orders[0].At = now.Add(retryPause)
			}
		}
	}
}

// carried tries to carry out an order, and tells whether that is the end of it:
// lines behind a bus fail at times.
func (h *holder) carried(k *kept, values []bool, last bool) bool {
	err := h.set(k, values)
	if err == nil {
		h.tell("%s was set to %v without the component", k.key, values)
		return true
	}
	k.tries++
	if last || k.tries == maxTries || errors.Is(err, gpio.ErrGone) {
		h.tell("%s could not be set to %v without the component: %v", k.key, values, err)
		return true
	}
	return false
}

// set sets the lines of a request that has no owner.
func (h *holder) set(k *kept, values []bool) error {
	file, err := duplicate(k.file)
	if err != nil {
		return err
	}
	lines, err := h.Adopter.Adopt(file, k.request.Chip.Path, k.request.Consumer, k.request.Offsets)
	if err != nil {
		return err
	}
	return errors.Join(lines.SetValues(values), lines.Close())
}
