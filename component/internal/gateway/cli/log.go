package cli

import (
	"context"
	"io"
	"log/slog"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
)

// newLogger logs as the nucleus expects: one line an event, without a time of its
// own, up to info on standard output and the rest on standard error, which it
// takes for warnings (aws-greengrass/aws-greengrass-nucleus
// src/main/java/com/aws/greengrass/lifecyclemanager/ShellRunner.java).
func newLogger(stdout, stderr io.Writer, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
	return slog.New(splitHandler{slog.NewTextHandler(printable.Writer(stdout), options), slog.NewTextHandler(printable.Writer(stderr), options)})
}

type splitHandler struct{ low, high slog.Handler }

func (h splitHandler) of(level slog.Level) slog.Handler {
	if level >= slog.LevelWarn {
		return h.high
	}
	return h.low
}

func (h splitHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.of(level).Enabled(ctx, level)
}

func (h splitHandler) Handle(ctx context.Context, r slog.Record) error {
	return h.of(r.Level).Handle(ctx, r)
}

func (h splitHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return splitHandler{h.low.WithAttrs(attrs), h.high.WithAttrs(attrs)}
}

func (h splitHandler) WithGroup(name string) slog.Handler {
	return splitHandler{h.low.WithGroup(name), h.high.WithGroup(name)}
}
