package devcore

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
