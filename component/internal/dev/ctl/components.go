package ctl

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

// runningComponent is a component as it is shown.
type runningComponent struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	State   string `json:"state"`
	Paused  bool   `json:"paused"`
}

func (c *control) components(*http.Request, nothing) ([]runningComponent, error) {
	list := []runningComponent{}
	for _, r := range c.runs.List() {
		list = append(list, runningComponent{r.Name, r.Version, string(r.State), r.Paused})
	}
	return list, nil
}

// component begins what the path says; it does not wait for it.
func (c *control) component(r *http.Request, _ nothing) (nothing, error) {
	name, verb := r.PathValue("name"), r.PathValue("verb")
	var names []string
	for _, known := range c.runs.List() {
		names = append(names, known.Name)
	}
	if !slices.Contains(names, name) {
		return nothing{}, fmt.Errorf("want a component of this core, %s, got %q", strings.Join(names, ", "), name)
	}
	return nothing{}, begin(c.runs, name, verb)
}

func begin(runs devcore.Components, name, verb string) error {
	switch verb {
	case "restart":
		if !runs.Restart(name) {
			return errors.New("the component was never started")
		}
	case "stop":
		runs.Stop(name)
	case "pause":
		return runs.Pause(name)
	case "resume":
		return runs.Resume(name)
	default:
		return fmt.Errorf("want restart, stop, pause or resume, got %q", verb)
	}
	return nil
}

func componentCommand(env Env) *cobra.Command {
	verb := func(name, summary string) *cobra.Command {
		return &cobra.Command{
			Use: name + " [COMPONENT]", Short: summary, Args: command.Arguments(0, 1, "one COMPONENT at most"),
			Long: fmt.Sprintf("shadowctl component %s: %s.\nIt asks for that and does not wait until it is done; component list shows the state.\nThe component is %s unless it is named.", name, summary, componentName),
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
	var list []runningComponent
	if err := env.place().ask(ctx, http.MethodGet, "/components", nothing{}, &list); err != nil {
		return fail(env, err)
	}
	if asJSON {
		return printJSON(env, list)
	}
	w := tabwriter.NewWriter(env.Stdout, 2, 0, 3, ' ', 0)
	fmt.Fprintln(w, "COMPONENT\tVERSION\tSTATE")
	for _, r := range list {
		state := r.State
		if r.Paused {
			state += ", paused"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.Name, r.Version, state)
	}
	w.Flush()
	return command.OK
}

func beginComponent(ctx context.Context, env Env, verb string, args []string) int {
	name := componentName
	if len(args) == 1 {
		name = args[0]
	}
	if err := env.place().ask(ctx, http.MethodPost, "/components/"+url.PathEscape(name)+"/"+verb, nothing{}, &nothing{}); err != nil {
		return fail(env, err)
	}
	fmt.Fprintf(env.Stdout, "%s: %s requested\n", name, verb)
	return command.OK
}
