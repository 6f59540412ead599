package ipc

import (
	"fmt"
	"io"
	"log/slog"
)

// Token is what a nucleus knows a component by (the variable SVCUID). Whoever has
// it may act as the component, so a Token prints a placeholder wherever it is
// printed, logged or marshalled. Only string(t) gives it away, and two uses that
// ask no method: a Token in an unexported field of a struct that package fmt
// prints, and a Token as key of a map in JSON.
type Token string

const redacted = "REDACTED"

var (
	_ fmt.Formatter  = Token("")
	_ slog.LogValuer = Token("")
)

// String returns a placeholder.
func (Token) String() string { return redacted }

// GoString returns a placeholder.
func (Token) GoString() string { return redacted }

// Format writes a placeholder whatever the verb, wrong verbs included.
func (Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns a placeholder.
func (Token) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns a placeholder.
func (Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }
