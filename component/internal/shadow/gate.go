package shadow

import "fmt"

// Verdict is what to do with a delta.
type Verdict uint8

// The verdicts.
const (
	Apply  Verdict = iota // it is news, or a repetition of the newest
	Ignore                // it is older than what was read or written since
	Resync                // versions went backwards: read the whole document
)

func (v Verdict) String() string {
	names := []string{"apply", "ignore", "resync"}
	if int(v) >= len(names) {
		return fmt.Sprintf("invalid(%d)", v)
	}
	return names[v]
}

// Gate keeps deltas in the order of their versions. Its zero value knows
// nothing and asks for a whole document.
//
// The deltas of one subscription come with rising versions until the shadow is
// deleted, but a get or an update may be answered before an older delta arrives.
// After a deletion the shadow manager counts from 1 again.
type Gate struct {
	document int64 // version of the last whole document
	delta    int64 // version of the last delta
	known    bool
}

// Document notes that the whole document of that version was read; it resets
// the memory. Deltas up to that version hold nothing new.
func (g *Gate) Document(version int64) {
	*g = Gate{document: version, delta: 0, known: true}
}

// Forget notes that the shadow was deleted or may have been.
func (g *Gate) Forget() { *g = Gate{} }

// Delta judges the delta of that version.
func (g *Gate) Delta(version int64) Verdict {
	switch {
	case !g.known:
		return Resync
	case version < g.delta:
		// One subscription never goes back by itself: the shadow was deleted and
		// created again in between.
		g.Forget()
		return Resync
	case version < g.document && version != 1:
		return Ignore
	case version < g.document:
		g.Forget()
		return Resync
	}
	g.delta = version
	return Apply
}

// Seen is the newest version that was read, 0 when none is known.
func (g *Gate) Seen() int64 { return max(g.document, g.delta) }
