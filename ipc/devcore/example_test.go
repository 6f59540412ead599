package devcore_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// A core on a socket of its own, and the environment of a component that uses it.
func Example() {
	dir, err := os.MkdirTemp("", "devcore")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	core, err := devcore.New(devcore.Config{
		Dir:       dir,
		ThingName: "gateway",
		Observe: func(e devcore.Event) {
			fmt.Println(e.Kind, e.Thing, e.Version, string(e.Delta))
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	socket := filepath.Join(dir, "ipc.socket")
	listener, err := server.Listen(socket)
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- core.Serve(ctx, listener) }()

	_ = []string{
		"AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT=" + socket,
		"SVCUID=" + core.IssueToken("io.shadowgpio.ShadowGpio"),
	}

	if _, err := core.Shadows().Update("gateway", "", []byte(`{"state":{"desired":{"lights":true}}}`)); err != nil {
		log.Fatal(err)
	}
	cancel()
	if err := <-served; err != nil {
		log.Fatal(err)
	}
	// Output: shadow updated gateway 1 {"lights":true}
}
