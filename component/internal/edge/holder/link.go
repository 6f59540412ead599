package holder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

const (
	// answerTime bounds the wait for an answer.
	answerTime = 5 * time.Second
	// hungTime is how long a holder of which all threads sleep may take for an answer.
	hungTime = time.Second
	// stirPause is the interval at which a holder that does not answer is looked at.
	stirPause = 100 * time.Millisecond
)

// errHung says that the holder does not answer.
var errHung = errors.New("the holder does not answer")

// link is a connection to a holder. It is for one goroutine.
type link struct {
	conn     *net.UnixConn
	peer     *process      // nil if it is not proven to be the holder
	received chan received // closed at the end
	unhook   func() bool
	count    uint64 // of commands
}

// received is a packet, or the error in its place that is the last.
type received struct {
	answer
	file *os.File
	err  error
}

// newLink reads from conn until ctx or the connection is at its end.
func newLink(ctx context.Context, conn *net.UnixConn) *link {
	l := &link{conn: conn, received: make(chan received)}
	l.unhook = context.AfterFunc(ctx, func() { conn.Close() })
	go func() {
		defer close(l.received)
		for r := newReceiver(conn); ; {
			var next received
			next.file, next.err = r.receive(&next.answer)
			l.received <- next
			if next.err != nil {
				return
			}
		}
	}()
	return l
}

// end closes the connection and waits for its reader.
func (l *link) end() {
	l.peer.close()
	l.unhook()
	l.conn.Close()
	for r := range l.received {
		closeFile(r.file)
	}
}

// call has a command answered. A patience of 0 has no end.
func (l *link) call(c command, file *os.File, patience time.Duration) (answer, error) {
	l.count++
	c.ID = l.count
	l.conn.SetWriteDeadline(time.Now().Add(answerTime))
	if err := send(l.conn, c, file); err != nil {
		return answer{}, err
	}
	a, passed, err := l.next(patience)
	closeFile(passed)
	if err == nil && a.ID != c.ID {
		err = fmt.Errorf("the holder answered command %d, want %d", a.ID, c.ID)
	}
	return a, err
}

// next is the next packet. Its file, if any, is the caller's. The error is errHung if the
// holder has the packet for longer than patience, or sleeps over it. A holder that a signal
// has stopped is continued.
func (l *link) next(patience time.Duration) (answer, *os.File, error) {
	begun := time.Now()
	stir := time.NewTicker(stirPause)
	defer stir.Stop()
	for {
		select {
		case r := <-l.received:
			return r.answer, r.file, l.over(r)
		case <-stir.C:
		}
		l.peer.goOn()
		if waited := time.Since(begun); patience > 0 && (waited >= patience || waited >= hungTime && !l.peer.busy()) {
			return answer{}, nil, errHung
		}
	}
}

// over is the error of what was received, nil for a packet.
func (l *link) over(r received) error {
	if r.err == nil {
		return nil
	}
	if errors.Is(r.err, io.EOF) {
		return errors.New("the holder has ended")
	}
	return r.err
}
