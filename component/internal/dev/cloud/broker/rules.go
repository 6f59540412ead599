package broker

import (
	"strings"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// rules are those of AWS IoT Core, as a hook of the broker.
type rules struct {
	mqtt.HookBase
	broker *Broker
}

func (r *rules) ID() string { return "aws-iot-core" }

func (r *rules) Provides(event byte) bool {
	switch event {
	case mqtt.OnConnect, mqtt.OnConnectAuthenticate, mqtt.OnACLCheck, mqtt.OnPacketRead, mqtt.OnSubscribe, mqtt.OnPublish, mqtt.OnPublished,
		mqtt.OnPublishDropped, mqtt.OnQosPublish, mqtt.OnQosComplete, mqtt.OnQosDropped, mqtt.OnClientExpired,
		mqtt.OnWill, mqtt.OnSessionEstablished, mqtt.OnDisconnect:
		return true
	}
	return false
}

// OnConnect notes whose connection it is.
func (r *rules) OnConnect(cl *mqtt.Client, _ packets.Packet) error {
	if c, ok := cl.Net.Conn.(*conn); ok {
		c.client.Store(cl)
	}
	return nil
}

// OnConnectAuthenticate lets in everybody: the certificate or the signature was
// checked before MQTT began.
func (r *rules) OnConnectAuthenticate(*mqtt.Client, packets.Packet) bool { return true }

// OnACLCheck keeps clients from publishing what only AWS publishes, and from getting more
// than the broker keeps for them.
func (r *rules) OnACLCheck(cl *mqtt.Client, topic string, write bool) bool {
	if write {
		return !strings.HasPrefix(topic, "$") || request(topic)
	}
	if !r.broker.memory.admits(cl) {
		r.broker.notices.Reached(tellBacklog, "client", cl.ID, "messages", maxUnacknowledged, "bytes", maxUnacknowledgedBytes, "bytes of all clients", maxKeptBytes)
		return false
	}
	return true
}

// OnPublish keeps retained messages within their bounds.
func (r *rules) OnPublish(_ *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	if pk.FixedHeader.Retain {
		pk.FixedHeader.Retain = r.retains(pk)
	}
	return pk, nil
}

// retains reports whether a message that wants that can be retained.
func (r *rules) retains(pk packets.Packet) bool {
	if r.broker.memory.retain(pk, r.broker.server.Topics.Retained.GetAll) {
		return true
	}
	r.broker.notices.Reached(tellRetained, "topic", pk.TopicName, "messages", maxRetained, "bytes", maxRetainedBytes)
	return false
}

// OnQosPublish, OnQosComplete, OnQosDropped, OnPublishDropped and OnClientExpired take
// the messages into account that clients have not acknowledged.
func (r *rules) OnQosPublish(cl *mqtt.Client, pk packets.Packet, _ int64, _ int) {
	r.broker.memory.sent(cl, pk)
}

func (r *rules) OnQosComplete(cl *mqtt.Client, pk packets.Packet) {
	r.broker.memory.acknowledged(cl, pk.PacketID)
}

func (r *rules) OnQosDropped(cl *mqtt.Client, pk packets.Packet) {
	r.broker.memory.acknowledged(cl, pk.PacketID)
}

func (r *rules) OnPublishDropped(cl *mqtt.Client, _ packets.Packet) { r.broker.memory.recount(cl) }

// OnClientExpired also takes back subscriptions, which the broker below leaves.
func (r *rules) OnClientExpired(cl *mqtt.Client) {
	cl.ClearInflights()
	r.broker.server.UnsubscribeClient(cl)
	r.broker.memory.gone(cl)
}

// OnPacketRead keeps apart the identifiers of both directions, which the broker takes for
// one: it would refuse a subscription whose identifier is that of a message to the
// client which waits to be acknowledged. It closes the connection of a client whose topic
// is longer than the cloud takes.
func (r *rules) OnPacketRead(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	kind := pk.FixedHeader.Type
	if (kind == packets.Subscribe || kind == packets.Unsubscribe) && cl.State.Inflight.Delete(pk.PacketID) {
		cl.State.Inflight.IncreaseSendQuota()
		r.broker.memory.acknowledged(cl, pk.PacketID)
	}
	topics := []string{pk.TopicName, pk.Connect.WillTopic}
	for _, f := range pk.Filters {
		topics = append(topics, f.Filter)
	}
	for _, topic := range topics {
		if len(topic) > maxTopic {
			r.broker.notices.Reached(tellTopic, "client", cl.ID, "bytes", len(topic), "limit", maxTopic)
			return pk, packets.ErrRejectPacket // the only error that the broker below takes for one
		}
	}
	return pk, nil
}

// OnSubscribe closes the connection of a client that wants more than the cloud gives
// (AWS General Reference, AWS IoT Core endpoints and quotas).
func (r *rules) OnSubscribe(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	total := cl.State.Subscriptions.Len()
	for _, f := range pk.Filters {
		if _, again := cl.State.Subscriptions.Get(f.Filter); !again {
			total++
		}
	}
	if cl.Net.Inline || len(pk.Filters) <= maxAtOnce && total <= maxSubscriptions {
		return pk
	}
	pk.Filters = nil
	if cl.Properties.ProtocolVersion == 5 {
		r.broker.server.DisconnectClient(cl, packets.ErrQuotaExceeded)
	} else {
		cl.Stop(packets.ErrQuotaExceeded)
	}
	return pk
}

// request tells the reserved topics that clients publish to.
func request(topic string) bool {
	if !strings.HasPrefix(topic, "$aws/things/") {
		return false
	}
	for _, verb := range []string{"/get", "/update", "/delete"} {
		if strings.HasSuffix(topic, verb) {
			return true
		}
	}
	return false
}

// OnPublished serves requests, when the client has the acknowledgement.
func (r *rules) OnPublished(_ *mqtt.Client, pk packets.Packet) {
	r.broker.mu.Lock()
	handle := r.broker.request
	r.broker.mu.Unlock()
	if handle != nil && strings.HasPrefix(pk.TopicName, "$") {
		handle(pk.TopicName, pk.Payload)
	}
}

// ignored is a topic that no filter of clients matches by accident.
const ignored = "$aws/ignored"

// OnWill takes last wills out of the way that go to reserved topics, as the cloud
// does (awsdocs/aws-iot-docs developerguide/device-shadow-comms-app.md), and keeps them
// within the bounds.
func (r *rules) OnWill(cl *mqtt.Client, will mqtt.Will) (mqtt.Will, error) {
	if strings.HasPrefix(will.TopicName, "$") {
		will.TopicName, will.Payload, will.Retain = ignored, nil, false
	}
	if will.Retain {
		will.Retain = r.retains(packets.Packet{TopicName: will.TopicName, Payload: will.Payload})
	}
	if d := time.Duration(will.WillDelayInterval) * time.Second; d > 0 && !r.broker.memory.delay(cl.ID, d) {
		r.broker.notices.Reached(tellWill, "client", cl.ID, "limit", maxWills)
		cl.Properties.Will.WillDelayInterval = 0 // the broker below reads that one
	}
	return will, nil
}

func (r *rules) OnSessionEstablished(cl *mqtt.Client, _ packets.Packet) {
	r.broker.SetConnected(cl.ID, true)
}

func (r *rules) OnDisconnect(cl *mqtt.Client, _ error, _ bool) {
	if !cl.IsTakenOver() {
		r.broker.SetConnected(cl.ID, false)
	}
}
