package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/control"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/preflight"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// chipLines is one chip with its lines, as --json prints it.
type chipLines struct {
	gpio.ChipInfo
	Lines []lineRow `json:"lines"`
}

// lineRow is one line, with what the configuration makes of it.
type lineRow struct {
	gpio.LineInfo
	Label  string `json:"label,omitempty"`  // in the configuration
	Value  string `json:"value,omitempty"`  // on or off, as the configuration sees it
	Level  string `json:"level,omitempty"`  // high or low, of a line that nobody holds
	Demand string `json:"demand,omitempty"` // what an output is to be
	Fault  string `json:"fault,omitempty"`
}

const linesText = `shadowgpio lines lists the GPIO lines of this machine, and who holds them. With a
configuration, or a component that runs here, it also tells what that makes of each
line; with --levels, what the lines read that nobody holds (this requests each for a
moment as an input, as it is).`

func linesCommand(env Env) *cobra.Command {
	c := &cobra.Command{
		Use: "lines", Short: "list chips and lines, who holds them, and what the configuration makes of them", Long: linesText, Args: command.Nothing,
		Example: `  shadowgpio lines
  shadowgpio lines --config lamp.yaml --levels
  shadowgpio lines --json`,
	}
	var o linesOptions
	c.Flags().BoolVar(&o.json, "json", false, "print JSON")
	c.Flags().StringVar(&o.config, "config", "", "configuration `FILE`, instead of that of the running component")
	c.Flags().BoolVar(&o.levels, "levels", false, "read the lines that nobody holds")
	c.MarkFlagFilename("config", "yaml", "yml", "json")
	socket := socketFlag(c, env)
	c.RunE = command.Ends(func(context.Context, []string) int { o.socket = *socket; return listLines(env, o) })
	return c
}

type linesOptions struct {
	json, levels   bool
	config, socket string
}

func listLines(env Env, o linesOptions) int {
	backend := env.Backend()
	ours, err := configured(env, o, backend)
	if err != nil {
		printable.Fprintln(env.Stderr, err)
		return command.Usage
	}
	code := command.OK
	chips, err := backend.Chips()
	if err != nil {
		printable.Fprintln(env.Stderr, err)
		code = command.Failure
	}
	all := []chipLines{}
	for _, chip := range chips {
		infos, err := backend.LineInfos(chip.Path)
		if err != nil {
			printable.Fprintln(env.Stderr, err)
			code = command.Failure
			continue
		}
		rows := []lineRow{}
		for _, info := range infos {
			row := ours.row(chip, info)
			if o.levels && !info.Used {
				row.Level, err = level(backend, chip, info)
				if err != nil {
					printable.Fprintln(env.Stderr, err)
					code = command.Failure
				}
			}
			rows = append(rows, row)
		}
		all = append(all, chipLines{chip, rows})
	}
	if o.json {
		printJSON(env, all)
	} else {
		printLines(env, all, ours.known(), o.levels)
	}
	return code
}

// consumer begins the name under which the component holds a line; its label follows.
const consumer = "shadowgpio "

// ourLines is what is known of our lines. Places are a chip and an offset.
type ourLines struct {
	labels map[string]string          // by place, of a configuration file
	views  map[string]engine.LineView // by label, of the component that runs; nil for none
	places map[string]string          // labels of the component that runs, by place
}

func (o ourLines) known() bool { return o.views != nil || len(o.labels) > 0 }

// configured asks the configuration file, if one is given, or else the component
// that runs, if one does.
func configured(env Env, o linesOptions, backend gpio.Backend) (ourLines, error) {
	ours := ourLines{labels: map[string]string{}}
	if o.config != "" {
		cfg, err := readConfig(o.config, cmp.Or(thingName(env.Getenv), "core-device"))
		if err != nil {
			return ours, err
		}
		found, _ := preflight.Lines(cfg, backend) // chips that cannot be looked at are told below
		for _, l := range found {
			if l.Chip != "" {
				ours.labels[place(l.Chip, l.Offset)] = l.Label
			}
		}
	}
	if client, err := control.Dial(o.socket); err == nil {
		defer client.Close()
		if status, err := client.Status(); err == nil {
			ours.views, ours.places = status.Lines, map[string]string{}
			for label, view := range status.Lines {
				found, err := gpio.Find(backend, gpio.Ref{Chip: view.Chip, Line: view.Line})
				if err == nil { // a line that is missing is in no row
					ours.places[place(found.Chip.Name, found.Line.Offset)] = label
				}
			}
		}
	}
	return ours, nil
}

func place(chip string, offset int) string { return fmt.Sprint(chip, " ", offset) }

// row does not go by the label in the consumer's name: a line that got another label
// since it was requested is held under the one before.
func (o ourLines) row(chip gpio.ChipInfo, info gpio.LineInfo) lineRow {
	at := place(chip.Name, info.Offset)
	row := lineRow{LineInfo: info, Label: o.labels[at]}
	if label, running := o.places[at]; running && strings.HasPrefix(info.Consumer, consumer) {
		view := o.views[label]
		row.Label, row.Value, row.Demand, row.Fault = label, view.Value, view.Demand, view.Fault
	}
	return row
}

// level reads a line that nobody holds, as it is.
func level(backend gpio.Backend, chip gpio.ChipInfo, info gpio.LineInfo) (string, error) {
	request, err := backend.Request(chip.Path, consumer+"lines", []gpio.LineConfig{{Offset: info.Offset, Direction: gpio.AsIs}})
	if err != nil {
		return "", err
	}
	defer request.Close()
	values, err := request.Values()
	if err != nil {
		return "", err
	}
	return map[bool]string{false: "low", true: "high"}[values[0]], nil
}

func printLines(env Env, chips []chipLines, ours, levels bool) {
	if len(chips) == 0 {
		printable.Fprintln(env.Stdout, "no GPIO chips")
		return
	}
	w := printable.NewTable(env.Stdout, 2)
	defer w.Flush()
	header := []any{"CHIP", "LABEL", "OFFSET", "NAME", "DIRECTION", "HELD BY"}
	if ours {
		header = append(header, "CONFIGURED AS", "VALUE")
	}
	if levels {
		header = append(header, "LEVEL")
	}
	w.Row(header...)
	for _, c := range chips {
		for _, l := range c.Lines {
			holder := "-"
			if l.Used {
				holder = cmp.Or(l.Consumer, "(unnamed)")
			}
			cells := []any{c.Name, c.Label, l.Offset, cmp.Or(l.Name, "-"), l.Direction, holder}
			if ours {
				cells = append(cells, cmp.Or(l.Label, "-"), cmp.Or(l.Value, "-"))
			}
			if levels {
				cells = append(cells, cmp.Or(l.Level, "-"))
			}
			w.Row(cells...)
		}
	}
}
