package ipc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"os"

	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// A component finds its nucleus in its environment. Outside of one it is told what
// is missing.
func ExampleConfigFromEnv() {
	_, err := ipc.ConfigFromEnv(func(string) string { return "" }) // normally os.Getenv
	var missing *ipc.EnvironmentError
	if errors.As(err, &missing) {
		fmt.Println(missing.Missing)
	}
	// Output: [AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT SVCUID]
}

// A component keeps a session, follows the delta of its shadow, and reads the whole
// document whenever it may have missed something.
func Example() {
	cfg, stop := exampleCore() // in a component: ipc.ConfigFromEnv(os.Getenv)
	defer stop()
	session, err := ipc.NewSession(ipc.SessionConfig{Config: cfg})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- session.Run(ctx) }()

	deltas := session.Topic(model.SubscribeToTopicRequest{Topic: model.ShadowTopic("MyThing", "gpio") + "/update/delta"})
	for update := range deltas.Updates() {
		switch u := update.(type) {
		case ipc.Live:
			_, err := session.GetThingShadow(ctx, model.GetThingShadowRequest{ThingName: "MyThing", ShadowName: "gpio"})
			if errors.Is(err, model.ResourceNotFound) {
				fmt.Println("there is no shadow yet")
			}
			// Somebody wants something.
			_, err = session.UpdateThingShadow(ctx, model.UpdateThingShadowRequest{
				ThingName: "MyThing", ShadowName: "gpio", Payload: []byte(`{"state":{"desired":{"lamp":true}}}`),
			})
			if err != nil {
				log.Fatal(err)
			}
		case ipc.Message:
			var delta struct{ State json.RawMessage }
			if err := json.Unmarshal(u.Payload, &delta); err != nil {
				log.Fatal(err)
			}
			fmt.Printf("wanted: %s\n", delta.State)
			_ = deltas.Close()
		case ipc.Lost:
			fmt.Println("not subscribed for now:", u.Err)
		}
	}

	cancel()
	// An error that is ipc.ErrRefused would say that the nucleus was restarted: end
	// then, so that it starts the component anew.
	fmt.Println("the session ended:", <-ended)
	// Output:
	// there is no shadow yet
	// wanted: {"lamp":true}
	// the session ended: context canceled
}

// The outcome of an update decides whether it may be repeated.
func Example_outcome() {
	cfg, stop := exampleCore()
	defer stop()
	ctx := context.Background()
	conn, err := ipc.Dial(ctx, cfg)
	if err != nil {
		log.Fatal(err)
	}
	update := func(document string) {
		r, err := conn.UpdateThingShadow(ctx, model.UpdateThingShadowRequest{
			ThingName: "MyThing", ShadowName: "gpio", Payload: []byte(document),
		})
		var refused *ipc.ServiceError
		switch {
		case err == nil:
			fmt.Println("accepted:", len(r.Payload) > 0)
		case errors.As(err, &refused):
			fmt.Println("refused:", refused.Code, errors.Is(err, model.Conflict))
		case errors.Is(err, ipc.ErrNotSent):
			fmt.Println("not executed, may be repeated:", err)
		case errors.Is(err, ipc.ErrOutcomeUnknown):
			fmt.Println("read the shadow to find out:", err)
		}
	}
	update(`{"state":{"reported":{"lamp":true}}}`)
	update(`{"state":{"reported":{"lamp":false}},"version":7}`)
	_ = conn.Close()
	update(`{"state":{"reported":{"lamp":false}}}`)
	// Output:
	// accepted: true
	// refused: ConflictError true
	// not executed, may be repeated: UpdateThingShadow: not sent: connection is closed
}

// A stream composes with select and context. Whoever has it takes its events or
// closes it.
func ExampleConn_SubscribeToTopic() {
	cfg, stop := exampleCore()
	defer stop()
	ctx := context.Background()
	conn, err := ipc.Dial(ctx, cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = conn.Close() }()

	stream, err := conn.SubscribeToTopic(ctx, model.SubscribeToTopicRequest{Topic: "greetings/#", ReceiveMode: model.ReceiveAll})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	_, err = conn.PublishToTopic(ctx, model.PublishToTopicRequest{
		Topic:          "greetings/world",
		PublishMessage: model.PublishMessage{BinaryMessage: &model.BinaryMessage{Message: []byte("hello")}},
	})
	if err != nil {
		log.Fatal(err)
	}
	select {
	case m, ok := <-stream.Events():
		if !ok {
			log.Fatal(stream.Err())
		}
		fmt.Printf("%s: %s\n", m.Topic(), m.Payload())
	case <-ctx.Done():
	}
	// Output: greetings/world: hello
}

// The event of a configuration update has no value, so read the configuration on
// each, and after Live.
func ExampleSession_ConfigurationUpdates() {
	cfg, stop := exampleCore()
	defer stop()
	session, end := exampleSession(cfg)
	defer end()
	ctx := context.Background()
	set := func(text string) {
		_, err := session.UpdateConfiguration(ctx, model.UpdateConfigurationRequest{ValueToMerge: json.RawMessage(text)})
		if err != nil {
			log.Fatal(err)
		}
	}
	if err := session.WaitConnected(ctx); err != nil {
		log.Fatal(err)
	}
	set(`{"interval":5}`)

	changes := session.ConfigurationUpdates(model.SubscribeToConfigurationUpdateRequest{KeyPath: []string{"interval"}})
	defer func() { _ = changes.Close() }()
	for update := range changes.Updates() {
		if lost, ok := update.(ipc.Lost); ok {
			log.Fatal(lost.Err)
		}
		c, err := session.GetConfiguration(ctx, model.GetConfigurationRequest{KeyPath: []string{"interval"}})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%T: %s\n", update, c.Value)
		if _, ok := update.(ipc.Live); !ok {
			break
		}
		set(`{"interval":10}`)
	}
	// Output:
	// ipc.Live: {"interval":5}
	// ipc.Event[github.com/shadowgpio/shadowgpio/ipc/model.ConfigurationUpdateEvents]: {"interval":10}
}

// A component that must not be interrupted asks for a minute more.
func ExampleSession_ComponentUpdates() {
	deferred := make(chan struct{})
	cfg, stop := exampleNucleus(func(s *server.Server) {
		server.HandleStream(s, model.SubscribeToComponentUpdates,
			func(_ *server.Call, stream *server.Stream, _ *model.SubscribeToComponentUpdatesRequest) (r model.SubscribeToComponentUpdatesResponse, _ error) {
				stream.Send(model.ComponentUpdatePolicyEvents{PreUpdateEvent: &model.PreComponentUpdateEvent{DeploymentID: "d1"}})
				return r, nil
			})
		server.Handle(s, model.DeferComponentUpdate,
			func(_ *server.Call, r *model.DeferComponentUpdateRequest) (_ model.DeferComponentUpdateResponse, _ error) {
				fmt.Printf("the nucleus waits %d ms with %s: %s\n", r.RecheckAfterMs, r.DeploymentID, r.Message)
				close(deferred)
				return
			})
	})
	defer stop()
	session, end := exampleSession(cfg)
	defer end()

	deployments := session.ComponentUpdates()
	defer func() { _ = deployments.Close() }()
	for {
		select {
		case update := <-deployments.Updates():
			e, ok := update.(ipc.Event[model.ComponentUpdatePolicyEvents])
			if !ok || e.Value.PreUpdateEvent == nil {
				continue
			}
			_, err := session.DeferComponentUpdate(context.Background(), model.DeferComponentUpdateRequest{
				DeploymentID: e.Value.PreUpdateEvent.DeploymentID, Message: "busy", RecheckAfterMs: 60_000,
			})
			if err != nil {
				log.Fatal(err)
			}
		case <-deferred:
			return
		}
	}
	// Output: the nucleus waits 60000 ms with d1: busy
}

// A nucleus without the operation is no reason to end.
func ExampleConn_SubscribeToIoTCoreConnectionStatus() {
	cfg, stop := exampleNucleus(func(s *server.Server) { s.HandleAbsent(model.SubscribeToIoTCoreConnectionStatus.Name) })
	defer stop()
	ctx := context.Background()
	conn, err := ipc.Dial(ctx, cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = conn.Close() }()

	_, err = conn.SubscribeToIoTCoreConnectionStatus(ctx, model.SubscribeToIoTCoreConnectionStatusRequest{})
	if errors.Is(err, ipc.ErrUnsupported) {
		fmt.Println("nobody knows whether the device is online")
	}
	// Output: nobody knows whether the device is online
}

// A JSON message is any value that is an object in JSON. Numbers may come back as
// floating point, so that 1 may be 1.0.
func ExampleConn_PublishToTopic() {
	cfg, stop := exampleCore()
	defer stop()
	ctx := context.Background()
	conn, err := ipc.Dial(ctx, cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = conn.Close() }()

	stream, err := conn.SubscribeToTopic(ctx, model.SubscribeToTopicRequest{Topic: "status", ReceiveMode: model.ReceiveAll})
	if err != nil {
		log.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"level": 3})
	if err != nil {
		log.Fatal(err)
	}
	_, err = conn.PublishToTopic(ctx, model.PublishToTopicRequest{
		Topic:          "status",
		PublishMessage: model.PublishMessage{JSONMessage: &model.JSONMessage{Message: text}},
	})
	if err != nil {
		log.Fatal(err)
	}
	var status struct{ Level float64 }
	if err := json.Unmarshal((<-stream.Events()).Payload(), &status); err != nil {
		log.Fatal(err)
	}
	fmt.Println("level:", status.Level)
	// Output: level: 3
}

// exampleSession runs a session.
func exampleSession(cfg ipc.Config) (session *ipc.Session, end func()) {
	session, err := ipc.NewSession(ipc.SessionConfig{Config: cfg})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- session.Run(ctx) }()
	return session, func() {
		cancel()
		<-ended
	}
}

// exampleCore starts a development core to talk to.
func exampleCore() (cfg ipc.Config, stop func()) {
	core, err := devcore.New(devcore.Config{ThingName: "MyThing"})
	if err != nil {
		log.Fatal(err)
	}
	socket, stop := exampleServe(core.Serve)
	return ipc.Config{Socket: socket, Token: ipc.Token(core.IssueToken("com.example.Test"))}, stop
}

// exampleNucleus starts a server that has nothing but some operations.
func exampleNucleus(register func(*server.Server)) (cfg ipc.Config, stop func()) {
	s, err := server.New(server.Config{Authenticate: func(string) (string, bool) { return "com.example.Test", true }})
	if err != nil {
		log.Fatal(err)
	}
	register(s)
	socket, stop := exampleServe(s.Serve)
	return ipc.Config{Socket: socket, Token: "any"}, stop
}

func exampleServe(serve func(context.Context, net.Listener) error) (socket string, stop func()) {
	dir, err := os.MkdirTemp("", "ipc")
	if err != nil {
		log.Fatal(err)
	}
	socket = dir + "/ipc.socket"
	l, err := server.Listen(socket)
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- serve(ctx, l) }()
	return socket, func() {
		cancel()
		<-served
		_ = os.RemoveAll(dir)
	}
}
