package broker

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// The bounds of what the broker keeps for clients. A message costs its bytes and
// messageCost.
const (
	maxSessions = 100 // of clients that are not connected
	maxWills    = 100 // that wait for their delay

	maxRetained      = 1000
	maxRetainedBytes = 16 << 20

	maxUnacknowledged      = 1000     // messages for one client, connected or not
	maxUnacknowledgedBytes = 8 << 20  // for one client
	maxKeptBytes           = 64 << 20 // for all clients

	messageCost = 512
)

// The bounds as they are logged, each with what follows from it.
const (
	tellSlow      = "client disconnected: it does not read"
	tellBacklog   = "messages to a client dropped: too many are not acknowledged"
	tellRetained  = "message delivered, not retained: too many are retained"
	tellSession   = "oldest session of a disconnected client dropped: too many are kept"
	tellWill      = "last will sent without its delay: too many wait"
	tellTopic     = "client disconnected: its topic is too long"
	tellCoreQueue = "messages to the core device dropped: too many wait for its link"
)

// memory counts what the broker keeps for clients.
type memory struct {
	mu       sync.Mutex
	retained map[string]int // cost by topic
	backlogs map[*mqtt.Client]*backlog
	kept     int                  // cost of all backlogs
	wills    map[string]time.Time // that wait for their delay: when it is over, by client
}

// backlog is the messages of one client that it has not acknowledged.
type backlog struct {
	costs map[uint16]int // by packet identifier
	size  int
}

func newMemory() *memory {
	return &memory{retained: map[string]int{}, backlogs: map[*mqtt.Client]*backlog{}, wills: map[string]time.Time{}}
}

func cost(pk packets.Packet) int {
	return max(pk.FixedHeader.Remaining, len(pk.TopicName)+len(pk.Payload)) + messageCost
}

// retain takes a message into account that replaces the retained one of its topic. It
// reports whether there is room. An empty one deletes.
func (m *memory) retain(pk packets.Packet, actual func() map[string]packets.Packet) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(pk.Payload) == 0 {
		delete(m.retained, pk.TopicName)
		return true
	}
	if m.fits(pk) {
		m.retained[pk.TopicName] = cost(pk)
		return true
	}
	m.retained = map[string]int{} // some may be gone
	for topic, other := range actual() {
		if !strings.HasPrefix(topic, mqtt.SysPrefix) {
			m.retained[topic] = cost(other)
		}
	}
	if !m.fits(pk) {
		return false
	}
	m.retained[pk.TopicName] = cost(pk)
	return true
}

func (m *memory) fits(pk packets.Packet) bool {
	size := cost(pk)
	for topic, other := range m.retained {
		if topic != pk.TopicName {
			size += other
		}
	}
	_, again := m.retained[pk.TopicName]
	return size <= maxRetainedBytes && (again || len(m.retained) < maxRetained)
}

// admits reports whether a client may get a further message.
func (m *memory) admits(cl *mqtt.Client) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.backlogs[cl]
	return b == nil || len(b.costs) < maxUnacknowledged && b.size < maxUnacknowledgedBytes && m.kept < maxKeptBytes
}

// sent takes a message to a client into account.
func (m *memory) sent(cl *mqtt.Client, pk packets.Packet) {
	if pk.FixedHeader.Type != packets.Publish {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.backlogs[cl]
	if b == nil {
		b = &backlog{costs: map[uint16]int{}}
		m.backlogs[cl] = b
	}
	m.change(cl, b, pk.PacketID, cost(pk))
}

// acknowledged ends the account of a message.
func (m *memory) acknowledged(cl *mqtt.Client, id uint16) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b := m.backlogs[cl]; b != nil {
		m.change(cl, b, id, 0)
	}
}

// change sets the cost of one message, 0 for none. The caller holds mu.
func (m *memory) change(cl *mqtt.Client, b *backlog, id uint16, cost int) {
	difference := cost - b.costs[id]
	b.size += difference
	m.kept += difference
	if cost > 0 {
		b.costs[id] = cost
	} else {
		delete(b.costs, id)
	}
	if len(b.costs) == 0 {
		delete(m.backlogs, cl)
	}
}

// recount takes the account of a client from what there is.
func (m *memory) recount(cl *mqtt.Client) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(cl)
	b := &backlog{costs: map[uint16]int{}}
	for _, pk := range cl.State.Inflight.GetAll(false) {
		if pk.FixedHeader.Type == packets.Publish {
			m.backlogs[cl] = b
			m.change(cl, b, pk.PacketID, cost(pk))
		}
	}
}

// forget ends the account of a client. The caller holds mu.
func (m *memory) forget(cl *mqtt.Client) {
	if b := m.backlogs[cl]; b != nil {
		m.kept -= b.size
		delete(m.backlogs, cl)
	}
}

func (m *memory) gone(cl *mqtt.Client) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(cl)
}

// delay reports whether the last will of a client may wait.
func (m *memory) delay(client string, d time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	for other, until := range m.wills {
		if until.Before(now) {
			delete(m.wills, other)
		}
	}
	if _, again := m.wills[client]; !again && len(m.wills) >= maxWills {
		return false
	}
	m.wills[client] = now.Add(d)
	return true
}

// remove ends the session of a client as the broker does when it expires, unless another
// client has taken it over.
func (b *Broker) remove(cl *mqtt.Client) {
	if present, ok := b.server.Clients.Get(cl.ID); ok && present == cl {
		cl.ClearInflights()
		b.server.UnsubscribeClient(cl)
		b.server.Clients.Delete(cl.ID)
	}
	b.memory.gone(cl)
}

// settle takes care of the session of a client whose connection has ended: one that the
// broker keeps though nobody may take it up, which it does when the client is gone before
// its CONNACK, and the oldest ones when too many are kept.
func (b *Broker) settle(cl *mqtt.Client) {
	b.settling.Lock()
	defer b.settling.Unlock()
	props := cl.Properties
	ends := props.ProtocolVersion == 5 && props.Props.SessionExpiryInterval == 0 || props.ProtocolVersion < 5 && props.Clean
	present, ok := b.server.Clients.Get(cl.ID)
	if !ok || present != cl {
		b.memory.gone(cl)
	} else if ends {
		b.remove(cl)
	} else {
		b.memory.recount(cl)
	}
	var kept []*mqtt.Client
	for _, other := range b.server.Clients.GetAll() {
		if !other.Net.Inline && other.Closed() {
			kept = append(kept, other)
		}
	}
	if len(kept) <= maxSessions {
		return
	}
	slices.SortFunc(kept, func(a, b *mqtt.Client) int { return cmp.Compare(a.StopTime(), b.StopTime()) })
	for _, old := range kept[:len(kept)-maxSessions] {
		b.notices.Reached(tellSession, "client", old.ID, "limit", maxSessions)
		b.remove(old)
	}
}
