package socketpath

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// LookPause is the interval between two looks at the path of a socket.
	LookPause = 500 * time.Millisecond
	// acceptPause is the pause after a failed accept, such as too many open files.
	acceptPause = 100 * time.Millisecond
)

// Keeper keeps a Unix socket at a path, since a socket file that is deleted or
// replaced leads nobody to its listener.
type Keeper struct {
	Path string
	// Listen makes the socket, in place of whatever is at Path.
	Listen func() (*net.UnixListener, error)
	// Taken reports whether another process answers at Path. Its socket is left alone.
	// nil: never.
	Taken func() bool
	// Accept takes a connection, and must not block.
	Accept func(*net.UnixConn)
	// Told gets each failure to make the socket or to accept once, and nil when both
	// work again. It is called by one goroutine at a time.
	Told func(error)

	mu   sync.Mutex
	said map[string]string // the last failure, by what failed
}

// Run accepts connections until ctx is done. It makes the socket unless first is one,
// and again within about [LookPause] after the path no longer leads to it. Connections
// that were accepted are not touched. Run closes the listeners, first included.
func (k *Keeper) Run(ctx context.Context, first *net.UnixListener) {
	var accepting sync.WaitGroup
	defer accepting.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var now *net.UnixListener
	var made fs.FileInfo
	use := func(next *net.UnixListener) {
		info, err := os.Lstat(k.Path)
		if err != nil {
			info = nil // it is gone already: the next look makes it again
		}
		if now != nil {
			now.Close()
		}
		now, made = next, info
		accepting.Go(func() { k.accept(ctx, next) })
	}
	if first != nil {
		use(first)
	}
	defer func() {
		if now != nil {
			now.Close()
		}
	}()
	look := time.NewTicker(LookPause)
	defer look.Stop()
	for {
		if now == nil || lost(k.Path, made) && (k.Taken == nil || !k.Taken()) {
			next, err := k.Listen()
			if err == nil {
				use(next)
			}
			k.tell("listen", err)
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// lost reports whether path is known not to lead to the socket file any more. A look
// that fails for another reason, such as an input/output error, shows nothing.
func lost(path string, made fs.FileInfo) bool {
	info, err := os.Lstat(path)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
	}
	// The listener keeps the inode of its file, so no other file has the same one.
	return made == nil || !os.SameFile(info, made)
}

func (k *Keeper) accept(ctx context.Context, listener *net.UnixListener) {
	for {
		conn, err := listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		k.tell("accept", err)
		if err == nil {
			k.Accept(conn)
			continue
		}
		select {
		case <-time.After(acceptPause):
		case <-ctx.Done():
			return
		}
	}
}

// tell passes a failure on unless it was passed on before, and its end.
func (k *Keeper) tell(what string, err error) {
	if k.Told == nil {
		return
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.said[what] == text {
		return
	}
	if k.said == nil {
		k.said = map[string]string{}
	}
	k.said[what] = text
	if err != nil || k.said["listen"]+k.said["accept"] == "" {
		k.Told(err)
	}
}
