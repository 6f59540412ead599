package shadowsync

import "github.com/shadowgpio/shadowgpio/internal/shadowdoc"

// kind says what a request does.
type kind int

const (
	full kind = iota
	toCloud
	toLocal
	deleteInCloud
	deleteLocally
)

func (k kind) String() string {
	return [...]string{"full synchronization", "update of the cloud", "update of the device", "deletion in the cloud", "deletion on the device"}[k]
}

// request waits for its turn. A full one that came of merging has the parts that
// it stands for.
type request struct {
	kind    kind
	payload []byte
	// local is the document of the device with an update that goes to the cloud, and
	// without those that came later.
	local *shadowdoc.Document
	parts []request
}

// merge makes one request of two (sync/RequestMerger.java). Deletions win over
// updates of either side; changes of both sides need a full synchronization.
func (r request) merge(next request) request {
	update := func(k kind) bool { return k == toCloud || k == toLocal }
	deletion := func(k kind) bool { return k == deleteInCloud || k == deleteLocally }
	switch {
	case r.kind == full || next.kind == full:
	case r.kind == next.kind && update(r.kind):
		if merged, err := shadowdoc.MergeUpdates(r.payload, next.payload); err == nil {
			return request{kind: r.kind, payload: merged, local: next.local}
		}
	case update(r.kind) && deletion(next.kind):
		return next
	case deletion(r.kind) && update(next.kind), r.kind == next.kind:
		return r
	}
	return request{kind: full, parts: append(r.flat(), next.flat()...)}
}

// flat are the requests that it stands for.
func (r request) flat() []request {
	if len(r.parts) > 0 {
		return r.parts
	}
	return []request{r}
}
