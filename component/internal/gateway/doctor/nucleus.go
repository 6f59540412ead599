package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path"
	"syscall"

	"github.com/shadowgpio/shadowgpio/ipc"
)

// connection is what the checks share of the nucleus.
type connection struct {
	conn *ipc.Conn // nil without
	thing,
	socket string
	why string // why there is no connection
}

// The oldest nucleus that is supported: its policies have wildcards in resources
// (aws-greengrass/aws-greengrass-nucleus authorization/WildcardTrie.java).
const minMajor, minMinor = 2, 6

const (
	versionVariable = "GGC_VERSION"
	thingVariable   = "AWS_IOT_THING_NAME"
)

// nucleus checks the way to the nucleus, and connects.
func (x *examination) nucleus(ctx context.Context) {
	x.thing = x.getenv(thingVariable)
	x.version(x.getenv(versionVariable))
	x.environment()
	x.socket = x.getenv(ipc.EnvSocket)
	if x.socket == "" {
		x.socket = path.Join(x.Root, "ipc.socket")
	}
	if x.running != nil {
		x.socket = x.running.at(x.socket)
	} else {
		x.socket = (process{dir: x.Cwd}).at(x.socket)
	}
	if !x.socketThere() {
		x.why = "there is no way to the nucleus"
		x.skip("token", "%s", x.why)
		return
	}
	x.token(ctx, ipc.Token(x.getenv(ipc.EnvToken)))
}

func (x *examination) version(text string) {
	var major, minor int
	switch _, err := fmt.Sscanf(text, "%d.%d", &major, &minor); {
	case err != nil:
		x.skip("nucleus", "%s is not in the environment of the component, or not shown", versionVariable)
	case major < minMajor || major == minMajor && minor < minMinor:
		x.report("nucleus", NucleusOld, "nucleus "+text, fmt.Sprintf("%d.%d.0 or newer", minMajor, minMinor),
			script("# in the deployment of this core device:", "# \"aws.greengrass.Nucleus\": {\"componentVersion\": \"2.12.0\"}"))
	default:
		x.ok("nucleus", "version %s", text)
	}
}

// environment checks that the running component was given what a nucleus gives.
// A sudo that ignores -E takes it away (aws-greengrass-nucleus issue 1799).
func (x *examination) environment() {
	if x.running == nil || x.running.env == nil {
		return
	}
	if _, err := ipc.ConfigFromEnv(x.getenv); err != nil {
		missing, ok := errors.AsType[*ipc.EnvironmentError](err)
		if !ok {
			x.report("environment", EnvironmentMissing, err.Error(), "a socket path that can be used", x.restart())
			return
		}
		x.report("environment", EnvironmentMissing, fmt.Sprintf("process %d was started without %v", x.running.pid, missing.Missing),
			"a nucleus that starts it, by a sudo that keeps the environment (-E), which sudo-rs does not",
			script("sudo --version | head -n 1", "sudo update-alternatives --set sudo /usr/bin/sudo.ws", x.restart()))
	}
}

// socketThere checks the file of the nucleus's socket.
func (x *examination) socketThere() bool {
	info, err := x.stat(x.socket)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		x.report("socket", SocketMissing, x.socket+" does not exist", "a running nucleus, which makes it",
			script("sudo systemctl start greengrass", "sudo systemctl status greengrass --no-pager", "sudo tail -n 50 "+path.Join(x.Root, "logs/greengrass.log")))
	case err != nil && errors.Is(err, fs.ErrPermission):
		x.socketDenied(x.socket)
	case err != nil:
		x.report("socket", SocketMissing, err.Error(), "a running nucleus, which makes it", "sudo systemctl status greengrass --no-pager")
	case info.Mode().Type() != fs.ModeSocket:
		x.report("socket", SocketKind, fmt.Sprintf("%s is no socket (%v)", x.socket, info.Mode()), "the socket of the nucleus",
			script("sudo systemctl stop greengrass", "sudo mv "+x.socket+" "+x.socket+".other", "sudo systemctl start greengrass"))
	case !may(info, mayRead|mayWrite, x.who.uid, x.groups):
		x.socketDenied(x.socket)
	default:
		for dir := path.Dir(x.socket); ; dir = path.Dir(dir) {
			if info, err := x.stat(dir); err == nil && !may(info, maySearch, x.who.uid, x.groups) {
				x.socketDenied(dir)
				return false
			}
			if dir == "/" || dir == "." {
				return true
			}
		}
	}
	return false
}

// socketDenied names what is in the way.
func (x *examination) socketDenied(at string) {
	found := fmt.Sprintf("%s is closed to %s", at, x.who.name)
	if info, err := x.stat(at); err == nil {
		found += " (" + x.mode(info) + ")"
	}
	cure := "sudo chmod a+x " + at
	if at == x.socket {
		cure = "sudo systemctl restart greengrass # which makes it with mode 0777"
	}
	x.report("socket", SocketDenied, found, "a socket to write to, in directories that may be searched", cure)
}

// token connects as the component does.
func (x *examination) token(ctx context.Context, token ipc.Token) {
	if token == "" {
		x.answers(ctx)
		x.why = "without the component's token; it is in its environment, which root and its user may read: sudo shadowgpio doctor"
		if x.running == nil {
			x.why = "without the component's token, which is in the environment of the running component"
		}
		x.skip("token", "%s", x.why)
		return
	}
	cfg := ipc.Config{Socket: x.socket, Token: token}
	if x.Dial != nil {
		cfg.Dial = func(ctx context.Context) (net.Conn, error) { return x.Dial(ctx, x.socket) }
	}
	conn, err := ipc.Dial(ctx, cfg)
	if err == nil {
		x.conn = conn
		x.ok("socket", "%s answers", x.socket)
		x.ok("token", "accepted")
		return
	}
	x.why = "the nucleus cannot be asked"
	switch {
	case errors.Is(err, ipc.ErrRefused), errors.Is(err, ipc.ErrClosedBeforeAck):
		x.tokenRefused(err)
		return
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM), errors.Is(err, fs.ErrNotExist):
		x.notConnected(err)
	default:
		x.report("socket", NucleusMute, fmt.Sprintf("%s does not answer as a nucleus does: %v", x.socket, err), "the nucleus, which answers at once",
			script("sudo systemctl status greengrass --no-pager", "sudo ss -xlp | grep "+path.Base(x.socket)))
	}
	x.skip("token", "%s", x.why)
}

func (x *examination) tokenRefused(err error) {
	found := "the nucleus refuses the component's token: it was made by an earlier run of the nucleus"
	if errors.Is(err, ipc.ErrClosedBeforeAck) {
		found = "the nucleus closed the connection instead of answering: so nucleus lite refuses a token of an earlier run"
	}
	x.ok("socket", "%s takes connections", x.socket)
	x.report("token", TokenRefused, found, "a component that this nucleus has started", x.restart())
}

// answers checks the socket without saying who we are.
func (x *examination) answers(ctx context.Context) {
	dial := x.Dial
	if dial == nil {
		dial = func(ctx context.Context, socket string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
	}
	conn, err := dial(ctx, x.socket)
	if err != nil {
		x.notConnected(err)
		return
	}
	conn.Close()
	x.ok("socket", "%s takes connections", x.socket)
}

func (x *examination) notConnected(err error) {
	if errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) {
		x.socketDenied(x.socket)
		return
	}
	x.report("socket", SocketRefused, fmt.Sprintf("%s is there, but nobody listens (%v)", x.socket, errors.Unwrap(err)),
		"a running nucleus: one that crashed leaves its socket behind",
		script("sudo systemctl restart greengrass", "sudo tail -n 50 "+path.Join(x.Root, "logs/greengrass.log")))
}

// hangUp ends what the checks began.
func (x *examination) hangUp() {
	if x.conn != nil {
		x.conn.Close()
	}
}
