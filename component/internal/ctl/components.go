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

	"github.com/shadowgpio/shadowgpio/component/internal/command"
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

func componentCommands(ctx context.Context, env Env) int {
	verb := func(name, summary string) command.Command {
		return command.Command{Name: name, Args: "[COMPONENT]", Summary: summary, Run: env.with(func(ctx context.Context, env Env) int {
			return beginComponent(ctx, env, name, summary)
		})}
	}
	return command.Set{
		Program: "shadowctl component",
		About:   "shadowctl component acts on the components that the core device runs.",
		Commands: []command.Command{
			{Name: "list", Summary: "show them and their states", Run: env.with(listComponents)},
			verb("restart", "end the process of a component and start it again, also one that is stopped"),
			verb("stop", "end the process of a component"),
			verb("pause", "freeze the processes of a component"),
			verb("resume", "thaw them"),
		},
	}.Run(ctx, env.Args, env.Stdout, env.Stderr)
}

func listComponents(ctx context.Context, env Env) int {
	o := newOptions(env, "component list", "shadowctl component list shows the components that the core device runs.")
	asJSON := o.Bool("json", false, "print JSON")
	if code, done := o.parse(env.Args, 0, 0); done {
		return code
	}
	var list []runningComponent
	if err := o.place().ask(ctx, http.MethodGet, "/components", nothing{}, &list); err != nil {
		return fail(env, err)
	}
	if *asJSON {
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

func beginComponent(ctx context.Context, env Env, verb, summary string) int {
	o := newOptions(env, "component "+verb, fmt.Sprintf("shadowctl component %s [COMPONENT]: %s. It does not wait for it.\nThe component is %s unless it is named.", verb, summary, componentName))
	if code, done := o.parse(env.Args, 0, 1); done {
		return code
	}
	name := componentName
	if len(o.args) == 1 {
		name = o.args[0]
	}
	if err := o.place().ask(ctx, http.MethodPost, "/components/"+url.PathEscape(name)+"/"+verb, nothing{}, &nothing{}); err != nil {
		return fail(env, err)
	}
	fmt.Fprintf(env.Stdout, "%s: %s requested\n", name, verb)
	return command.OK
}
