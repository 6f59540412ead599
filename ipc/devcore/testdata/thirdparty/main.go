// Command thirdparty is a program of another module: it names every type that the
// exported fields, parameters and results of package devcore have.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"sync"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// service is a device shadow service of its own.
type service struct {
	mu      sync.Mutex
	created map[devcore.ShadowName]chan string
}

var _ devcore.Cloud = (*service)(nil)

func (s *service) GetThingShadow(context.Context, string, string) ([]byte, error) {
	return nil, devcore.ErrNotFound
}

func (s *service) UpdateThingShadow(_ context.Context, thing, shadow string, payload []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	update, ok := s.created[devcore.ShadowName{Thing: thing, Shadow: shadow}]
	if !ok {
		return nil, devcore.ErrConflict
	}
	update <- string(payload)
	return []byte(`{"version":1}`), nil
}

func (s *service) DeleteThingShadow(context.Context, string, string) error { return devcore.ErrBusy }

// network is a broker of its own, which carries nothing.
type network struct{ deliver func(devcore.Message) }

func (n *network) Open(deliver func(devcore.Message)) devcore.BrokerSession {
	n.deliver = deliver
	return session{}
}

type session struct{}

func (session) Connect()                                     {}
func (session) Disconnect()                                  {}
func (session) Close()                                       {}
func (session) Publish(devcore.Message) error                { return devcore.ErrDisconnected }
func (session) Subscribe(filter string, qos model.QOS) error { return nil }
func (session) Unsubscribe(filter string) error              { return nil }

func main() {
	room := devcore.ShadowName{Thing: "gw", Shadow: "room"}
	hall := devcore.ShadowName{Thing: "gw", Shadow: "hall"}
	cloud := &service{created: map[devcore.ShadowName]chan string{room: make(chan string, 1), hall: make(chan string, 1)}}
	var broker devcore.Broker = &network{}
	var rule faults.Rule
	var quirks devcore.Quirks = devcore.Fixed
	var direction devcore.Direction = devcore.Both
	core, err := devcore.New(devcore.Config{
		ThingName: "gw", Broker: broker, Quirks: quirks, Logger: slog.New(slog.DiscardHandler),
		Synchronize: devcore.Synchronize{Cloud: cloud, Shadows: []devcore.ShadowName{room}, Direction: direction},
		Observe:     func(e devcore.Event) { _ = e.Fault },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer core.Close()
	_ = rule
	if _, err := core.Shadows().Update("gw", "room", []byte(`{"state":{"reported":{"fan":true}}}`)); err != nil {
		log.Fatal(err)
	}
	fmt.Println("room", <-cloud.created[room])
	if err := core.SetSynchronized([]devcore.ShadowName{room, hall}); err != nil {
		log.Fatal(err)
	}
	if _, err := core.Shadows().Update("gw", "hall", []byte(`{"state":{"reported":{"lamp":false}}}`)); err != nil {
		log.Fatal(err)
	}
	fmt.Println("hall", <-cloud.created[hall])

	own := devcore.NewBroker()
	heard := make(chan devcore.Message, 1)
	device := own.Open(func(m devcore.Message) { heard <- m })
	if err := device.Subscribe("a/b", model.AtLeastOnce); !errors.Is(err, devcore.ErrDisconnected) {
		log.Fatal("a session without a connection: ", err)
	}
	device.Connect()
	if err := device.Subscribe("a/b", model.AtLeastOnce); err != nil {
		log.Fatal(err)
	}
	if err := own.Publish(devcore.Message{MQTTMessage: model.MQTTMessage{TopicName: "a/b", Payload: []byte("hello")}}); err != nil {
		log.Fatal(err)
	}
	m := <-heard
	fmt.Println(m.TopicName, string(m.Payload))
}
