package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/control"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/journal"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

const statusText = `shadowgpio status tells what the component that runs here is doing: lines, with what
was demanded of them and why; shadows, and whether they are in step; properties, with
what is desired and how that was answered; faults; the connection to the nucleus.

An answer is CODE@VERSION: 200 done, 202 under way, 400 refused, 404 no such property,
409 interlock, 500 line failed; of the document with that version.
Exit codes: 0; 1 failed; 2 wrong usage; 5 no component runs here.`

func statusCommand(env Env) *cobra.Command {
	c := &cobra.Command{
		Use: "status", Short: "tell what the component that runs here is doing", Long: statusText, Args: command.Nothing,
		Example: `  sudo shadowgpio status
  sudo shadowgpio status --journal 20
  sudo shadowgpio status --json`,
	}
	socket := socketFlag(c, env)
	asJSON := c.Flags().Bool("json", false, "print JSON")
	last := c.Flags().Int("journal", 0, "the last `N` changes of outputs as well, at most 1000")
	c.RunE = command.Ends(func(context.Context, []string) int { return status(env, *socket, *asJSON, *last) })
	return c
}

func status(env Env, socket string, asJSON bool, last int) int {
	if last < 0 || last > journal.Kept {
		printable.Fprintf(env.Stderr, "shadowgpio status: --journal: want 0 to %d, got %d\n", journal.Kept, last)
		return command.Usage
	}
	client, code := dial(env, "status", socket)
	if code != command.OK {
		return code
	}
	defer client.Close()
	now, err := client.Status()
	if err != nil {
		return failed(env, "status", err)
	}
	var entries []journal.Entry
	if last > 0 {
		if entries, err = client.Journal(last); err != nil {
			return failed(env, "status", err)
		}
	}
	if asJSON {
		printJSON(env, struct {
			control.Status
			Journal []journal.Entry `json:"journal,omitempty"`
		}{now, entries})
		return command.OK
	}
	paint := painter(coloured(env))
	printStatus(env.Stdout, paint, now)
	if last > 0 {
		printJournal(env.Stdout, now.At, entries)
	}
	return command.OK
}

func printStatus(w io.Writer, paint painter, s control.Status) {
	state := "running"
	if s.Stopped {
		state = "stopping"
	}
	printable.Fprintf(w, "shadowgpio %s, %s since %s, process %d\n", s.Version, state, when(s.At, s.Since), s.PID)
	nucleus := s.Nucleus.State
	if s.Nucleus.Since != nil {
		nucleus += " since " + when(s.At, *s.Nucleus.Since)
	}
	if s.Nucleus.Error != "" {
		nucleus += ": " + s.Nucleus.Error
	}
	printable.Fprintf(w, "nucleus: %s\n", paint.badIf(s.Nucleus.Error != "", nucleus))
	if len(s.Held) > 0 {
		printable.Fprintf(w, "held over a restart: %s\n", strings.Join(s.Held, ", "))
	}
	if s.Refused != "" {
		printable.Fprintf(w, "%s\n", paint.bad("the latest configuration is not in force: "+s.Refused))
	}
	for _, what := range slices.Sorted(maps.Keys(s.Disk)) {
		printable.Fprintf(w, "%s\n", paint.bad("disk: "+what+" "+s.Disk[what]))
	}
	if s.JournalDropped > 0 {
		printable.Fprintf(w, "%s\n", paint.bad(fmt.Sprintf("journal: %d changes not on disk, since it did not keep up", s.JournalDropped)))
	}
	if s.LogDropped > 0 {
		printable.Fprintf(w, "%s\n", paint.bad(fmt.Sprintf("log: %d lines dropped, since nobody read them", s.LogDropped)))
	}
	printLineViews(w, paint, s)
	printShadowViews(w, paint, s)
	printProperties(w, paint, s)
}

func printLineViews(w io.Writer, paint painter, s control.Status) {
	if len(s.Lines) == 0 {
		printable.Fprintln(w, "no lines")
		return
	}
	printable.Fprintln(w)
	table := printable.NewTable(w, 2)
	table.Row("LINE", "DIRECTION", "VALUE", "DEMAND", "SINCE", "WHY")
	for _, label := range slices.Sorted(maps.Keys(s.Lines)) {
		l := s.Lines[label]
		since, why := "-", printable.Safe("-")
		if l.Since != nil {
			since = when(s.At, *l.Since)
		}
		if l.Cause != nil {
			why = printable.Text(l.Cause.String())
		}
		switch {
		case l.Fault != "":
			why = paint.bad("fault: " + l.Fault)
		case l.Waiting != "":
			why += ", " + paint.wait("waits: "+l.Waiting)
		}
		table.Row(label, l.Direction, cmp.Or(l.Value, "?"), cmp.Or(l.Demand, "-"), since, why)
	}
	table.Flush()
}

func printShadowViews(w io.Writer, paint painter, s control.Status) {
	if len(s.Shadows) == 0 {
		printable.Fprintln(w, "no shadows")
		return
	}
	printable.Fprintln(w)
	table := printable.NewTable(w, 2)
	table.Row("SHADOW", "THING", "NAME", "VERSION", "SYNC")
	for _, label := range slices.Sorted(maps.Keys(s.Shadows)) {
		v := s.Shadows[label]
		sync := paint.badIf(v.Warning != "", cmp.Or(v.Warning, v.Sync))
		table.Row(label, v.Thing, cmp.Or(v.Name, "(classic)"), v.Version, sync)
	}
	table.Flush()
}

func printProperties(w io.Writer, paint painter, s control.Status) {
	printable.Fprintln(w)
	table := printable.NewTable(w, 2)
	table.Row("PROPERTY", "VALUE", "DESIRED", "KIND", "LINE", "ANSWER")
	for _, shadow := range slices.Sorted(maps.Keys(s.Shadows)) {
		for _, key := range slices.Sorted(maps.Keys(s.Shadows[shadow].Properties)) {
			p := s.Shadows[shadow].Properties[key]
			text := printable.Text(answer(p))
			switch {
			case p.Fault != "":
				text = paint.bad("fault: " + p.Fault)
			case p.Ack == nil:
			case p.Ack.Code >= 400:
				text = paint.bad(answer(p))
			case p.Ack.Code == 202:
				text = paint.wait(answer(p))
			}
			if p.Pending {
				text += " " + paint.wait("(not in the shadow yet)")
			}
			table.Row(shadow+"/"+key, measured(p), plain(p.Desired), cmp.Or(p.Kind, "-"), cmp.Or(p.Line, "-"), text)
		}
	}
	table.Flush()
}

func printJournal(w io.Writer, now time.Time, entries []journal.Entry) {
	printable.Fprintln(w)
	table := printable.NewTable(w, 2)
	table.Row("TIME", "LINE", "VALUE", "WHY")
	for _, e := range entries {
		table.Row(when(now, e.At), e.Line, onOff(e.On), e.Cause)
	}
	table.Flush()
}

func onOff(on bool) string { return map[bool]string{false: "off", true: "on"}[on] }

// when is a time in the local zone: of today without the day.
func when(now, at time.Time) string {
	at = at.Local()
	if at.Format(time.DateOnly) == now.Local().Format(time.DateOnly) {
		return at.Format("15:04:05.000")
	}
	return at.Format("2006-01-02 15:04:05")
}

// painter colours, or does not.
type painter bool

func (p painter) bad(text string) printable.Safe  { return p.with(printable.Red, text) }
func (p painter) wait(text string) printable.Safe { return p.with(printable.Yellow, text) }

func (p painter) badIf(bad bool, text string) printable.Safe {
	if bad {
		return p.bad(text)
	}
	return printable.Text(text)
}

func (p painter) with(colour int, text string) printable.Safe {
	if !p {
		return printable.Text(text)
	}
	return printable.Colored(colour, printable.Text(text))
}
