package ctl

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"text/tabwriter"

	"github.com/shadowgpio/shadowgpio/component/internal/command"
	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
)

const faultText = `shadowctl fault add RULE… has the running core device fail on purpose. A RULE is
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

func faultCommands(ctx context.Context, env Env) int {
	return command.Set{
		Program: "shadowctl fault",
		About:   "shadowctl fault has the running core device fail on purpose.",
		Commands: []command.Command{
			{Name: "add", Args: "RULE…", Summary: "put a rule in force", Run: env.with(addFault)},
			{Name: "list", Summary: "show the rules in force, and what they have done", Run: env.with(listFaults)},
			{Name: "clear", Args: "[NUMBER…]", Summary: "end rules, all without a number", Run: env.with(clearFaults)},
		},
	}.Run(ctx, env.Args, env.Stdout, env.Stderr)
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
		return script, fmt.Errorf("%s:\n%w", file, err)
	}
	return script, nil
}

func addFault(ctx context.Context, env Env) int {
	o := newOptions(env, "fault add", faultText)
	if code, done := o.parse(env.Args, 1, -1); done {
		return code
	}
	rule, err := faults.ParseRule(faults.Join(o.args))
	if err != nil {
		fmt.Fprintf(env.Stderr, "shadowctl fault add: wrong rule:\n%v\n", err)
		return command.Usage
	}
	var added faultRule
	if err := o.place().ask(ctx, http.MethodPost, "/faults", faultRule{Rule: rule.String()}, &added); err != nil {
		return fail(env, err)
	}
	fmt.Fprintf(env.Stdout, "rule %d: %s\n", added.ID, added.Rule)
	return command.OK
}

func listFaults(ctx context.Context, env Env) int {
	o := newOptions(env, "fault list", "shadowctl fault list shows the rules in force: on how many requests or events each was\ntried, and how many faults it has made.")
	asJSON := o.Bool("json", false, "print JSON")
	if code, done := o.parse(env.Args, 0, 0); done {
		return code
	}
	var list faultList
	if err := o.place().ask(ctx, http.MethodGet, "/faults", nothing{}, &list); err != nil {
		return fail(env, err)
	}
	if *asJSON {
		return printJSON(env, list)
	}
	w := tabwriter.NewWriter(env.Stdout, 2, 0, 3, ' ', 0)
	fmt.Fprintln(w, "NUMBER\tMATCHED\tFAULTS\tRULE")
	for _, r := range list.Rules {
		fmt.Fprintf(w, "%d\t%d\t%d\t%s\n", r.ID, r.Matched, r.Faults, r.Rule)
	}
	w.Flush()
	fmt.Fprintf(env.Stdout, "seed %d\n", list.Seed)
	return command.OK
}

func clearFaults(ctx context.Context, env Env) int {
	o := newOptions(env, "fault clear", "shadowctl fault clear [NUMBER…] ends the rules with these numbers, or all.")
	if code, done := o.parse(env.Args, 0, -1); done {
		return code
	}
	query := url.Values{}
	for _, arg := range o.args {
		if _, err := strconv.ParseUint(arg, 10, 31); err != nil {
			fmt.Fprintf(env.Stderr, "shadowctl fault clear: want the number of a rule, got %q\n", arg)
			return command.Usage
		}
		query.Add("id", arg)
	}
	var cleared faultsCleared
	if err := o.place().ask(ctx, http.MethodDelete, "/faults?"+query.Encode(), nothing{}, &cleared); err != nil {
		return fail(env, err)
	}
	fmt.Fprintf(env.Stdout, "rules cleared: %d\n", cleared.Cleared)
	return command.OK
}

// printJSON prints a value for programs.
func printJSON(env Env, value any) int {
	encoder := json.NewEncoder(env.Stdout)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return fail(env, err)
	}
	return command.OK
}
