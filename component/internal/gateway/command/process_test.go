package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
)

// brokenWriter fails as a terminal does that is closed.
type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestOutputWithoutAReaderEndsTheCommand(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		&os.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE},
		&os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.EIO},
	} {
		ctx, end := context.WithCancelCause(t.Context())
		_, got := io.WriteString(EndsWithReader(brokenWriter{err}, end), "x")
		if !errors.Is(got, ErrNoReader) || !errors.Is(context.Cause(ctx), ErrNoReader) {
			t.Errorf("%v: got %v, the context ends with %v", err, got, context.Cause(ctx))
		}
	}
	ctx, end := context.WithCancelCause(t.Context())
	defer end(nil)
	if _, err := io.WriteString(EndsWithReader(brokenWriter{syscall.ENOSPC}, end), "x"); !errors.Is(err, syscall.ENOSPC) || ctx.Err() != nil {
		t.Errorf("a full disk ends the command: %v", err)
	}
}

func TestErrorsNameWhyTheCommandEnded(t *testing.T) {
	t.Parallel()
	signal := errors.New("terminated signal received")
	cancelled := fmt.Errorf("update shadow X: %w", context.Canceled)
	other := errors.New("403 forbidden")
	for _, c := range []struct {
		err, cause error
		want       string // on standard error
	}{
		{cancelled, nil, "p: update shadow X: context canceled\n"},
		{cancelled, context.Canceled, "p: update shadow X: context canceled\n"},
		{cancelled, signal, "p: terminated signal received\n"},
		{other, signal, "p: 403 forbidden\n"},
		{cancelled, ErrNoReader, ""},
		{other, ErrNoReader, ""},
	} {
		var stderr bytes.Buffer
		if code := Fail(&stderr, "p", Because(c.err, c.cause)); code != Failure || stderr.String() != c.want {
			t.Errorf("%v because of %v: exit code %d, %q; want %q", c.err, c.cause, code, stderr.String(), c.want)
		}
	}
	if Because(nil, signal) != nil {
		t.Error("a success becomes an error")
	}
}
