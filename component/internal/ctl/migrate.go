package ctl

import (
	"context"
	"fmt"
	"os"

	"github.com/shadowgpio/shadowgpio/component/internal/command"
	"github.com/shadowgpio/shadowgpio/component/internal/migrate"
)

const migrateText = `shadowctl migrate FILE prints the configuration that replaces the Raspberry Pi GPIO connector
of Greengrass V1. FILE has the connector's parameters, or its connector definition, as JSON or YAML.
Comments say what has no counterpart. Exit code 2 if the parameters are faulty.`

func migrateConnector(_ context.Context, env Env) int {
	o := newOptions(env, "migrate", migrateText)
	if code, done := o.parse(env.Args, 1, 1); done {
		return code
	}
	document, err := os.ReadFile(o.args[0])
	if err != nil {
		return fail(env, err)
	}
	text, err := migrate.Convert(document)
	if err != nil {
		fmt.Fprintf(env.Stderr, "%s:\n%v\n", o.args[0], err)
		return command.Usage
	}
	env.Stdout.Write(text)
	return command.OK
}
