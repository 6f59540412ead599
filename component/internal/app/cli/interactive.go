package cli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"golang.org/x/time/rate"

	"github.com/shadowgpio/shadowgpio/component/internal/app/client"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

const interactiveText = `shadowctl interactive is an application that a person plays: it shows the shadow, and what
happens to it while it runs, and desires what is typed.

` + interactiveHelp + `

It ends at quit, exit, Ctrl-D, Ctrl-C, or where its input ends.

Exit codes: 0; 1 failed; 2 wrong usage.` + reachText

const interactiveHelp = `  PROPERTY=VALUE ...   desire values; null withdraws one
  get             show the shadow
  shadow [NAME]   go to a named shadow, or to the classic one
  help            show this
  quit, exit      end`

func interactiveCommand(env Env) *cobra.Command {
	c := &cobra.Command{Use: "interactive", Short: "desire values and watch the shadow, in one terminal", Long: interactiveText, Args: command.Nothing}
	r, id := reachFlags(c, env), shadowFlags(c)
	c.RunE = command.Ends(func(ctx context.Context, _ []string) int {
		if r.core {
			return fail(env, errors.New("--core: interactive is over MQTT, as an application's side is"))
		}
		var err error
		if id.Thing, err = r.thing(id.Thing); err != nil {
			return fail(env, err)
		}
		m, err := r.openMQTT(ctx)
		if err != nil {
			return fail(env, err)
		}
		defer m.Close()
		if err := interact(ctx, env, m, *id, r.listing()); err != nil {
			return fail(env, err)
		}
		return command.OK
	})
	return c
}

// console reads lines, and prints between them.
type console struct {
	io.Writer
	read  func() (string, error)
	close func()
}

// openConsole makes one of a terminal, with a line that can be edited, or of any
// other input.
func openConsole(env Env) (*console, error) {
	file, ok := env.Stdin.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		lines := bufio.NewScanner(env.Stdin)
		return &console{env.Stdout, func() (string, error) {
			if lines.Scan() {
				return lines.Text(), nil
			}
			if lines.Err() != nil {
				return "", lines.Err()
			}
			return "", io.EOF
		}, func() {}}, nil
	}
	before, err := term.MakeRaw(int(file.Fd()))
	if err != nil {
		return nil, err
	}
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{file, env.Stdout}, "> ")
	return &console{t, t.ReadLine, func() {
		term.Restore(int(file.Fd()), before)
		printable.Fprintln(env.Stdout) // leaves the prompt
	}}, nil
}

// interact plays one application until the input ends.
func interact(ctx context.Context, env Env, m *client.MQTT, id shadow.ID, list func(context.Context, string) ([]string, error)) error {
	c, err := openConsole(env)
	if err != nil {
		return err
	}
	defer c.close()
	env.Stdout = c
	env.Stderr = c
	ctx, cancel := context.WithCancel(ctx)
	watching := make(chan error, 1)
	w := &watcher{
		env: env, show: []client.Kind{client.Documents, client.Delta, client.Rejected, client.Presence},
		things: []string{id.Thing}, list: list,
	}
	// What is typed first is watched, too.
	s, err := w.subscribe(ctx, m, client.ThingFilters(id.Thing))
	if err != nil {
		cancel()
		return err
	}
	defer s.Close()
	go func() { watching <- w.follow(ctx, s) }()
	defer func() { cancel(); <-watching }()

	type line struct {
		text string
		err  error
	}
	// Reading ends with the program: nothing can wake it.
	lines := make(chan line)
	go func() {
		for {
			text, err := c.read()
			select {
			case lines <- line{text, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	service := client.Paced(m, rate.Inf)
	get(ctx, env, service, id, false)
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-watching:
			watching <- err
			return err
		case l := <-lines:
			if errors.Is(l.err, io.EOF) {
				return nil
			} else if l.err != nil {
				return l.err
			}
			if end := typed(ctx, env, service, &id, strings.Fields(l.text)); end {
				return nil
			}
		}
	}
}

// desiredOf reads words as values, or all of them as one: JSON may have blanks.
func desiredOf(words []string) (map[string]any, error) {
	one, err := client.ParseDesired([]string{strings.Join(words, " ")})
	for _, value := range one {
		if _, text := value.(string); !text {
			return one, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return client.ParseDesired(words)
}

// typed carries out a line.
func typed(ctx context.Context, env Env, service client.Service, id *shadow.ID, words []string) (end bool) {
	switch {
	case len(words) == 0:
	case words[0] == "quit", words[0] == "exit":
		return true
	case words[0] == "help":
		printable.Fprintln(env.Stdout, printable.Safe(interactiveHelp))
	case words[0] == "get" && len(words) == 1:
		get(ctx, env, service, *id, false)
	case words[0] == "shadow" && len(words) <= 2:
		id.Name = strings.Join(words[1:], "")
		get(ctx, env, service, *id, false)
	default:
		desired, err := desiredOf(words)
		if err != nil {
			printable.Fprintf(env.Stderr, "%v; help tells what can be typed\n", err)
			return false
		}
		if _, err := service.Update(ctx, *id, shadow.Update{Desired: desired}); err != nil {
			fail(env, err)
		}
	}
	return false
}
