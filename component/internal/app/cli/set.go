package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/app/client"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

const setText = `shadowctl set desires values in a shadow. A VALUE that is JSON is taken as such
(true, 5, {"r":1}), null withdraws the desired value, anything else is text.

With --wait it returns when the device has answered every value, or the time is over; what
is desired stays desired then, and a device that was away carries it out when it is back.

Exit codes: 0 done, or without --wait desired; 1 failed; 2 wrong usage; 3 not answered in
time; 4 refused, or somebody desired something else meanwhile.` + reachText

func setCommand(env Env) *cobra.Command {
	c := &cobra.Command{
		Use: "set PROPERTY=VALUE...", Short: "desire values in a shadow, and wait for the device's answer", Long: setText,
		Args: command.Arguments(1, -1, "PROPERTY=VALUE"),
		Example: `  shadowctl set lights=on --wait 5s
  shadowctl set limit=80 mode=auto --thing pump-7 --shadow control --wait 30s --json
  shadowctl set lights=null`,
	}
	r, id := reachFlags(c, env), shadowFlags(c)
	wait := c.Flags().Duration("wait", 0, "how long to wait for the device's answer, a `DURATION` such as 5s")
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = command.Ends(func(ctx context.Context, args []string) int {
		desired, err := client.ParseDesired(args)
		if err == nil && *wait < 0 {
			err = fmt.Errorf("--wait: want 0s or more, got %v", *wait)
		}
		if err != nil {
			printable.Fprintln(env.Stderr, "shadowctl set:", err)
			return command.Usage
		}
		s, err := r.openShadow(ctx, id)
		if err != nil {
			return fail(env, err)
		}
		defer s.Close()
		return set(ctx, env, s, *id, desired, *wait, *asJSON)
	})
	return c
}

// desiredValues is what set has done, as --json prints it.
type desiredValues struct {
	Thing   string                   `json:"thing"`
	Shadow  string                   `json:"shadow,omitempty"`
	Version int64                    `json:"version"`
	Answers map[string]client.Answer `json:"answers,omitempty"`
}

func set(ctx context.Context, env Env, s client.Service, id shadow.ID, desired map[string]any, wait time.Duration, asJSON bool) int {
	if wait <= 0 {
		version, err := s.Update(ctx, id, shadow.Update{Desired: desired})
		if err != nil {
			return fail(env, err)
		}
		return told(env, desiredValues{id.Thing, id.Name, version, nil}, asJSON)
	}
	var version int64
	answers, err := client.Desire(ctx, s, id, desired, wait, func(v int64) {
		if version = v; !asJSON {
			told(env, desiredValues{id.Thing, id.Name, version, nil}, false)
		}
	})
	if err != nil {
		return fail(env, err)
	}
	if asJSON {
		told(env, desiredValues{id.Thing, id.Name, version, answers}, true)
	} else {
		for _, key := range slices.Sorted(maps.Keys(answers)) {
			printable.Fprintf(env.Stdout, "%s: %v\n", key, answers[key])
		}
	}
	return exitCode(client.Worst(answers))
}

func told(env Env, s desiredValues, asJSON bool) int {
	if asJSON {
		return printJSON(env, s)
	}
	printable.Fprintf(env.Stdout, "desired in shadow %v, version %d\n", shadow.ID{Thing: s.Thing, Name: s.Shadow}, s.Version)
	return command.OK
}

func exitCode(o client.Outcome) int {
	switch o {
	case client.Done:
		return command.OK
	case client.Unanswered:
		return command.Timeout
	}
	return command.Refused
}
