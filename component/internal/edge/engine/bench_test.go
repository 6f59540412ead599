package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"log/slog"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// bench is an engine with so many outputs and inputs, in step with its shadow.
type bench struct {
	*Engine
	now     time.Time
	version int64
	claims  map[string]lines.Request
}

var benchShadow = shadow.ID{Thing: "gw"}

func newBench(b *testing.B, size int) *bench {
	b.Helper()
	var text, properties strings.Builder
	text.WriteString("lines:\n")
	for i := range size {
		fmt.Fprintf(&text, "  o%d: {line: O%d, direction: output}\n  i%d: {line: I%d, direction: input}\n", i, i, i, i)
		fmt.Fprintf(&properties, "      o%d: {line: o%d}\n      i%d: {line: i%d}\n", i, i, i, i)
	}
	cfg, err := config.Parse([]byte(text.String()+"shadows:\n  main:\n    properties:\n"+properties.String()), "gw")
	if err != nil {
		b.Fatal(err)
	}
	r := &bench{
		Engine: New(cfg, "1.0.0", state.State{}, rand.New(rand.NewPCG(1, 2)), slog.New(slog.DiscardHandler)),
		now:    time.Unix(1_700_000_000, 0), claims: map[string]lines.Request{},
	}
	r.step(Start{})
	r.step(ShadowLive{ID: benchShadow})
	r.pass()
	return r
}

// step answers lines, the disk and the shadow service at once.
func (r *bench) step(in Input) {
	for _, effect := range r.Step(r.now, in) {
		switch e := effect.(type) {
		case lines.Request:
			r.claims[e.Label] = e
			r.step(LinesReady{Claim: e.Claim, Values: make([]bool, len(e.Values))})
		case lines.Write:
			r.step(LinesWritten{e.Claim, e.Values})
		case replica.Fetch:
			r.version = 1
			r.step(replica.Fetched{ID: e.ID, Seq: e.Seq, Document: shadow.Document{Version: 1}})
		case replica.Update:
			r.version++
			r.step(Accepted{e.ID, shadow.Accepted{Version: r.version, ClientToken: e.Token, Reported: e.Reported, Desired: e.Desired}})
			r.step(replica.Updated{ID: e.ID, Seq: e.Seq, Version: r.version})
		case Save:
			r.step(Saved{Seq: e.Seq})
		}
	}
}

// pass lets a second pass.
func (r *bench) pass() {
	for end := r.now.Add(time.Second); !r.Wake().IsZero() && !r.Wake().After(end); {
		r.now = r.Wake()
		r.step(Tick{})
	}
	r.now = r.now.Add(time.Second)
}

// BenchmarkStep is the cost of the engine alone, with its lines: an edge of an input
// and its report, a desired value and its answer, a tick with nothing to do.
func BenchmarkStep(b *testing.B) {
	for _, size := range []int{10, 100} {
		b.Run(fmt.Sprintf("edge/lines=%d", 2*size), func(b *testing.B) {
			r := newBench(b, size)
			value := false
			b.ReportAllocs()
			for b.Loop() {
				value = !value
				burst := lines.Burst{Value: value, Rising: 1}
				if !value {
					burst = lines.Burst{Value: value, Falling: 1}
				}
				r.now = r.now.Add(time.Second)
				r.step(LineSeen{r.claims["i0"].Claim, r.claims["i0"].Request, burst})
			}
		})
		b.Run(fmt.Sprintf("desired/lines=%d", 2*size), func(b *testing.B) {
			r := newBench(b, size)
			value := false
			b.ReportAllocs()
			for b.Loop() {
				value = !value
				r.now = r.now.Add(time.Second)
				r.version++
				r.step(Accepted{benchShadow, shadow.Accepted{
					Version: r.version, Desired: map[string]any{"o0": value}, DesiredAt: map[string]int64{"o0": r.now.Unix()},
				}})
			}
		})
		b.Run(fmt.Sprintf("tick/lines=%d", 2*size), func(b *testing.B) {
			r := newBench(b, size)
			b.ReportAllocs()
			for b.Loop() {
				r.now = r.now.Add(time.Second)
				r.step(Tick{})
			}
		})
	}
}
