package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/prometheus/procfs"
)

// warm is how many calls go before those that count.
const warm = 200

type durations []time.Duration

func measure(calls int, call func() error) (durations, error) {
	d := make(durations, 0, calls)
	for i := range warm + calls {
		start := time.Now()
		if err := call(); err != nil {
			return nil, err
		}
		if i >= warm {
			d = append(d, time.Since(start))
		}
	}
	return d, nil
}

// percentile is the value that p percent do not exceed.
func (d durations) percentile(p int) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return sorted[min(len(sorted)*p/100, len(sorted)-1)]
}

// table prints rows of durations, with their ratio to a floor if there is one.
type table struct {
	w     *tabwriter.Writer
	floor durations
}

func newTable(title string, floor durations) *table {
	t := &table{tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', tabwriter.AlignRight), floor}
	fmt.Println(title)
	fmt.Fprint(t.w, "\tp50\tp99\t")
	if floor != nil {
		fmt.Fprint(t.w, "p50 to floor\t")
	}
	fmt.Fprintln(t.w)
	return t
}

func (t *table) row(name string, d durations) {
	fmt.Fprintf(t.w, "%-42s\t%v\t%v\t", name, micro(d.percentile(50)), micro(d.percentile(99)))
	if t.floor != nil {
		fmt.Fprintf(t.w, "%.1f\t", float64(d.percentile(50))/float64(t.floor.percentile(50)))
	}
	fmt.Fprintln(t.w)
}

func (t *table) note(text string) { fmt.Fprintln(t.w, text) }

func (t *table) print() {
	t.w.Flush()
	fmt.Println()
}

func micro(d time.Duration) string { return fmt.Sprintf("%d µs", d.Microseconds()) }

// footprint watches the component do nothing.
func (b *bench) footprint(ctx context.Context, pid int) error {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return err
	}
	before, err := proc.Stat()
	if err != nil {
		return err
	}
	select {
	case <-time.After(b.idle):
	case <-ctx.Done():
		return ctx.Err()
	}
	after, err := proc.Stat()
	if err != nil {
		return err
	}
	fmt.Printf("component, connected and idle for %v: %.1f MB resident, %.0f ms of CPU time (%.2f %%)\n", b.idle,
		float64(after.ResidentMemory())/1e6, (after.CPUTime()-before.CPUTime())*1000,
		(after.CPUTime()-before.CPUTime())/b.idle.Seconds()*100)
	return nil
}
