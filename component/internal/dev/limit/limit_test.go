package limit

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestNoticesAreCountedNotRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		n := NewNotices(slog.New(slog.NewTextHandler(&text, nil)))
		for range 1000 {
			n.Reached("too many", "limit", 5)
		}
		n.Reached("too large")
		if got := strings.Count(text.String(), "\n"); got != 2 || !strings.Contains(text.String(), `msg="too many" limit=5 times=1`) {
			t.Errorf("%d records\n%s", got, &text)
		}
		time.Sleep(noticeInterval)
		n.Reached("too many", "limit", 5)
		if !strings.Contains(text.String(), "limit=5 times=1000") {
			t.Errorf("the repetitions are not counted\n%s", &text)
		}
	})
}

func TestListenerRefusesWhatIsTooMuch(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := make(chan struct{}, 10)
	l := Listener(inner, 2, func() { refused <- struct{}{} })
	defer l.Close()
	accepted := make(chan net.Conn, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	dial()
	first := <-accepted
	dial()
	<-accepted
	third := dial()
	<-refused
	if _, err := third.Read(make([]byte, 1)); err == nil || len(accepted) > 0 {
		t.Errorf("the third connection is open: %v", err)
	}
	first.Close()
	first.Close() // gives back one place, not two
	dial()
	<-accepted
	dial()
	<-refused
}

// failing is a listener whose Accept fails for a while.
type failing struct {
	net.Listener
	errs atomic.Int32
}

func (f *failing) Accept() (net.Conn, error) {
	if f.errs.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return nil, io.ErrUnexpectedEOF
}

func (f *failing) Close() error { return nil }

func TestListenerOutlivesAWantOfFiles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &failing{}
		f.errs.Store(20)
		l := Listener(f, 1, func() {})
		if _, err := l.Accept(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %v, want the error that stays", err)
		}
		f.errs.Store(1 << 30)
		ended := make(chan error)
		go func() { _, err := l.Accept(); ended <- err }()
		synctest.Wait()
		l.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}
