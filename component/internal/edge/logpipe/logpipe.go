// Package logpipe writes a log in the background, so GPIO lines never wait for a reader
// of the log.
//
// The component's standard output is a pipe to the nucleus. Without a reader the pipe
// fills up after 64 KiB, and it breaks when its reader dies. In either case, a [Pipe]
// accepts a log line at once. It drops and counts unwritable lines, and the next
// written line reports their number.
package logpipe

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// bound limits the number of lines waiting for the reader.
const bound = 1024

// Pipe is a non-blocking [io.Writer], safe for concurrent use.
type Pipe struct {
	to      io.Writer
	lines   chan []byte
	flushes chan chan struct{}
	dropped atomic.Int64 // since the start
	once    sync.Once
	done    chan struct{}
}

// New starts to write to a pipe or file. [Pipe.Close] ends the writing.
func New(to io.Writer) *Pipe {
	p := &Pipe{to: to, lines: make(chan []byte, bound), flushes: make(chan chan struct{}), done: make(chan struct{})}
	go p.run() // run may outlive Close in a write without end
	return p
}

// Write takes one log line. It always succeeds.
func (p *Pipe) Write(line []byte) (int, error) {
	select {
	case p.lines <- append([]byte(nil), line...):
	default:
		p.dropped.Add(1)
	}
	return len(line), nil
}

// Dropped returns the number of lines dropped so far.
func (p *Pipe) Dropped() int64 { return p.dropped.Load() }

// Close waits until all lines are written, or until patience has passed.
func (p *Pipe) Close(patience time.Duration) {
	flushed := make(chan struct{})
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case p.flushes <- flushed:
		select {
		case <-flushed:
		case <-timeout.C:
		}
	case <-timeout.C:
	}
	p.once.Do(func() { close(p.done) })
}

func (p *Pipe) run() {
	reported := int64(0) // drops already reported in the log
	for {
		select {
		case line := <-p.lines:
			reported = p.write(line, reported)
		case flushed := <-p.flushes:
			for len(p.lines) > 0 {
				reported = p.write(<-p.lines, reported)
			}
			close(flushed)
		case <-p.done:
			return
		}
	}
}

// write writes a line, after a note about lines dropped since the last note.
func (p *Pipe) write(line []byte, reported int64) int64 {
	if dropped := p.dropped.Load(); dropped > reported {
		note := fmt.Sprintf("level=WARN msg=\"log lines dropped, since nobody read them\" lines=%d\n", dropped-reported)
		if _, err := io.WriteString(p.to, note); err == nil {
			reported = dropped
		}
	}
	if _, err := p.to.Write(line); err != nil {
		p.dropped.Add(1)
	}
	return reported
}
