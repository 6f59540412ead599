package doctor

import (
	"io"
	"strings"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
)

// Status is how a check ended.
type Status string

// The statuses.
const (
	OK         Status = "ok"
	Warning    Status = "warning" // it works, and may not always
	Fault      Status = "fault"
	NotChecked Status = "not checked" // Found says why
)

// Finding is what one check found.
type Finding struct {
	Check  string `json:"check"` // what was looked at
	Status Status `json:"status"`
	Kind   Kind   `json:"kind,omitempty"` // what is wrong; "" when nothing is
	Found  string `json:"found"`
	Want   string `json:"want,omitempty"`
	Cure   string `json:"cure,omitempty"` // lines for a shell
}

// Report is what all checks found, in their order.
type Report struct {
	Findings []Finding `json:"findings"`
}

// Count is how many checks ended with a status.
func (r Report) Count(s Status) int {
	n := 0
	for _, f := range r.Findings {
		if f.Status == s {
			n++
		}
	}
	return n
}

// Healthy reports whether there is no fault.
func (r Report) Healthy() bool { return r.Count(Fault) == 0 }

// WriteJSON writes the report for programs.
func (r Report) WriteJSON(w io.Writer) error {
	return printable.JSON(w, struct {
		Faults   int `json:"faults"`
		Warnings int `json:"warnings"`
		Report
	}{r.Count(Fault), r.Count(Warning), r}, "  ")
}

var colours = map[Status]int{OK: printable.Green, Warning: printable.Yellow, Fault: printable.Red, NotChecked: printable.Faint}

// WriteText writes the report for people, in colour if that is asked for.
func (r Report) WriteText(w io.Writer, colour bool) error {
	width := 0
	for _, f := range r.Findings {
		width = max(width, printable.Width(printable.Text(f.Check)))
	}
	var b strings.Builder
	for _, f := range r.Findings {
		f.write(&b, width, colour)
	}
	printable.Fprintf(&b, "\n%d faults, %d warnings, %d ok, %d not checked\n", r.Count(Fault), r.Count(Warning), r.Count(OK), r.Count(NotChecked))
	_, err := io.WriteString(w, b.String())
	return err
}

// statusWidth is that of the longest status.
const statusWidth = len(NotChecked)

func (f Finding) write(b *strings.Builder, width int, colour bool) {
	status := printable.Sprintf("%-*s", statusWidth, f.Status)
	if colour {
		status = printable.Colored(colours[f.Status], status)
	}
	found := f.Found
	if f.Kind != "" {
		found += " [" + string(f.Kind) + "]"
	}
	printable.Fprintf(b, "%s  %-*s  %s\n", status, width, f.Check, found)
	indent := strings.Repeat(" ", statusWidth+2)
	if f.Want != "" {
		printable.Fprintf(b, "%s%-*s  %s\n", indent, width, "want", f.Want)
	}
	// A cure begins at the margin: heredocs in it are to be pasted as they stand.
	if f.Cure != "" {
		printable.Fprintf(b, "%scure:\n%s\n", indent, printable.Lines(f.Cure))
	}
}
