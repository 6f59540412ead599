package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/preflight"
)

const checkText = `shadowgpio check FILE names every fault of a configuration at once. It touches no line.
FILE (- is standard input) is YAML or JSON, and one of these, recognised by its keys:
  a configuration
  a recipe: its default configuration is checked
  a deployment, of the cloud or of greengrass-cli (--update-config): the configuration
    that it leads to is checked; name what was before with --onto and --recipe
Exit code 0: no fault; 1: lines cannot be had on this machine (--chips); 2: faults.`

func checkCommand(env Env) *cobra.Command {
	c := &cobra.Command{
		Use: "check FILE", Short: "name every fault of a configuration, recipe or deployment, without touching a line", Long: checkText,
		Example: `  shadowgpio check lamp.yaml
  shadowgpio check lamp.yaml --chips
  shadowgpio check deployment.json --onto present.yaml
  shadowgpio check - < lamp.yaml`,
	}
	fs := c.Flags()
	file := fs.String("config", "", "the `FILE`, if it is no argument")
	as := fs.String("as", "", "take it for a `KIND`: configuration, recipe or deployment")
	component := fs.String("component", preflight.ComponentName, "`NAME` of the component in a deployment")
	onto := fs.String("onto", "", "`FILE` with the configuration in force before a deployment")
	recipe := fs.String("recipe", "", "`FILE` with the recipe whose defaults a deployment fills in")
	chips := fs.Bool("chips", false, "look the lines up on the chips of this machine, too")
	asJSON := fs.Bool("json", false, "print JSON")
	c.RegisterFlagCompletionFunc("as", cobra.FixedCompletions([]string{"configuration", "recipe", "deployment"}, cobra.ShellCompDirectiveNoFileComp))
	c.Args = func(_ *cobra.Command, args []string) error {
		if *file != "" {
			args = append(args, *file)
		}
		if len(args) != 1 {
			return fmt.Errorf("want one FILE, got %d", len(args))
		}
		return nil
	}
	c.RunE = command.Ends(func(_ context.Context, args []string) int {
		o := checkOptions{as: *as, component: *component, onto: *onto, recipe: *recipe, chips: *chips, json: *asJSON, file: *file}
		if len(args) > 0 {
			o.file = args[0]
		}
		return check(env, o)
	})
	return c
}

type checkOptions struct {
	file, as, component, onto, recipe string
	chips, json                       bool
}

func check(env Env, o checkOptions) int {
	document, err := readInput(o.file)
	present, err2 := readInput(o.onto)
	defaults, err3 := readInput(o.recipe)
	if err := errors.Join(err, err2, err3); err != nil {
		printable.Fprintln(env.Stderr, err)
		return command.Usage
	}
	report, err := preflight.Judge(preflight.Question{
		Document: document, As: preflight.Kind(o.as), Component: o.component, Present: present, Recipe: defaults,
		// On a desk no nucleus names the core device; any name shows the same faults.
		Thing: cmp.Or(thingName(env.Getenv), "core-device"),
	})
	if err != nil {
		printable.Fprintf(env.Stderr, "%s: %v\n", o.file, err)
		return command.Usage
	}
	outcome := checked{File: o.file, Report: report}
	if o.chips && report.Config != nil {
		outcome.Lines, err = preflight.Lines(report.Config, env.Backend())
		if err != nil {
			outcome.ChipError = err.Error()
		}
	}
	if o.json {
		printJSON(env, outcome)
	} else {
		outcome.print(env)
	}
	return outcome.code()
}

// readInput reads a file, or standard input for "-", or nothing for "".
func readInput(file string) ([]byte, error) {
	switch file {
	case "":
		return nil, nil
	case "-":
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(file)
}

// checked is the outcome, as --json prints it.
type checked struct {
	File string `json:"file"`
	*preflight.Report
	Lines     []preflight.Line `json:"lines,omitempty"`
	ChipError string           `json:"chipError,omitempty"` // chips that cannot be looked at
}

func (c checked) code() int {
	switch {
	case len(c.Faults) > 0:
		return command.Usage
	case c.ChipError != "" || c.problems() > 0:
		return command.Failure
	}
	return command.OK
}

func (c checked) problems() (n int) {
	for _, l := range c.Lines {
		if l.Problem != "" {
			n++
		}
	}
	return n
}

// print tells faults on standard error, everything else on standard output.
func (c checked) print(env Env) {
	of := map[preflight.Kind]string{
		preflight.Recipe:     ", default configuration of a recipe",
		preflight.Deployment: ", configuration after the deployment",
	}[c.Kind]
	if len(c.Faults) > 0 {
		printable.Fprintf(env.Stderr, "%s%s:\n", c.File, of)
		for _, fault := range c.Faults {
			printable.Fprintln(env.Stderr, fault)
		}
		return
	}
	printable.Fprintf(env.Stdout, "%s is valid: %d lines, %d shadows%s\n", c.File, len(c.Config.Lines), len(c.Config.Shadows), of)
	for _, note := range c.Notes {
		printable.Fprintln(env.Stdout, "note:", note)
	}
	if len(c.Lines) > 0 {
		c.printLines(env)
	}
	if c.ChipError != "" {
		printable.Fprintln(env.Stderr, c.ChipError)
	}
	if n := c.problems(); n > 0 {
		printable.Fprintf(env.Stderr, "%d of %d lines cannot be had on this machine\n", n, len(c.Lines))
	}
}

func (c checked) printLines(env Env) {
	w := printable.NewTable(env.Stdout, 2)
	defer w.Flush()
	w.Row("LABEL", "LINE", "DIRECTION", "CHIP", "OFFSET", "STATE")
	for _, l := range c.Lines {
		chip, offset := "-", "-"
		if l.Chip != "" {
			chip, offset = l.Chip, fmt.Sprint(l.Offset)
		}
		w.Row(l.Label, l.Line, l.Direction, chip, offset, l.State())
	}
}

// readConfig reads a configuration file; thing is the core device.
func readConfig(file, thing string) (*config.Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	cfg, err := config.Parse(text, thing)
	if err != nil {
		return nil, errors.Join(errors.New(file+":"), err)
	}
	return cfg, nil
}

// thingName is the core device's thing name as the nucleus gives it.
func thingName(getenv func(string) string) string { return getenv("AWS_IOT_THING_NAME") }
