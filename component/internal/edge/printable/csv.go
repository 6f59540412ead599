package printable

import (
	"encoding/csv"
	"io"
	"regexp"
	"strings"
)

// CSV writes rows for spreadsheets.
type CSV struct{ w *csv.Writer }

// NewCSV makes a CSV that is written to w.
func NewCSV(w io.Writer) *CSV { return &CSV{csv.NewWriter(w)} }

// Row writes a row of cells, each as [Cell] shows it.
func (c *CSV) Row(cells ...string) {
	row := make([]string, len(cells))
	for i, cell := range cells {
		row[i] = Cell(cell)
	}
	c.w.Write(row)
}

// Flush writes what is buffered, and returns the first error of the writer.
func (c *CSV) Flush() error {
	c.w.Flush()
	return c.w.Error()
}

// number matches what a spreadsheet reads as a number, without a formula.
var number = regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$`)

// Cell is text for one cell of a spreadsheet: escaped as [Text] does, and with an
// apostrophe before it if a spreadsheet would take it for a formula. Spreadsheets do so
// after = + - @, also behind blanks and quotes, and in full width. A tab or line break,
// which could also come first, is escaped. A plain number stays.
func Cell(text string) string {
	cell := string(Text(text))
	if number.MatchString(cell) {
		return cell
	}
	start := strings.TrimLeft(cell, ` "'`)
	if start != "" && strings.ContainsRune("=+-@＝＋－＠", []rune(start)[0]) {
		return "'" + cell
	}
	return cell
}
