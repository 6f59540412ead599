package logpipe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// reader is the far end of a log: it reads as long as it is let.
type reader struct {
	mu     sync.Mutex
	text   bytes.Buffer
	broken bool
	block  chan struct{} // a write waits until it is closed; nil for none
}

func (r *reader) Write(line []byte) (int, error) {
	r.mu.Lock()
	block, broken := r.block, r.broken
	r.mu.Unlock()
	if block != nil {
		<-block
	}
	if broken {
		return 0, errors.New("broken pipe")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(line)
}

func TestLinesArriveInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{}
		p := New(r)
		for i := range 100 {
			fmt.Fprintf(p, "%d\n", i)
		}
		p.Close(time.Second)
		if lines := strings.Fields(r.text.String()); len(lines) != 100 || lines[99] != "99" || p.Dropped() != 0 {
			t.Errorf("%d lines, %d dropped", len(lines), p.Dropped())
		}
	})
}

// TestNobodyReads holds the reader up: no caller waits, and the drops are counted and
// told when it reads again.
func TestNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{block: make(chan struct{})}
		p := New(r)
		began := time.Now()
		for i := range 3 * bound {
			fmt.Fprintf(p, "%d\n", i)
			synctest.Wait()
		}
		if time.Since(began) > 0 {
			t.Error("a caller waited")
		}
		if got := p.Dropped(); got < 2*bound-1 || got > 2*bound {
			t.Errorf("%d dropped, want about %d", got, 2*bound)
		}
		close(r.block)
		r.mu.Lock()
		r.block = nil
		r.mu.Unlock()
		synctest.Wait()
		io.WriteString(p, "again\n")
		p.Close(time.Second)
		want := fmt.Sprintf("lines=%d\n", p.Dropped())
		if text := r.text.String(); !strings.Contains(text, want) || !strings.HasSuffix(text, "again\n") {
			t.Errorf("the log ends with %q, want %q in it", text[max(0, len(text)-200):], want)
		}
	})
}

// TestReaderDies breaks the pipe: the callers go on, each line counts as dropped.
func TestReaderDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{broken: true}
		p := New(r)
		for range 10 {
			io.WriteString(p, "line\n")
			synctest.Wait()
		}
		if p.Dropped() != 10 {
			t.Errorf("%d dropped, want 10", p.Dropped())
		}
		p.Close(time.Second)
	})
}

// TestCloseDoesNotWaitForAReader gives up after its time.
func TestCloseDoesNotWaitForAReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{block: make(chan struct{})}
		p := New(r)
		io.WriteString(p, "line\n")
		synctest.Wait()
		began := time.Now()
		p.Close(time.Second)
		if took := time.Since(began); took != time.Second {
			t.Errorf("closed after %v, want 1s", took)
		}
		close(r.block)
	})
}
