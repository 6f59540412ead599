package holder

import (
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// protocol is what this package talks. A component that meets a holder with
// another one takes over what it holds and lets it end.
const protocol = 1

// maxPacket is the longest packet, in bytes. The longest there is keeps 64 lines
// with maxOrders.
const maxPacket = 64 << 10

// maxOrders is the number of orders of one request.
const maxOrders = 16

// Request is what is needed to adopt lines again.
type Request struct {
	Chip     gpio.ChipInfo `json:"chip"`
	Consumer string        `json:"consumer"`
	Offsets  []int         `json:"offsets"`
}

// command is what an owner sends.
type command struct {
	ID       uint64        `json:"id"`
	Op       string        `json:"op"` // hello, keep, guard, release, leave, ping
	Protocol int           `json:"protocol,omitempty"`
	HoldFor  time.Duration `json:"holdFor,omitempty"` // of hello, in ns
	Key      string        `json:"key,omitempty"`     // of keep, guard, release
	Request  *Request      `json:"request,omitempty"` // of keep
	Orders   []order       `json:"orders,omitempty"`  // of keep and guard; replace those before
	Keep     bool          `json:"keep,omitempty"`    // of leave: as if the owner had vanished
}

// answer is what a holder sends: first to hello, then a packet with a descriptor
// for each of the requests it holds, then to each command.
type answer struct {
	ID       uint64   `json:"id"`
	Error    string   `json:"error,omitempty"`
	Protocol int      `json:"protocol,omitempty"` // to hello
	Held     int      `json:"held,omitempty"`     // to hello: how many requests follow
	Told     []string `json:"told,omitempty"`     // to hello: what happened while there was no owner
	Key      string   `json:"key,omitempty"`      // of a request that is held
	Request  *Request `json:"request,omitempty"`
	Orders   []order  `json:"orders,omitempty"`
}

// order is an [Order] on the wire.
type order struct {
	After  time.Duration `json:"after"` // from when the packet is read, in ns
	Values []bool        `json:"values"`
}
