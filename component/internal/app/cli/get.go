package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/app/client"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

const getText = `shadowctl get shows a shadow: what is desired, what is reported, and what the device
answers. The version of an answer is that of the device's own document.

Exit codes: 0; 1 failed; 2 wrong usage.` + reachText

func getCommand(env Env) *cobra.Command {
	c := &cobra.Command{
		Use: "get", Short: "show a shadow", Long: getText, Args: command.Nothing,
		Example: `  shadowctl get
  shadowctl get --thing pump-7 --shadow host --json
  shadowctl get --thing pump-7 --profile production`,
	}
	r, id := reachFlags(c, env), shadowFlags(c)
	asJSON := c.Flags().Bool("json", false, "print the whole document as JSON")
	c.RunE = command.Ends(func(ctx context.Context, _ []string) int {
		s, err := r.openShadow(ctx, id)
		if err != nil {
			return fail(env, err)
		}
		defer s.Close()
		return get(ctx, env, s, *id, *asJSON)
	})
	return c
}

func get(ctx context.Context, env Env, s client.Service, id shadow.ID, asJSON bool) int {
	payload, err := s.Get(ctx, id)
	if err != nil {
		return fail(env, err)
	}
	if asJSON {
		var indented bytes.Buffer
		if err := json.Indent(&indented, payload, "", "  "); err != nil {
			return fail(env, err)
		}
		fmt.Fprintln(env.Stdout, indented.String())
		return command.OK
	}
	doc, err := shadow.ParseDocument(payload)
	if err != nil {
		return fail(env, err)
	}
	printDocument(env, id, doc)
	return command.OK
}

func printDocument(env Env, id shadow.ID, doc shadow.Document) {
	fmt.Fprintf(env.Stdout, "shadow %v, version %d\n", id, doc.Version)
	w := tabwriter.NewWriter(env.Stdout, 2, 0, 3, ' ', 0)
	fmt.Fprintln(w, "PROPERTY\tDESIRED\tREPORTED\tANSWER")
	for _, key := range client.Properties(doc) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", client.Printable(key), client.Cell(doc.Desired, key), client.Cell(doc.Reported, key), showAck(doc, key))
	}
	w.Flush()
}

func showAck(doc shadow.Document, key string) string {
	ack, ok := client.AckOf(doc, key)
	if !ok {
		return "-"
	}
	text := fmt.Sprintf("%d at version %d", ack.Code, ack.Version)
	if ack.Reason != "" {
		text += ": " + ack.Reason
	}
	return client.Printable(text)
}
