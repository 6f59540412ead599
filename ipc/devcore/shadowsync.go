package devcore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/renameio/v2"

	"github.com/shadowgpio/shadowgpio/internal/broker"
	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
	"github.com/shadowgpio/shadowgpio/internal/shadowsync"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// Synchronize is how the shadows of the core device are kept the same as those of
// the cloud, like the key "synchronize" of the shadow manager.
type Synchronize struct {
	Cloud     shadowsync.Cloud // nil synchronizes nothing
	Shadows   []shadowsync.Key // those that are synchronized
	Direction shadowsync.Direction
	Every     time.Duration // of the periodic strategy; 0 is that of real time
}

// synchronizer runs the synchronization while there is a link.
type synchronizer struct {
	*shadowsync.Sync
	core *Core
	cfg  Synchronize

	mu   sync.Mutex
	stop func() // ends the run and waits for its end; nil without one
}

func newSynchronizer(c *Core) (z *synchronizer, err error) {
	cfg := c.cfg.Synchronize
	if cfg.Cloud == nil {
		return nil, nil
	}
	z = &synchronizer{core: c, cfg: cfg}
	z.Sync, err = shadowsync.New(shadowsync.Config{
		Shadows: cfg.Shadows, Direction: cfg.Direction, Every: cfg.Every, Records: newRecords(c.cfg.Dir), Logger: c.log,
	}, localShadows{c.shadows}, cfg.Cloud)
	return z, err
}

// setLink starts or ends a run. A core without synchronization has nil.
func (z *synchronizer) setLink(up bool) {
	if z == nil {
		return
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if up == (z.stop != nil) {
		return
	}
	if !up {
		z.stop()
		z.stop = nil
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	session := z.subscribe()
	var running sync.WaitGroup
	running.Go(func() { z.Run(ctx) })
	z.stop = func() {
		cancel()
		running.Wait()
		session.Close()
	}
}

// subscribe listens to the accepted messages of the cloud, as the shadow manager
// does over the MQTT connection of the nucleus.
func (z *synchronizer) subscribe() BrokerSession {
	topics := map[string]func([]byte){}
	for _, k := range z.cfg.Shadows {
		prefix := model.ShadowTopic(k.Thing, k.Shadow)
		topics[prefix+"/update/accepted"] = func(payload []byte) { z.CloudUpdate(k, payload) }
		topics[prefix+"/delete/accepted"] = func(payload []byte) { z.CloudDelete(k, payload) }
	}
	session := z.core.cfg.Broker.Open(func(m broker.Message) {
		if f := topics[m.TopicName]; f != nil {
			f(m.Payload)
		}
	})
	session.Connect()
	if z.cfg.Direction == shadowsync.DeviceToCloud {
		return session
	}
	for topic := range maps.Keys(topics) {
		if err := session.Subscribe(topic, model.AtLeastOnce); err != nil {
			z.core.log.Error("changes of the cloud are not seen", "topic", topic, "err", err)
		}
	}
	return session
}

// changed and deleted tell of what happened to a shadow of the core device.
func (z *synchronizer) changed(k key, payload []byte, after *shadowdoc.Document) {
	if z != nil {
		z.LocalUpdate(shadowsync.Key{Thing: k.thing, Shadow: k.shadow}, payload, after)
	}
}

func (z *synchronizer) deleted(k key) {
	if z != nil {
		z.LocalDelete(shadowsync.Key{Thing: k.thing, Shadow: k.shadow})
	}
}

// SlowLink has each request of the synchronization wait for so long; 0 ends that.
func (c *Core) SlowLink(delay time.Duration) {
	if c.sync != nil {
		c.sync.Slow(delay)
	}
}

// localShadows are the shadows of the core device, as the shadow manager changes
// them itself.
type localShadows struct{ *shadows }

func (l localShadows) Document(k shadowsync.Key) *shadowdoc.Document {
	return l.document(key{k.Thing, k.Shadow})
}

func (l localShadows) Version(k shadowsync.Key) int64 {
	if r := l.row(key{k.Thing, k.Shadow}); r != nil {
		return r.version
	}
	return 0
}

func (l localShadows) Update(k shadowsync.Key, payload []byte) (*shadowdoc.Document, error) {
	_, after, err := l.change(l.request(model.UpdateThingShadow, k, payload))
	return after, syncError(err)
}

func (l localShadows) Delete(k shadowsync.Key) error {
	return syncError(l.delete(l.request(model.DeleteThingShadow, k, nil)))
}

func (l localShadows) request(op model.Operation, k shadowsync.Key, payload []byte) *shadowRequest {
	return &shadowRequest{ThingName: &k.Thing, ShadowName: k.Shadow, Payload: payload, operation: op, by: shadowManager}
}

func syncError(err error) error {
	if e, ok := errors.AsType[*server.Error](err); ok {
		switch e.Code {
		case model.Conflict:
			return shadowsync.ErrConflict
		case model.ResourceNotFound:
			return shadowsync.ErrNotFound
		}
	}
	return err
}

// records keeps the records of the synchronization in files that are laid out as those
// of the shadows are.
type records struct {
	files store

	mu    sync.Mutex
	byKey map[shadowsync.Key]shadowsync.Record // those that were read or written
}

func newRecords(dir string) *records {
	r := &records{byKey: map[shadowsync.Key]shadowsync.Record{}}
	if dir != "" {
		r.files.dir = filepath.Join(dir, "synchronized")
	}
	return r
}

func (r *records) path(k shadowsync.Key) string { return r.files.path(key{k.Thing, k.Shadow}) }

func (r *records) Get(k shadowsync.Key) (record shadowsync.Record, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	record, ok := r.byKey[k]
	if ok || r.files.dir == "" {
		return record, nil
	}
	text, err := os.ReadFile(r.path(k))
	if err == nil {
		err = json.Unmarshal(text, &record)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return record, fmt.Errorf("record of the synchronization in %s: %w", r.path(k), err)
	}
	r.byKey[k] = record
	return record, nil
}

func (r *records) Put(k shadowsync.Key, record shadowsync.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byKey[k] = record
	if r.files.dir == "" {
		return nil
	}
	text, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Dir(r.path(k))
	if err := makeDir(dir); err != nil {
		return err
	}
	return renameio.WriteFile(r.path(k), text, 0o644, renameio.WithTempDir(dir))
}
