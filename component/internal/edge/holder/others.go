//go:build !linux

package holder

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
)

var errSystem = fmt.Errorf("%w: a holder needs Linux, this is %s", gpio.ErrUnsupported, runtime.GOOS)

// Listener is the socket of a holder.
type Listener struct {
	*net.UnixListener
	path string
}

// Listen fails on this system.
func Listen(string) (*Listener, error) { return nil, errSystem }

func (*Listener) again() (*net.UnixListener, error) { return nil, errSystem }

func (*Listener) taken() bool { return false }

type process struct{ pid int }

func holderProcess(int, string) (*process, error) { return nil, errSystem }

func holderProcesses(string) []*process { return nil }

func (*process) goOn() {}

func (*process) busy() bool { return true }

func (*process) ended(time.Duration) bool { return true }

func (*process) end() error { return errSystem }

func (*process) close() {}

func dial(string) (*net.UnixConn, error) { return nil, errSystem }

func sameUser(*net.UnixConn) (int, error) { return 0, errSystem }

func send(*net.UnixConn, any, *os.File) error { return errSystem }

type receiver struct{}

func newReceiver(*net.UnixConn) *receiver { return nil }

func (*receiver) receive(any) (*os.File, error) { return nil, errSystem }

func duplicate(*os.File) (*os.File, error) { return nil, errSystem }

func session() *syscall.SysProcAttr { return nil }
