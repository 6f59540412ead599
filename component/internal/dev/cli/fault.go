package cli

import (
	"context"
	"errors"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
)

const faultText = `shadowctl fault add has the running core device fail on purpose. A RULE is
an operation ("*" is any), an action with its value, and then conditions:

  UpdateThingShadow delay 2s times 3            the next three, 2 s late
  GetThingShadow refuse ServiceError message "disk full" probability 0.3
  '* drop match MyGateway/room skip 2 times 1'    the third about that shadow
  SubscribeToTopic lose match '*/update/accepted' times 1

or the same as a map: '{operation: UpdateThingShadow, do: delay, delay: 2s, times: 3}'

Actions:
  delay DURATION        executed later, with on event: delivered later
  delayReply DURATION   executed at once, answered later
  refuse CODE           answered with that error, not executed; also message TEXT
  throttle              refused as over the shadow manager's rate limit
  drop                  not executed, the connection ends
  dropReply             executed, the connection ends before the reply
  silence               executed, never answered
  reorder [DURATION]    the reply, or with on event the event, comes after the next
                        one, or after the duration (1s)
  redeliver             executed twice
  duplicate             an event comes twice
  lose                  an event does not come
  restart [DURATION]    the core goes away (1s); the request is lost
  notReady [DURATION]   the shadow manager's database is closed (1s)

Conditions:
  component PATTERN     who asks, "*" for any characters
  match PATTERN         THING, THING/SHADOW or topic that it is about
  skip NUMBER           that many pass first
  times NUMBER          faults before the rule is spent
  probability NUMBER    above 0 to 1`

func faultCommand(env Env) *cobra.Command {
	add := &cobra.Command{Use: "add RULE...", Short: "put a rule in force", Long: faultText, Args: command.Arguments(1, -1, "a RULE")}
	add.RunE = command.Ends(func(ctx context.Context, args []string) int { return addFault(ctx, env, args) })

	list := &cobra.Command{
		Use: "list", Short: "show the rules in force, and what they have done", Args: command.Nothing,
		Long: "shadowctl fault list shows the rules in force: on how many requests or events each was\ntried, and how many faults it has made.",
	}
	asJSON := list.Flags().Bool("json", false, "print JSON")
	list.RunE = command.Ends(func(ctx context.Context, _ []string) int { return listFaults(ctx, env, *asJSON) })

	remove := &cobra.Command{
		Use: "clear [NUMBER...]", Short: "end rules, all without a number", Args: cobra.ArbitraryArgs,
		Long: "shadowctl fault clear ends the rules with these numbers, or all.",
	}
	remove.RunE = command.Ends(func(ctx context.Context, args []string) int { return clearFaults(ctx, env, args) })
	return command.Group("fault", "have the core device fail on purpose", "shadowctl fault has the running core device fail on purpose.", add, list, remove)
}

// readFaults reads a fault script; without a file it is empty.
func readFaults(file string) (faults.Script, error) {
	if file == "" {
		return faults.Script{}, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return faults.Script{}, err
	}
	script, err := faults.Parse(text)
	if err != nil {
		return script, errors.Join(errors.New(file+":"), err)
	}
	return script, nil
}

func addFault(ctx context.Context, env Env, args []string) int {
	rule, err := faults.ParseRule(faults.Join(args))
	if err != nil {
		printable.Fprintf(env.Stderr, "shadowctl fault add: wrong rule:\n%v\n", err)
		return command.Usage
	}
	added, err := env.control().AddFault(ctx, rule.String())
	if err != nil {
		return fail(env, err)
	}
	printable.Fprintf(env.Stdout, "rule %d: %s\n", added.ID, added.Rule)
	return command.OK
}

func listFaults(ctx context.Context, env Env, asJSON bool) int {
	list, err := env.control().Faults(ctx)
	if err != nil {
		return fail(env, err)
	}
	if asJSON {
		return printJSON(env, list)
	}
	w := printable.NewTable(env.Stdout, 3)
	w.Row("NUMBER", "MATCHED", "FAULTS", "RULE")
	for _, r := range list.Rules {
		w.Row(r.ID, r.Matched, r.Faults, r.Rule)
	}
	w.Flush()
	printable.Fprintf(env.Stdout, "seed %d\n", list.Seed)
	return command.OK
}

func clearFaults(ctx context.Context, env Env, args []string) int {
	var ids []int
	for _, arg := range args {
		id, err := strconv.ParseUint(arg, 10, 31)
		if err != nil {
			printable.Fprintf(env.Stderr, "shadowctl fault clear: want the number of a rule, got %q\n", arg)
			return command.Usage
		}
		ids = append(ids, int(id))
	}
	n, err := env.control().ClearFaults(ctx, ids...)
	if err != nil {
		return fail(env, err)
	}
	printable.Fprintf(env.Stdout, "rules cleared: %d\n", n)
	return command.OK
}
