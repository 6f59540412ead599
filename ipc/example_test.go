package ipc_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// A component keeps a session, follows the delta of its shadow, and reads the whole
// document whenever it may have missed something.
func Example() {
	cfg, err := ipc.ConfigFromEnv(os.Getenv)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()

	thing := os.Getenv("AWS_IOT_THING_NAME")
	session := ipc.NewSession(ipc.SessionConfig{Config: cfg})
	deltas := session.Topic(model.SubscribeToTopicRequest{
		Topic:       model.ShadowTopic(thing, "") + "/update/delta",
		ReceiveMode: model.ReceiveAll,
	})
	go func() {
		for update := range deltas.Updates() {
			switch u := update.(type) {
			case ipc.Live:
				shadow, err := session.GetThingShadow(ctx, model.GetThingShadowRequest{ThingName: thing})
				fmt.Printf("whole shadow: %s %v\n", shadow.Payload, err)
			case ipc.Message:
				fmt.Printf("delta: %s\n", u.Payload)
			case ipc.Lost:
				fmt.Println("not subscribed for now:", u.Err)
			}
		}
	}()

	err = session.Run(ctx)
	_ = deltas.Close()
	if errors.Is(err, ipc.ErrRefused) {
		log.Fatal(err) // the nucleus was restarted: end, so that it starts us anew
	}
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
			fmt.Println("refused:", refused.Code)
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
	// refused: ConflictError
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
	cfg, err := ipc.ConfigFromEnv(os.Getenv)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()

	session := ipc.NewSession(ipc.SessionConfig{Config: cfg})
	changes := session.ConfigurationUpdates(model.SubscribeToConfigurationUpdateRequest{})
	go func() {
		for update := range changes.Updates() {
			if lost, ok := update.(ipc.Lost); ok {
				fmt.Println("not subscribed for now:", lost.Err)
				continue
			}
			c, err := session.GetConfiguration(ctx, model.GetConfigurationRequest{})
			fmt.Printf("configuration: %s %v\n", c.Value, err)
		}
	}()
	fmt.Println(session.Run(ctx))
	_ = changes.Close()
}

// A component that must not be interrupted asks for a minute more.
func ExampleSession_ComponentUpdates() {
	cfg, err := ipc.ConfigFromEnv(os.Getenv)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()

	session := ipc.NewSession(ipc.SessionConfig{Config: cfg})
	deployments := session.ComponentUpdates()
	go func() {
		for update := range deployments.Updates() {
			e, ok := update.(ipc.Event[model.ComponentUpdatePolicyEvents])
			if !ok || e.Value.PreUpdateEvent == nil {
				continue
			}
			_, err := session.DeferComponentUpdate(ctx, model.DeferComponentUpdateRequest{
				DeploymentID: e.Value.PreUpdateEvent.DeploymentID, Message: "busy", RecheckAfterMs: 60_000,
			})
			fmt.Println("deferred:", err)
		}
	}()
	fmt.Println(session.Run(ctx))
	_ = deployments.Close()
}

// A nucleus without the operation is no reason to end.
func ExampleConn_SubscribeToIoTCoreConnectionStatus() {
	ctx := context.Background()
	cfg, err := ipc.ConfigFromEnv(os.Getenv)
	if err != nil {
		log.Fatal(err)
	}
	conn, err := ipc.Dial(ctx, cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = conn.Close() }()

	status, err := conn.SubscribeToIoTCoreConnectionStatus(ctx, model.SubscribeToIoTCoreConnectionStatusRequest{})
	if errors.Is(err, ipc.ErrUnsupported) {
		fmt.Println("unknown whether online")
		return
	}
	if err != nil {
		log.Fatal(err)
	}
	for e := range status.Events() {
		if e.ConnectionStatusEvent != nil {
			fmt.Println(e.ConnectionStatusEvent.Status)
		}
	}
	fmt.Println(status.Err())
}

// exampleCore starts a development core to talk to.
func exampleCore() (cfg ipc.Config, stop func()) {
	dir, err := os.MkdirTemp("", "ipc")
	if err != nil {
		log.Fatal(err)
	}
	core, err := devcore.New(devcore.Config{ThingName: "MyThing"})
	if err != nil {
		log.Fatal(err)
	}
	socket := dir + "/ipc.socket"
	l, err := server.Listen(socket)
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- core.Serve(ctx, l) }()
	return ipc.Config{Socket: socket, Token: ipc.Token(core.IssueToken("com.example.Test"))}, func() {
		cancel()
		<-served
		_ = os.RemoveAll(dir)
	}
}
