// Package logpipe writes a log beside its callers, so that lines of GPIO never wait
// for a reader of the log.
//
// Standard output of the component is a pipe of the nucleus. A pipe that nobody reads
// is full after 64 KiB, and one whose reader died breaks. A [Pipe] takes a line of log
// at once in either case. Lines that cannot be written are dropped and counted; the
// next line that is written tells how many.
package logpipe

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// bound is how many lines wait for the reader at most.
const bound = 1024

// Pipe is an [io.Writer] that never blocks. It is safe for concurrent use.
type Pipe struct {
	to      io.Writer
	lines   chan []byte
	flushes chan chan struct{}
	dropped atomic.Int64 // since the start
	once    sync.Once
	done    chan struct{}
}

// New starts to write to a pipe or file. [Pipe.Close] ends that.
func New(to io.Writer) *Pipe {
	p := &Pipe{to: to, lines: make(chan []byte, bound), flushes: make(chan chan struct{}), done: make(chan struct{})}
	go p.run() // it may outlive Close, in a write that does not return
	return p
}

// Write takes one line of log. It always succeeds.
func (p *Pipe) Write(line []byte) (int, error) {
	select {
	case p.lines <- append([]byte(nil), line...):
	default:
		p.dropped.Add(1)
	}
	return len(line), nil
}

// Dropped is the number of lines that could not be written so far.
func (p *Pipe) Dropped() int64 { return p.dropped.Load() }

// Close waits until all lines are written, for that time at most.
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
	told := int64(0) // drops that were written about
	for {
		select {
		case line := <-p.lines:
			told = p.write(line, told)
		case flushed := <-p.flushes:
			for len(p.lines) > 0 {
				told = p.write(<-p.lines, told)
			}
			close(flushed)
		case <-p.done:
			return
		}
	}
}

// write writes a line, and before it how many were dropped since it last said so.
func (p *Pipe) write(line []byte, told int64) int64 {
	if dropped := p.dropped.Load(); dropped > told {
		note := fmt.Sprintf("level=WARN msg=\"log lines dropped, since nobody read them\" lines=%d\n", dropped-told)
		if _, err := io.WriteString(p.to, note); err == nil {
			told = dropped
		}
	}
	if _, err := p.to.Write(line); err != nil {
		p.dropped.Add(1)
	}
	return told
}
