package printable

import (
	"io"
	"strings"
)

// Table prints rows in aligned columns. The last cell of a row is not part of a column,
// so it can be of any width.
type Table struct {
	w    io.Writer
	gap  string
	rows [][]Safe
}

// NewTable makes a table that is printed to w, with columns that are gap spaces apart.
func NewTable(w io.Writer, gap int) *Table { return &Table{w: w, gap: strings.Repeat(" ", gap)} }

// Row adds a row. Each cell is shown as %v of [Sprintf] shows it, on one line.
func (t *Table) Row(cells ...any) {
	row := make([]Safe, len(cells))
	for i, cell := range cells {
		row[i] = Sprintf("%v", cell)
		if strings.Contains(string(row[i]), "\n") { // of joined errors
			row[i] = Safe(strings.ReplaceAll(string(row[i]), "\n", "; "))
		}
	}
	t.rows = append(t.rows, row)
}

// Flush prints the rows and empties the table. The error is that of the writer.
func (t *Table) Flush() error {
	var columns []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(columns) {
				columns = append(columns, 0)
			}
			if i < len(row)-1 {
				columns[i] = max(columns[i], Width(cell))
			}
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		for i, cell := range row {
			b.WriteString(string(cell))
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", columns[i]-Width(cell)))
				b.WriteString(t.gap)
			}
		}
		b.WriteByte('\n')
	}
	t.rows = nil
	_, err := io.WriteString(t.w, b.String())
	return err
}
