package shadow

import "fmt"

// Verdict is what to do with a message.
type Verdict uint8

// The verdicts.
const (
	Apply  Verdict = iota // it is the next version
	Ignore                // the document that was read holds it already
	Resync                // versions are missing or went back: read the document
)

func (v Verdict) String() string {
	names := []string{"apply", "ignore", "resync"}
	if int(v) >= len(names) {
		return fmt.Sprintf("invalid(%d)", v)
	}
	return names[v]
}

// Gate keeps the messages of update/accepted in the order of their versions. Its
// zero value knows nothing and asks for a whole document.
//
// Each accepted update adds 1 to the version and publishes one message, and the
// messages of one subscription come in order. So a version that is missing is a
// message that was lost, or an update that the shadow manager stored and failed to
// publish; and one that goes back is a shadow that was deleted and created again,
// for which it counts from 1.
type Gate struct {
	document int64 // version of the last whole document
	last     int64 // version of the last message since; 0 for none
	known    bool
}

// maxLate is how many versions a message can be older than a document that was read
// before it: more than the messages on their way at that time. An older one is of a shadow
// that counts anew, or the document had a version that was none.
const maxLate = 512

// Document notes that the whole document of that version was read, and resets the
// memory. After one with [NoVersion] every message asks for a whole document, since
// nothing tells whether it is newer.
func (g *Gate) Document(version int64) {
	*g = Gate{document: version, known: true}
	if version == NoVersion {
		g.Forget()
	}
}

// Forget notes that the shadow was deleted or may have been.
func (g *Gate) Forget() { *g = Gate{} }

// Message judges the message of that version.
func (g *Gate) Message(version int64) Verdict {
	stale := version <= g.document && version >= g.last && g.document-version <= maxLate
	if g.known && stale && (version > 1 || g.document <= 1) {
		g.last = version
		return Ignore // published before the document was read
	}
	if !g.known || version != max(g.document, g.last)+1 {
		g.Forget()
		return Resync
	}
	g.last = version
	return Apply
}

// Seen is the newest version that is known, 0 for none.
func (g *Gate) Seen() int64 { return max(g.document, g.last) }
