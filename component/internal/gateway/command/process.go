package command

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Context returns the context of a program. The first SIGTERM or SIGINT ends it, a second
// one ends the process at once.
//
// SIGPIPE ends nothing: Go raises it for each peer of a socket that hangs up, and the
// write fails anyway. See [EndsWithReader] for standard output.
func Context() (ctx context.Context, stop func()) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // which nobody receives
	ctx, stop = signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// EndsWithReader makes the standard output of a command: it calls end when nobody reads
// it any longer.
func EndsWithReader(w io.Writer, end func()) io.Writer { return &output{w, end} }

type output struct {
	io.Writer
	end func()
}

func (o *output) Write(p []byte) (n int, err error) {
	n, err = o.Writer.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		o.end()
	}
	return n, err
}
