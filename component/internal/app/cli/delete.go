package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

const deleteText = `shadowctl delete deletes a shadow. A device that reports into it creates it again, with
its present state.

Exit codes: 0; 1 failed; 2 wrong usage.` + reachText

// deletedShadow is what delete has done, as --json prints it.
type deletedShadow struct {
	Thing  string `json:"thing"`
	Shadow string `json:"shadow,omitempty"`
}

func deleteCommand(env Env) *cobra.Command {
	c := &cobra.Command{Use: "delete", Short: "delete a shadow", Long: deleteText, Args: command.Nothing}
	r, id := reachFlags(c, env), shadowFlags(c)
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = command.Ends(func(ctx context.Context, _ []string) int {
		s, err := r.openShadow(ctx, id)
		if err != nil {
			return fail(env, err)
		}
		defer s.Close()
		if err := s.Delete(ctx, *id); err != nil {
			return fail(env, err)
		}
		if *asJSON {
			return printJSON(env, deletedShadow{id.Thing, id.Name})
		}
		printable.Fprintf(env.Stdout, "shadow %v deleted\n", *id)
		return command.OK
	})
	return c
}
