package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// ErrNoReader is the cause of the end of a command whose standard output is closed.
var ErrNoReader = errors.New("nobody reads the output any longer")

// Context returns the context of a program. The first SIGTERM, SIGINT or SIGHUP ends it, a
// second one ends the process at once. SIGHUP, which tells that the terminal is closed, is
// left alone where the caller ignores it, as nohup does.
//
// SIGPIPE ends nothing: Go raises it for each peer of a socket that hangs up, and the
// write fails anyway. See [EndsWithReader] for standard output.
func Context() (ctx context.Context, stop func()) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // which nobody receives
	ends := []os.Signal{syscall.SIGTERM, syscall.SIGINT}
	if !signal.Ignored(syscall.SIGHUP) {
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop = signal.NotifyContext(context.Background(), ends...)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// EndsWithReader makes the standard output of a command: it calls end with [ErrNoReader]
// when nobody reads it any longer, that is when its pipe has no reader or its terminal is
// closed. Its writes fail with ErrNoReader then.
func EndsWithReader(w io.Writer, end func(cause error)) io.Writer { return &output{w, end} }

type output struct {
	io.Writer
	end func(error)
}

func (o *output) Write(p []byte) (n int, err error) {
	n, err = o.Writer.Write(p)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.EIO) {
		err = fmt.Errorf("%w: %w", ErrNoReader, err)
		o.end(ErrNoReader)
	}
	return n, err
}

// Because names the reason of an error that says no more than that the command was ended:
// the signal, or [ErrNoReader]. cause is that of the command's context; nil leaves err.
func Because(err, cause error) error {
	switch {
	case err == nil || cause == nil:
		return err
	case errors.Is(cause, ErrNoReader):
		return ErrNoReader // whatever failed because of that
	case errors.Is(err, context.Canceled) && !errors.Is(cause, context.Canceled):
		return cause
	}
	return err
}
