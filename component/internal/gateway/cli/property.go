package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/control"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/journal"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

const getText = `shadowgpio get prints what properties are, as the component that runs here reads them:
one by its name, or all. A property that several shadows have is named SHADOW/PROPERTY,
with the label of the shadow in the configuration.

Exit codes: 0; 1 failed; 2 wrong usage; 5 no component runs here.`

func getCommand(env Env) *cobra.Command {
	c := &cobra.Command{
		Use: "get [PROPERTY]", Short: "print what a property is, or all", Long: getText,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("want one PROPERTY at most, got %d", len(args))
			}
			return nil
		},
		Example: `  sudo shadowgpio get
  sudo shadowgpio get lights
  sudo shadowgpio get main/lights --json`,
	}
	socket := socketFlag(c, env)
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.ValidArgsFunction = completeProperty(socket, "")
	c.RunE = command.Ends(func(_ context.Context, args []string) int { return get(env, *socket, *asJSON, args) })
	return c
}

func get(env Env, socket string, asJSON bool, args []string) int {
	client, code := dial(env, "get", socket)
	if code != command.OK {
		return code
	}
	defer client.Close()
	status, err := client.Status()
	if err != nil {
		return failed(env, "get", err)
	}
	wanted := properties(status)
	if len(args) == 1 {
		p, err := find(status, args[0])
		if err != nil {
			printable.Fprintln(env.Stderr, "shadowgpio get:", err)
			return command.Usage
		}
		wanted = []found{p}
	}
	switch {
	case asJSON:
		printJSON(env, byName(wanted))
	case len(args) == 1:
		printable.Fprintln(env.Stdout, plain(wanted[0].Value))
	default:
		table := printable.NewTable(env.Stdout, 2)
		for _, p := range wanted {
			table.Row(p.name(), plain(p.Value))
		}
		table.Flush()
	}
	return command.OK
}

// byName is what --json prints of properties.
func byName(properties []found) map[string]engine.PropertyView {
	all := map[string]engine.PropertyView{}
	for _, p := range properties {
		all[p.name()] = p.PropertyView
	}
	return all
}

const setText = `shadowgpio set desires values in the shadow, exactly as an application does, through the
component that runs here, and waits until the device has answered each. A value is JSON,
and text where it is none; null takes the desired value back. Several are set one after
the other, up to the first that is not done. --json prints what they are then, as get does.

Exit codes: 0 done; 1 failed; 2 wrong usage; 3 not answered in time; 4 refused, or the line
failed; 5 no component runs here.`

func setCommand(env Env) *cobra.Command {
	c := &cobra.Command{
		Use: "set PROPERTY=VALUE...", Short: "desire a value, and wait until the device has answered", Long: setText,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("want PROPERTY=VALUE")
			}
			for _, arg := range args {
				if key, _, ok := strings.Cut(arg, "="); !ok || key == "" {
					return fmt.Errorf("want PROPERTY=VALUE, got %q", arg)
				}
			}
			return nil
		},
		Example: `  sudo shadowgpio set lights=on
  sudo shadowgpio set main/bell=true --timeout 5s
  sudo shadowgpio set lights=on fan=true --json
  sudo shadowgpio set lights=null`,
	}
	socket := socketFlag(c, env)
	timeout := c.Flags().Duration("timeout", 30*time.Second, "how long the device may take for each value, a `DURATION`")
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.ValidArgsFunction = completeProperty(socket, "=")
	c.RunE = command.Ends(func(ctx context.Context, args []string) int {
		return setAll(ctx, env, *socket, *timeout, *asJSON, args)
	})
	return c
}

func setAll(ctx context.Context, env Env, socket string, timeout time.Duration, asJSON bool, args []string) int {
	var desired []found
	if asJSON {
		defer func() { printJSON(env, byName(desired)) }()
	}
	for _, arg := range args {
		name, text, _ := strings.Cut(arg, "=")
		value := json.RawMessage(text)
		if !json.Valid(value) {
			value, _ = json.Marshal(text)
		}
		p, code := set(ctx, env, socket, timeout, name, value)
		if p.key != "" {
			desired = append(desired, p)
		}
		switch {
		case code != command.OK:
			return code
		case asJSON:
		case p.Ack == nil:
			printable.Fprintf(env.Stdout, "%s is %s, nothing is desired\n", p.name(), plain(p.Value))
		default:
			printable.Fprintf(env.Stdout, "%s is %s, answered %s\n", p.name(), plain(p.Value), answer(p.PropertyView))
		}
	}
	return command.OK
}

// set desires one value and returns the property as it is afterwards; without a name
// if nothing was desired.
func set(ctx context.Context, env Env, socket string, timeout time.Duration, name string, value json.RawMessage) (p found, code int) {
	client, code := dial(env, "set", socket)
	if code != command.OK {
		return p, code
	}
	defer client.Close()
	status, err := client.Status()
	if err != nil {
		return p, failed(env, "set", err)
	}
	target, err := find(status, name)
	if err != nil {
		printable.Fprintln(env.Stderr, "shadowgpio set:", err)
		return p, command.Usage
	}
	version, err := client.Desire(target.shadow, target.key, value)
	if err != nil {
		return p, failed(env, "set", err)
	}
	p = target
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	done := false
	err = client.Watch(ctx, func(now control.Status, _ []journal.Entry) bool {
		p.PropertyView = now.Shadows[p.shadow].Properties[p.key]
		done = answered(p.PropertyView, version, string(value) == "null")
		return !done
	})
	switch {
	case err != nil:
		return p, failed(env, "set", err)
	case !done:
		printable.Fprintf(env.Stderr, "shadowgpio set: %s: not answered within %v; it is %s, answered %s\n", p.name(), timeout, plain(p.Value), answer(p.PropertyView))
		return p, command.Timeout
	case p.Ack != nil && p.Ack.Code >= shadow.Refused:
		printable.Fprintf(env.Stderr, "shadowgpio set: %s: refused with %s; it is %s\n", p.name(), answer(p.PropertyView), plain(p.Value))
		return p, command.Refused
	}
	return p, command.OK
}

// answered reports whether the shadow has the last answer to what was desired at
// that version, or to a withdrawn value none.
func answered(p engine.PropertyView, version int64, withdrawn bool) bool {
	if withdrawn {
		return p.Desired == nil && p.Ack == nil
	}
	return p.Ack != nil && p.Ack.Version >= version && p.Ack.Code != shadow.InProgress && !p.Pending
}
