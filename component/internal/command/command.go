// Package command chooses among the commands of a program: the part that
// shadowgpio and shadowctl have in common.
package command

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// Exit codes that both programs use. 100 to 199 are the nucleus's own.
const (
	OK      = 0
	Failure = 1 // something failed while running
	Usage   = 2 // wrong usage, or a configuration that cannot start anything

	Timeout    = 3 // the device has not answered in time
	Refused    = 4 // it has refused the value
	NotRunning = 5 // no component runs here
)

// Command is one command of a program.
type Command struct {
	Name    string
	Args    string // as the usage shows them; "" for none
	Summary string // one line; "" hides the command from the usage
	Run     func(ctx context.Context, args []string) (exitCode int)
}

// Set are the commands of one program.
type Set struct {
	Program  string
	About    string // one sentence
	Commands []Command
}

// Run runs the command that the first argument names, with the others, and
// returns its exit code.
func (s Set) Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		s.usage(stderr)
		return Usage
	}
	for _, c := range s.Commands {
		if c.Name == args[0] {
			return c.Run(ctx, args[1:])
		}
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		s.usage(stdout)
		return OK
	}
	fmt.Fprintf(stderr, "%s: unknown command %q\n\n", s.Program, args[0])
	s.usage(stderr)
	return Usage
}

func (s Set) usage(w io.Writer) {
	fmt.Fprintf(w, "%s\n\nCommands:\n", s.About)
	width := 0
	for _, c := range s.Commands {
		width = max(width, len(s.call(c)))
	}
	for _, c := range s.Commands {
		if c.Summary != "" {
			fmt.Fprintf(w, "  %-*s  %s\n", width, s.call(c), c.Summary)
		}
	}
	fmt.Fprintf(w, "\n%s COMMAND -h tells more about one.\n", s.Program)
}

// call is how a command is typed.
func (s Set) call(c Command) string {
	return strings.TrimSpace(s.Program + " " + c.Name + " " + c.Args)
}
