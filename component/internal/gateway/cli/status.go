package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/control"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/journal"
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
		fmt.Fprintf(env.Stderr, "shadowgpio status: --journal: want 0 to %d, got %d\n", journal.Kept, last)
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
	fmt.Fprintf(w, "shadowgpio %s, %s since %s, process %d\n", s.Version, state, when(s.At, s.Since), s.PID)
	nucleus := s.Nucleus.State
	if s.Nucleus.Since != nil {
		nucleus += " since " + when(s.At, *s.Nucleus.Since)
	}
	if s.Nucleus.Error != "" {
		nucleus = paint.bad(nucleus + ": " + s.Nucleus.Error)
	}
	fmt.Fprintf(w, "nucleus: %s\n", nucleus)
	if len(s.Held) > 0 {
		fmt.Fprintf(w, "held over a restart: %s\n", strings.Join(s.Held, ", "))
	}
	if s.Refused != "" {
		fmt.Fprintf(w, "%s\n", paint.bad("the latest configuration is not in force: "+s.Refused))
	}
	for _, what := range slices.Sorted(maps.Keys(s.Disk)) {
		fmt.Fprintf(w, "%s\n", paint.bad("disk: "+what+" "+s.Disk[what]))
	}
	if s.JournalDropped > 0 {
		fmt.Fprintf(w, "%s\n", paint.bad(fmt.Sprintf("journal: %d changes not on disk, since it did not keep up", s.JournalDropped)))
	}
	if s.LogDropped > 0 {
		fmt.Fprintf(w, "%s\n", paint.bad(fmt.Sprintf("log: %d lines dropped, since nobody read them", s.LogDropped)))
	}
	printLineViews(w, paint, s)
	printShadowViews(w, paint, s)
	printProperties(w, paint, s)
}

func printLineViews(w io.Writer, paint painter, s control.Status) {
	if len(s.Lines) == 0 {
		fmt.Fprintln(w, "no lines")
		return
	}
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "LINE\tDIRECTION\tVALUE\tDEMAND\tSINCE\tWHY")
	for _, label := range slices.Sorted(maps.Keys(s.Lines)) {
		l := s.Lines[label]
		since, why := "-", "-"
		if l.Since != nil {
			since = when(s.At, *l.Since)
		}
		if l.Cause != nil {
			why = l.Cause.String()
		}
		// Colour is in the last cell only: it would count for the width of others.
		switch {
		case l.Fault != "":
			why = paint.bad("fault: " + l.Fault)
		case l.Waiting != "":
			why += ", " + paint.wait("waits: "+l.Waiting)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", label, l.Direction, cmp.Or(l.Value, "?"), cmp.Or(l.Demand, "-"), since, why)
	}
	table.Flush()
}

func printShadowViews(w io.Writer, paint painter, s control.Status) {
	if len(s.Shadows) == 0 {
		fmt.Fprintln(w, "no shadows")
		return
	}
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SHADOW\tTHING\tNAME\tVERSION\tSYNC")
	for _, label := range slices.Sorted(maps.Keys(s.Shadows)) {
		v := s.Shadows[label]
		sync := v.Sync
		if v.Warning != "" {
			sync = paint.bad(v.Warning)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", label, v.Thing, cmp.Or(v.Name, "(classic)"), v.Version, sync)
	}
	table.Flush()
}

func printProperties(w io.Writer, paint painter, s control.Status) {
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PROPERTY\tVALUE\tDESIRED\tKIND\tLINE\tANSWER")
	for _, shadow := range slices.Sorted(maps.Keys(s.Shadows)) {
		for _, key := range slices.Sorted(maps.Keys(s.Shadows[shadow].Properties)) {
			p := s.Shadows[shadow].Properties[key]
			text := answer(p)
			switch {
			case p.Fault != "":
				text = paint.bad("fault: " + p.Fault)
			case p.Ack == nil:
			case p.Ack.Code >= 400:
				text = paint.bad(text)
			case p.Ack.Code == 202:
				text = paint.wait(text)
			}
			if p.Pending {
				text += " " + paint.wait("(not in the shadow yet)")
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", shadow+"/"+key, measured(p), plain(p.Desired), cmp.Or(p.Kind, "-"), cmp.Or(p.Line, "-"), text)
		}
	}
	table.Flush()
}

func printJournal(w io.Writer, now time.Time, entries []journal.Entry) {
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TIME\tLINE\tVALUE\tWHY")
	for _, e := range entries {
		fmt.Fprintf(table, "%s\t%s\t%s\t%v\n", when(now, e.At), e.Line, onOff(e.On), e.Cause)
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

func (p painter) bad(text string) string  { return p.with("31", text) }
func (p painter) wait(text string) string { return p.with("33", text) }

func (p painter) with(colour, text string) string {
	if !p {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}
