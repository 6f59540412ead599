package cli

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/app/migrate"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

const migrateText = `shadowctl migrate prints the configuration that replaces the Raspberry Pi GPIO connector
of Greengrass V1. FILE has the connector's parameters, or its connector definition, as JSON or YAML.
Comments say what has no counterpart.

Exit codes: 0; 1 failed; 2 wrong usage, or faulty parameters.`

func migrateCommand(env Env) *cobra.Command {
	return &cobra.Command{
		Use: "migrate FILE", Short: "make a configuration of the Raspberry Pi GPIO connector's parameters (Greengrass V1)",
		Long: migrateText, Args: command.Arguments(1, 1, "one FILE"),
		RunE: command.Ends(func(_ context.Context, args []string) int { return migrateConnector(env, args[0]) }),
	}
}

func migrateConnector(env Env, file string) int {
	document, err := os.ReadFile(file)
	if err != nil {
		return fail(env, err)
	}
	text, err := migrate.Convert(document)
	if err != nil {
		printable.Fprintf(env.Stderr, "%s:\n%v\n", file, err)
		return command.Usage
	}
	printable.Fprintf(env.Stdout, "%s", printable.Lines(string(text)))
	return command.OK
}
