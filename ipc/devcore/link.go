package devcore

import (
	"slices"

	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// SetLink connects the core device to AWS IoT Core or takes the connection away; it
// is connected at first. While it is not, messages of quality of service 1 wait in
// the spool, those of 0 are refused, and subscriptions are answered later; those
// that exist stay.
//
// The synchronization of shadows ends with the link, and begins anew with all of it.
func (c *Core) SetLink(up bool) {
	c.mqtt.setLink(up)
	c.sync.setLink(up)
}

// Link says whether the core device is connected to AWS IoT Core.
func (c *Core) Link() bool {
	c.mqtt.link.Lock()
	defer c.mqtt.link.Unlock()
	return c.mqtt.up
}

func (p *mqttProxy) setLink(up bool) {
	p.link.Lock()
	defer p.link.Unlock()
	if up == p.up {
		return
	}
	p.up = up
	kind := LinkDown
	if up {
		kind = LinkUp
	}
	p.core.observe(Event{Kind: kind})
	for _, w := range p.watchers {
		w.Send(p.status())
	}
	if !up {
		p.session.Disconnect()
		return
	}
	p.deaf.Store(p.core.cfg.Lite)
	p.session.Connect()
	p.deaf.Store(false)
	p.prune()
	p.subscribeWaiting()
	p.drain()
}

// subscribeWaiting asks the cloud for what was asked while the link was down. The
// caller holds link.
func (p *mqttProxy) subscribeWaiting() {
	p.mu.Lock()
	subscriptions := slices.Clone(p.subscriptions)
	p.mu.Unlock()
	for _, s := range subscriptions {
		if !s.asked {
			p.ask(s)
		}
	}
}

// status is the event that tells of the link. The caller holds link.
func (p *mqttProxy) status() model.IoTCoreConnectionStatusEvent {
	status := model.StatusDisconnected
	if p.up {
		status = model.StatusConnected
	}
	return model.IoTCoreConnectionStatusEvent{ConnectionStatusEvent: &model.ConnectionStatusEvent{Status: status}}
}

// subscribeToStatus tells the present state first, then each change
// (aws-greengrass/aws-greengrass-nucleus pull request 1813).
func (p *mqttProxy) subscribeToStatus(_ *server.Call, stream *server.Stream, _ *model.SubscribeToIoTCoreConnectionStatusRequest) (resp model.SubscribeToIoTCoreConnectionStatusResponse, err error) {
	p.link.Lock()
	p.watchers = append(p.watchers, stream)
	stream.Send(p.status())
	p.link.Unlock()
	stream.OnClose(func() {
		p.link.Lock()
		defer p.link.Unlock()
		p.watchers = slices.DeleteFunc(p.watchers, func(o *server.Stream) bool { return o == stream })
	})
	return resp, nil
}
