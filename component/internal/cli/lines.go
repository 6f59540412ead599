package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/shadowgpio/shadowgpio/component/internal/command"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// chipLines is one chip with its lines, as --json prints it.
type chipLines struct {
	gpio.ChipInfo
	Lines []gpio.LineInfo `json:"lines"`
}

func lines(_ context.Context, env Env) int {
	fs := flags(env, "lines", "shadowgpio lines lists the GPIO lines of this machine, and who holds them.")
	asJSON := fs.Bool("json", false, "print JSON")
	if code, done := parse(fs, env.Args); done {
		return code
	}
	backend := env.Backend()
	code := command.OK
	chips, err := backend.Chips()
	if err != nil {
		fmt.Fprintln(env.Stderr, err)
		code = command.Failure
	}
	all := []chipLines{}
	for _, chip := range chips {
		infos, err := backend.LineInfos(chip.Path)
		if err != nil {
			fmt.Fprintln(env.Stderr, err)
			code = command.Failure
			continue
		}
		all = append(all, chipLines{chip, infos})
	}
	if *asJSON {
		encoder := json.NewEncoder(env.Stdout)
		encoder.SetIndent("", "  ")
		encoder.Encode(all)
		return code
	}
	printLines(env, all)
	return code
}

func printLines(env Env, chips []chipLines) {
	if len(chips) == 0 {
		fmt.Fprintln(env.Stdout, "no GPIO chips")
		return
	}
	w := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	defer w.Flush()
	fmt.Fprintln(w, "CHIP\tLABEL\tOFFSET\tNAME\tDIRECTION\tHELD BY")
	for _, c := range chips {
		for _, l := range c.Lines {
			holder := "-"
			if l.Used {
				holder = cmp.Or(l.Consumer, "(unnamed)")
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%v\t%s\n", c.Name, c.Label, l.Offset, cmp.Or(l.Name, "-"), l.Direction, holder)
		}
	}
}
