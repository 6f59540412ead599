package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"

	"github.com/shadowgpio/shadowgpio/component/internal/command"
	"github.com/shadowgpio/shadowgpio/component/internal/config"
)

func check(_ context.Context, env Env) int {
	fs := flags(env, "check", "shadowgpio check --config FILE names every fault of a configuration at once. It touches no line.")
	file := fs.String("config", "", "configuration `FILE` (YAML or JSON)")
	if code, done := parse(fs, env.Args); done {
		return code
	}
	if *file == "" {
		fmt.Fprintln(env.Stderr, "shadowgpio check: want --config FILE")
		return command.Usage
	}
	// On a desk no nucleus names the core device; any name shows the same faults.
	cfg, err := readConfig(*file, cmp.Or(thingName(env.Getenv), "core-device"))
	if err != nil {
		fmt.Fprintln(env.Stderr, err)
		return command.Usage
	}
	fmt.Fprintf(env.Stdout, "%s is valid: %d lines, %d shadows\n", *file, len(cfg.Lines), len(cfg.Shadows))
	return command.OK
}

// readConfig reads a configuration file; thing is the core device.
func readConfig(file, thing string) (*config.Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	cfg, err := config.Parse(text, thing)
	if err != nil {
		return nil, fmt.Errorf("%s:\n%w", file, err)
	}
	return cfg, nil
}

// thingName is the core device's thing name as the nucleus gives it.
func thingName(getenv func(string) string) string { return getenv("AWS_IOT_THING_NAME") }
