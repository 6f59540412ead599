package ctl

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/command"
)

const deleteText = `shadowctl delete deletes a shadow. A device that reports into it creates it again, with
its present state.

Exit codes: 0; 1 failed; 2 wrong usage.` + reachText

func deleteCommand(env Env) *cobra.Command {
	c := &cobra.Command{Use: "delete", Short: "delete a shadow", Long: deleteText, Args: command.Nothing}
	r, id := reachFlags(c, env), shadowFlags(c)
	c.RunE = command.Ends(func(ctx context.Context, _ []string) int {
		s, err := r.openShadow(ctx, id)
		if err != nil {
			return fail(env, err)
		}
		defer s.Close()
		if err := s.Delete(ctx, *id); err != nil {
			return fail(env, err)
		}
		fmt.Fprintf(env.Stdout, "shadow %v deleted\n", *id)
		return command.OK
	})
	return c
}
