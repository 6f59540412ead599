package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/control"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/environment"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/shadowmanager"
	"github.com/shadowgpio/shadowgpio/internal/yamltree"
)

const deployText = `shadowctl deploy deploys a configuration (YAML or JSON) as the cloud does:
the update is announced, components that want to are asked whether the configuration
is valid, and it is put in force, or not at all.

Exit codes: 0; 1 refused, or failed; 2 wrong usage; 3 not done in time.`

func deployCommand(env Env) *cobra.Command {
	c := &cobra.Command{Use: "deploy CONFIG-FILE", Short: "deploy a configuration, which the component may refuse", Long: deployText, Args: command.Arguments(1, 1, "one CONFIG-FILE")}
	d := control.Deployment{}
	c.Flags().StringVar(&d.Component, "component", environment.ComponentName, "`NAME` of the component")
	merge := c.Flags().Bool("merge", false, "merge the file into the present configuration instead of replacing it")
	c.Flags().StringSliceVar(&d.Reset, "reset", nil, "with --merge: first reset these `POINTERS`, such as /lines/lamp,/controls")
	quiet := c.Flags().Bool("skip-notify", false, "do not announce the update to components")
	c.Flags().BoolVar(&d.Restart, "restart", false, "restart the component afterwards")
	wait := c.Flags().Duration("wait", time.Minute, "`DURATION` it may take, deferrals by components included")
	c.RunE = command.Ends(func(ctx context.Context, args []string) int {
		if len(d.Reset) > 0 && !*merge {
			printable.Fprintln(env.Stderr, "shadowctl deploy: --reset wants --merge; without it the file replaces everything")
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

func deploy(ctx context.Context, env Env, d control.Deployment, wait time.Duration) int {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	done, err := env.control().Deploy(ctx, d)
	if ctx.Err() == context.DeadlineExceeded {
		printable.Fprintf(env.Stderr, "shadowctl: the deployment is not done in %v and was called off\n", wait)
		return command.Timeout
	}
	if err != nil {
		return fail(env, err)
	}
	printable.Fprintf(env.Stdout, "%s: configuration deployed\n", d.Component)
	if err := tellSynchronized(ctx, env, done); err != nil {
		return fail(env, err)
	}
	return command.OK
}

// tellSynchronized says what a deployment changed of the synchronization with the cloud,
// and how that is done on a gateway, where the shadow manager has a configuration of its
// own.
func tellSynchronized(ctx context.Context, env Env, done control.Synchronized) error {
	for _, name := range done.Begun {
		printable.Fprintf(env.Stdout, "%v: synchronized with the cloud from now on\n", name)
	}
	for _, name := range done.Ending {
		printable.Fprintf(env.Stdout, "%v: no longer synchronized with the cloud, once the component has withdrawn its reports; its documents stay on both sides\n", name)
	}
	if len(done.Begun)+len(done.Ending) == 0 {
		return nil
	}
	contact, err := env.dir.Contact()
	if err != nil {
		return err
	}
	cfg, err := environment.Configuration(ctx, env.control(), contact.ThingName)
	if err != nil {
		return err
	}
	var ids []shadow.ID
	for _, s := range cfg.Shadows {
		ids = append(ids, s.ID)
	}
	printable.Fprintf(env.Stdout, `
shadowctl dev does this by itself. On a gateway the shadow manager's configuration has to name
each shadow; deploy this beside it (its lists are replaced: add the shadows of other components):
  %s
`, shadowmanager.For(ids, contact.ThingName).Merge())
	return nil
}

// readObject reads a file whose content is a map, as JSON.
func readObject(file string) (json.RawMessage, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	tree, err := yamltree.ReadObject(text)
	if err != nil {
		return nil, errors.Join(errors.New(file+":"), err)
	}
	object, err := json.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return object, nil
}
