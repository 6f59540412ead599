package holder

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/shadowgpio/shadowgpio/gpio/sim"
)

// ShortDir is a temporary directory whose path leaves room for a socket's name.
func ShortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// ServeSim serves a simulated chip to other processes.
func ServeSim(t *testing.T, dir string) (*sim.Sim, string) {
	t.Helper()
	s, err := sim.New(sim.Chip{Label: "board", Lines: 4})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "chips.socket")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- sim.Serve(ctx, listener, s) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return s, path
}
