package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/app/client"
	"github.com/shadowgpio/shadowgpio/component/internal/app/fleet"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

const fleetReportText = `shadowctl fleet report tells how far things are from what is desired of them:

  in step   what is desired is reported        refused   the device refused it, or its line failed
  waiting   desired a short while ago          differs   it was answered, and is something else now
  reported  nothing is desired                 stale     not answered for longer than --stale
                                               absent    the device has never reported

Those on the right are drift.

Exit codes: 0 no drift; 1 failed, or some things could not be asked for; 2 wrong usage; 4 drift.` + reachText

func fleetReportCommand(env Env) *cobra.Command {
	c := &cobra.Command{
		Use: "report", Short: "tell how far things are from what is desired of them", Long: fleetReportText, Args: command.Nothing,
		Example: `  shadowctl fleet report --group coffee-makers --drift
  shadowctl fleet report --file things.txt --property limit --format csv > limits.csv`,
	}
	o := fleetFlags(c, env, 20)
	selection := selectionFlags(c)
	survey := fleet.Survey{}
	c.Flags().StringVar(&survey.Shadow, "shadow", "", "`NAME` of a named shadow; the classic shadow without it")
	c.Flags().StringSliceVar(&survey.Properties, "property", nil, "only these `PROPERTIES`, divided by commas")
	c.Flags().DurationVar(&survey.Stale, "stale", 10*time.Minute, "`DURATION` after which an unanswered value is stale")
	drift := c.Flags().Bool("drift", false, "only those that are drift")
	format := c.Flags().String("format", "table", "`FORMAT`: table, json or csv")
	c.RunE = command.Ends(func(ctx context.Context, _ []string) int {
		if o.asJSON {
			*format = "json"
		}
		err := o.check()
		if !slices.Contains([]string{"table", "json", "csv"}, *format) {
			err = fmt.Errorf("--format: want table, json or csv, got %q", *format)
		}
		if err != nil {
			printable.Fprintln(env.Stderr, "shadowctl fleet report:", err)
			return command.Usage
		}
		rows, err := o.survey(ctx, survey, selection)
		if err != nil {
			return fail(env, err)
		}
		return printReport(env, rows, *drift, *format)
	})
	return c
}

func (o *fleetOptions) survey(ctx context.Context, survey fleet.Survey, selection *fleet.Selection) ([]fleet.Row, error) {
	things, err := o.find(ctx, selection)
	if err != nil {
		return nil, err
	}
	s, err := o.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	bar := o.bar(len(things), "reading shadows")
	defer bar.Finish()
	survey.Service, survey.Concurrency, survey.Asked = s, o.concurrency, func() { bar.Add(1) }
	return survey.Take(ctx, things)
}

// report is what --json prints.
type report struct {
	Count map[fleet.Standing]int `json:"count"`
	Rows  []fleet.Row            `json:"rows"`
}

func printReport(env Env, rows []fleet.Row, drift bool, format string) int {
	r := report{map[fleet.Standing]int{}, []fleet.Row{}}
	code := command.OK
	for _, row := range rows {
		r.Count[row.Standing]++
		switch {
		case row.Standing == fleet.Unknown:
			code = command.Failure
		case row.Standing.Drift() && code == command.OK:
			code = command.Refused
		}
		if !drift || row.Standing.Drift() {
			r.Rows = append(r.Rows, row)
		}
	}
	var err error
	switch format {
	case "json":
		err = command.PrintJSON(env.Stdout, r)
	case "csv":
		err = writeCSV(env.Stdout, r.Rows)
	default:
		printRows(env.Stdout, r)
	}
	if err != nil {
		return fail(env, err)
	}
	return code
}

var reportColumns = []string{"thing", "property", "standing", "desired", "reported", "since", "reason"}

// cells are a row as text.
func cells(row fleet.Row) []string {
	value := func(v any) string {
		if v == nil {
			return ""
		}
		return client.Text(v)
	}
	since := ""
	if row.Since != nil {
		since = row.Since.Format(time.RFC3339)
	}
	return []string{row.Thing, row.Property, string(row.Standing), value(row.Desired), value(row.Reported), since, row.Reason}
}

func writeCSV(w io.Writer, rows []fleet.Row) error {
	out := printable.NewCSV(w)
	out.Row(reportColumns...)
	for _, row := range rows {
		out.Row(cells(row)...)
	}
	return out.Flush()
}

func printRows(w io.Writer, r report) {
	table := printable.NewTable(w, 3)
	var header []any
	for _, name := range reportColumns {
		header = append(header, strings.ToUpper(name))
	}
	table.Row(header...)
	for _, row := range r.Rows {
		var line []any
		for _, cell := range cells(row) {
			line = append(line, cmp.Or(cell, "-"))
		}
		if row.Reason == "" {
			line = line[:len(line)-1]
		}
		table.Row(line...)
	}
	table.Flush()
	var parts []string
	for _, s := range fleet.Standings {
		if n := r.Count[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	printable.Fprintln(w, strings.Join(parts, ", "))
}
