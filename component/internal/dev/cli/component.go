package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/environment"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

func componentCommand(env Env) *cobra.Command {
	verb := func(name, summary string) *cobra.Command {
		return &cobra.Command{
			Use: name + " [COMPONENT]", Short: summary, Args: command.Arguments(0, 1, "one COMPONENT at most"),
			Long: fmt.Sprintf("shadowctl component %s: %s.\nIt asks for that and does not wait until it is done; component list shows the state.\nThe component is %s unless it is named.", name, summary, environment.ComponentName),
			RunE: command.Ends(func(ctx context.Context, args []string) int { return beginComponent(ctx, env, name, args) }),
		}
	}
	list := &cobra.Command{Use: "list", Short: "show components and their states", Args: command.Nothing}
	asJSON := list.Flags().Bool("json", false, "print JSON")
	list.RunE = command.Ends(func(ctx context.Context, _ []string) int { return listComponents(ctx, env, *asJSON) })
	return command.Group("component", "show, restart, stop, pause or resume components", "shadowctl component acts on the components that the core device runs.",
		list,
		verb("restart", "end the process of a component and start it again, or start a stopped one"),
		verb("stop", "end the process of a component"),
		verb("pause", "freeze the processes of a component"),
		verb("resume", "let the processes of a component that is paused go on"),
	)
}

func listComponents(ctx context.Context, env Env, asJSON bool) int {
	list, err := env.control().Components(ctx)
	if err != nil {
		return fail(env, err)
	}
	if asJSON {
		return printJSON(env, list)
	}
	w := printable.NewTable(env.Stdout, 3)
	w.Row("COMPONENT", "VERSION", "STATE")
	for _, r := range list {
		state := r.State
		if r.Paused {
			state += ", paused"
		}
		w.Row(r.Name, r.Version, state)
	}
	w.Flush()
	return command.OK
}

func beginComponent(ctx context.Context, env Env, verb string, args []string) int {
	name := environment.ComponentName
	if len(args) == 1 {
		name = args[0]
	}
	if err := env.control().Begin(ctx, name, verb); err != nil {
		return fail(env, err)
	}
	printable.Fprintf(env.Stdout, "%s: %s requested\n", name, verb)
	return command.OK
}
