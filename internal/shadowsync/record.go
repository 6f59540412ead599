package shadowsync

import (
	"encoding/json"
	"sync"

	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
)

// Record is what is remembered of the last synchronization of a shadow. The zero
// value is that of one that never was.
type Record struct {
	Base         json.RawMessage `json:"base,omitempty"` // document on which both sides agreed
	LocalVersion int64           `json:"localVersion"`
	CloudVersion int64           `json:"cloudVersion"`
	CloudDeleted bool            `json:"cloudDeleted,omitempty"`
	Time         int64           `json:"time"` // of the synchronization, in s since the epoch
}

// base is the document on which both sides agreed, nil if there is none.
func (r Record) base() *shadowdoc.Document {
	if len(r.Base) == 0 {
		return nil
	}
	d, err := shadowdoc.ParseDocument(r.Base)
	if err != nil {
		return nil
	}
	return d
}

// Records keeps records. Its methods may be called from any goroutine.
type Records interface {
	Get(Key) (Record, error) // the zero value if there is none
	Put(Key, Record) error
}

type memory struct {
	mu      sync.Mutex
	records map[Key]Record
}

func (m *memory) Get(k Key) (Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.records[k], nil
}

func (m *memory) Put(k Key, r Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records[k] = r
	return nil
}
