//go:build !linux

package holder

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"

	"github.com/shadowgpio/shadowgpio/gpio"
)

var errSystem = fmt.Errorf("%w: a holder needs Linux, this is %s", gpio.ErrUnsupported, runtime.GOOS)

// Listener is the socket of a holder.
type Listener struct{ *net.UnixListener }

// Listen fails on this system.
func Listen(string) (*Listener, error) { return nil, errSystem }

func dial(string) (*net.UnixConn, error) { return nil, errSystem }

func sameUser(*net.UnixConn) error { return errSystem }

func send(*net.UnixConn, any, *os.File) error { return errSystem }

type receiver struct{}

func newReceiver(*net.UnixConn) *receiver { return nil }

func (*receiver) receive(any) (*os.File, error) { return nil, errSystem }

func duplicate(*os.File) (*os.File, error) { return nil, errSystem }

func session() *syscall.SysProcAttr { return nil }
