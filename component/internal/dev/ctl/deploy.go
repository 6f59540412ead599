package ctl

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

const deployText = `shadowctl deploy deploys a configuration (YAML or JSON) as the cloud does:
the update is announced, components that want to are asked whether the configuration
is valid, and it is put in force, or not at all.

Exit codes: 0; 1 refused, or failed; 2 wrong usage; 3 not done in time.`

// deployment is what is sent to the control socket.
type deployment struct {
	Component string          `json:"component"`
	Reset     []string        `json:"reset,omitempty"` // JSON pointers
	Merge     json.RawMessage `json:"merge,omitempty"`
	Full      json.RawMessage `json:"full,omitempty"`
	Notify    bool            `json:"notify"`
	Restart   bool            `json:"restart"` // the component, afterwards
}

// deploy carries out a deployment, as long as the client waits for it.
func (c *control) deploy(r *http.Request, d deployment) (nothing, error) {
	change := devcore.ConfigurationChange{Reset: d.Reset, Merge: d.Merge, Full: d.Full}
	deployment := devcore.Deployment{
		Configurations: map[string]devcore.ConfigurationChange{d.Component: change},
		Notify:         d.Notify,
	}
	if d.Restart {
		deployment.Run = func() error { return begin(c.runs, d.Component, "restart") }
	}
	c.out.say("core", "deployment of a configuration of %s", d.Component)
	err := c.core.Deploy(r.Context(), deployment)
	if err != nil {
		c.out.say("core", "deployment failed, nothing is changed: %v", err)
		return nothing{}, err
	}
	c.out.say("core", "deployment done")
	return nothing{}, nil
}

func deployCommand(env Env) *cobra.Command {
	c := &cobra.Command{Use: "deploy CONFIG-FILE", Short: "deploy a configuration, which the component may refuse", Long: deployText, Args: command.Arguments(1, 1, "one CONFIG-FILE")}
	d := deployment{}
	c.Flags().StringVar(&d.Component, "component", componentName, "`NAME` of the component")
	merge := c.Flags().Bool("merge", false, "merge the file into the present configuration instead of replacing it")
	c.Flags().StringSliceVar(&d.Reset, "reset", nil, "with --merge: first reset these `POINTERS`, such as /lines/lamp,/controls")
	quiet := c.Flags().Bool("skip-notify", false, "do not announce the update to components")
	c.Flags().BoolVar(&d.Restart, "restart", false, "restart the component afterwards")
	wait := c.Flags().Duration("wait", time.Minute, "`DURATION` it may take, deferrals by components included")
	c.RunE = command.Ends(func(ctx context.Context, args []string) int {
		if len(d.Reset) > 0 && !*merge {
			fmt.Fprintln(env.Stderr, "shadowctl deploy: --reset wants --merge; without it the file replaces everything")
			return command.Usage
		}
		content, err := readObject(args[0])
		if err != nil {
			return fail(env, err)
		}
		d.Notify = !*quiet
		if d.Full = content; *merge {
			d.Full, d.Merge = nil, content
		}
		return deploy(ctx, env, d, *wait)
	})
	return c
}

func deploy(ctx context.Context, env Env, d deployment, wait time.Duration) int {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	err := env.place().ask(ctx, http.MethodPost, "/deployments", d, &nothing{})
	if ctx.Err() == context.DeadlineExceeded {
		fmt.Fprintf(env.Stderr, "shadowctl: the deployment is not done in %v and was called off\n", wait)
		return command.Timeout
	}
	if err != nil {
		return fail(env, err)
	}
	fmt.Fprintf(env.Stdout, "%s: configuration deployed\n", d.Component)
	return command.OK
}

// readObject reads a file whose content is a map, as JSON.
func readObject(file string) (json.RawMessage, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if tree == nil {
		return nil, fmt.Errorf("%s: want a map, got nothing", file)
	}
	object, err := json.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return object, nil
}
