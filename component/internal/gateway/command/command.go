// Package command is what the command lines of shadowgpio and shadowctl have in
// common: exit codes, and how commands of cobra end with them.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
)

// Exit codes that both programs use. 100 to 199 are the nucleus's own.
const (
	OK      = 0
	Failure = 1 // something failed while running
	Usage   = 2 // wrong usage, or a configuration that cannot start anything

	Timeout    = 3 // the device has not answered in time
	Refused    = 4 // it has refused the value
	NotRunning = 5 // no component runs here
	Stopped    = 6 // a guard rail has stopped a change of a fleet
	Busy       = 7 // another run has the work directory
)

// exit is the end of a command that has said itself what there is to say.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// Ends makes a command's function of one that returns an exit code.
func Ends(run func(ctx context.Context, args []string) int) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		if code := run(c.Context(), args); code != OK {
			return exit(code)
		}
		return nil
	}
}

// Group makes a command that does nothing but choose among others.
func Group(use, short, long string, commands ...*cobra.Command) *cobra.Command {
	group := &cobra.Command{
		Use: use, Short: short, Long: long, DisableFlagsInUseLine: true,
		Args: cobra.ArbitraryArgs, // so that one that is no command is told in our words
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknown(c, args[0])
			}
			return errors.New("want a command")
		},
	}
	group.AddCommand(commands...)
	return group
}

// unknown is a word that is no command, with the one that was meant perhaps.
func unknown(group *cobra.Command, word string) error {
	var names []string
	for _, c := range group.Commands() {
		names = append(names, c.Name())
	}
	if hint := config.Nearest(word, names); hint != "" {
		return fmt.Errorf("unknown command %q; %s", word, hint)
	}
	return fmt.Errorf("unknown command %q", word)
}

// Arguments wants from low to high arguments, which the error calls what; high
// below 0 is no limit.
func Arguments(low, high int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch n := len(args); {
		case high == 0 && n > 0:
			return fmt.Errorf("unexpected argument %q", args[0])
		case n < low || high >= 0 && n > high:
			return fmt.Errorf("want %s, got %d arguments", what, n)
		}
		return nil
	}
}

// Nothing refuses arguments.
var Nothing = Arguments(0, 0, "")

// completeNothing keeps shells from offering file names where no argument is a file.
func completeNothing(root *cobra.Command) {
	for _, c := range root.Commands() {
		completeNothing(c)
		if c.ValidArgsFunction == nil && !strings.Contains(c.Use, "FILE") && !strings.Contains(c.Use, "JOURNAL") {
			c.ValidArgsFunction = cobra.NoFileCompletions
		}
	}
}

// Execute runs the command that args name, and returns its exit code.
func Execute(ctx context.Context, root *cobra.Command, args []string, stdout, stderr io.Writer) int {
	root.SilenceErrors, root.SilenceUsage = true, true
	completeNothing(root)
	root.SetArgs(args)
	root.SetOut(printable.Writer(stdout)) // help and completions are cobra's
	root.SetErr(printable.Writer(stderr))
	c, err := root.ExecuteContextC(ctx)
	var code exit
	switch {
	case err == nil:
		return OK
	case errors.As(err, &code):
		return int(code)
	}
	printable.Fprintf(stderr, "%s: %v\n%s --help tells what it takes\n", c.CommandPath(), err, c.CommandPath())
	return Usage
}

// AddGroup adds commands to those of root, under a heading of their own.
func AddGroup(root *cobra.Command, id, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: id, Title: title})
	for _, c := range commands {
		c.GroupID = id
		root.AddCommand(c)
	}
}

// usageError is an error about what was typed.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// UsageError is an error about what was typed: [Fail] returns [Usage] for it.
func UsageError(err error) error { return usageError{err} }

// Fail prints an error as the last word of a program, and returns the exit code. It says
// nothing of [ErrNoReader]: whoever closed the output knows.
func Fail(stderr io.Writer, program string, err error) int {
	if errors.Is(err, ErrNoReader) {
		return Failure
	}
	printable.Fprintf(stderr, "%s: %v\n", program, err)
	if errors.As(err, new(usageError)) {
		return Usage
	}
	return Failure
}

// Invocation is how this program was started, as a person types it again.
func Invocation() string {
	if strings.Contains(os.Args[0], string(filepath.Separator)+"go-build") {
		return "go run ./component/cmd/" + filepath.Base(os.Args[0])
	}
	return os.Args[0]
}

// PrintJSON prints what --json asks for.
func PrintJSON(w io.Writer, value any) error { return printable.JSON(w, value, "  ") }
