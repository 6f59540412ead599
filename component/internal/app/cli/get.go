package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/app/client"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
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
		if err := printable.IndentJSON(env.Stdout, payload, "  "); err != nil {
			return fail(env, err)
		}
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
	printable.Fprintf(env.Stdout, "shadow %v, version %d\n", id, doc.Version)
	w := printable.NewTable(env.Stdout, 3)
	w.Row("PROPERTY", "DESIRED", "REPORTED", "ANSWER")
	for _, key := range client.Properties(doc) {
		w.Row(key, client.Cell(doc.Desired, key), client.Cell(doc.Reported, key), showAck(doc, key))
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
	return text
}
