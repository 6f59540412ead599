package broker

import (
	"strings"

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
	case mqtt.OnConnectAuthenticate, mqtt.OnACLCheck, mqtt.OnPacketRead, mqtt.OnSubscribe, mqtt.OnPublished, mqtt.OnWill, mqtt.OnSessionEstablished, mqtt.OnDisconnect:
		return true
	}
	return false
}

// OnConnectAuthenticate lets in everybody: the certificate or the signature was
// checked before MQTT began.
func (r *rules) OnConnectAuthenticate(*mqtt.Client, packets.Packet) bool { return true }

// OnACLCheck keeps clients from publishing what only AWS publishes.
func (r *rules) OnACLCheck(_ *mqtt.Client, topic string, write bool) bool {
	return !write || !strings.HasPrefix(topic, "$") || request(topic)
}

// OnPacketRead keeps apart the identifiers of both directions, which the broker takes for
// one: it would refuse a subscription whose identifier is that of a message to the
// client which waits to be acknowledged.
func (r *rules) OnPacketRead(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	kind := pk.FixedHeader.Type
	if (kind == packets.Subscribe || kind == packets.Unsubscribe) && cl.State.Inflight.Delete(pk.PacketID) {
		cl.State.Inflight.IncreaseSendQuota()
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
// does (awsdocs/aws-iot-docs developerguide/device-shadow-comms-app.md).
func (r *rules) OnWill(_ *mqtt.Client, will mqtt.Will) (mqtt.Will, error) {
	if strings.HasPrefix(will.TopicName, "$") {
		will.TopicName, will.Payload, will.Retain = ignored, nil, false
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
