package sim_test

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"testing"

	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
)

// TestAdoptInTheMiddle takes over a connection whose user was killed at every
// point of a conversation: what it did not read of its answers, down to half of
// one, is no answer to the successor.
func TestAdoptInTheMiddle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	serve(t, newSim(t, sim.Chip{Label: "board", Lines: 2}), path)
	remote := dial(t, path)
	// The last answer is longer than those before, so that every place is tried.
	const sent = `{"op":"set","values":[true]}` + "\n" + `{"op":"values"}` + "\n" + `{"op":"jump"}` + "\n"
	for read := 0; ; read++ {
		conn := killed(t, path, sent, read)
		if conn == nil {
			break
		}
		file, err := conn.File()
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		lines, err := remote.Adopt(file, "board", "test", []int{1})
		if err != nil {
			t.Fatalf("after %d bytes: %v", read, err)
		}
		for _, value := range []bool{false, true} {
			if err := lines.SetValues([]bool{value}); err != nil {
				t.Fatalf("after %d bytes: %v", read, err)
			}
			if got, err := lines.Values(); err != nil || got[0] != value {
				t.Fatalf("after %d bytes: got %v, %v, want %v", read, got, err, value)
			}
		}
		lines.Close()
	}
}

// killed is a connection that holds line 1 and had that many bytes of its answers
// read; nil when there are no more.
func killed(t *testing.T, path, sent string, read int) *net.UnixConn {
	t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(conn, `{"op":"request","chip":"board","consumer":"test","lines":[{"Offset":1,"Direction":"output"}]}`)
	fmt.Fprint(conn, sent)
	answers, one := 0, make([]byte, 1)
	for i := 0; answers < 4; i++ {
		if i == read {
			return conn
		}
		if _, err := io.ReadFull(conn, one); err != nil {
			t.Fatal(err)
		}
		if one[0] == '\n' {
			answers++
		}
	}
	conn.Close()
	return nil
}

// TestInProcessIsNotHandedOver has no descriptor where there is none.
func TestInProcessIsNotHandedOver(t *testing.T) {
	var b gpio.Backend = newSim(t)
	if _, ok := b.(gpio.Adopter); ok {
		t.Error("a Sim in this process says that it adopts")
	}
}
