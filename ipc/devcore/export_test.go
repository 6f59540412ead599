package devcore

import (
	"errors"
	"io/fs"
	"os"
)

// Subscriptions counts the subscriptions of all clients.
func Subscriptions(c *Core) int {
	c.pubsub.mu.Lock()
	defer c.pubsub.mu.Unlock()
	return len(c.pubsub.subscriptions)
}

// SyncDir replaces the sync of a directory until restore is called.
func SyncDir(sync func(dir string) error) (restore func()) {
	before := syncDir
	syncDir = sync
	return func() { syncDir = before }
}

// Drop forgets all shadows and tombstones, as the loss of the database does.
// Nothing is published.
func (h *Shadows) Drop() error {
	h.service.mu.Lock()
	var keys []key
	for k := range h.service.rows {
		keys = append(keys, k)
	}
	h.service.mu.Unlock()
	var errs []error
	for _, k := range keys {
		errs = append(errs, h.drop(k))
	}
	return errors.Join(errs...)
}

func (h *Shadows) drop(k key) error {
	defer h.service.lock(k)()
	if err := h.service.store.remove(k); err != nil {
		return err
	}
	h.service.mu.Lock()
	defer h.service.mu.Unlock()
	delete(h.service.rows, k)
	return nil
}

func (s *store) remove(k key) error {
	if s.dir == "" {
		return nil
	}
	if err := os.Remove(s.path(k)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
