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

	"github.com/shadowgpio/shadowgpio/ipc/devcore/broker"
	"github.com/shadowgpio/shadowgpio/ipc/devcore/shadowdoc"
	"github.com/shadowgpio/shadowgpio/ipc/devcore/shadowsync"
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

func newSynchronizer(c *Core) (*synchronizer, error) {
	cfg := c.cfg.Synchronize
	if cfg.Cloud == nil {
		return nil, nil
	}
	records, err := loadRecords(c.cfg.Dir)
	if err != nil {
		return nil, err
	}
	z := &synchronizer{core: c, cfg: cfg}
	z.Sync, err = shadowsync.New(shadowsync.Config{
		Shadows: cfg.Shadows, Direction: cfg.Direction, Every: cfg.Every, Records: records, Logger: c.log,
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
func (z *synchronizer) changed(k key, payload []byte) {
	if z != nil {
		z.LocalUpdate(shadowsync.Key{Thing: k.thing, Shadow: k.shadow}, payload)
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

func (l localShadows) Update(k shadowsync.Key, payload []byte) (int64, error) {
	reply, err := l.update(l.request(model.UpdateThingShadow, k, payload))
	if err != nil {
		return 0, syncError(err)
	}
	accepted, err := shadowdoc.ParseDocument(reply)
	if err != nil {
		return 0, err
	}
	return accepted.Version, nil
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

// records keeps the records of the synchronization in a file.
type records struct {
	path string // "" keeps them in memory

	mu    sync.Mutex
	byKey map[string]shadowsync.Record
}

func loadRecords(dir string) (*records, error) {
	r := &records{byKey: map[string]shadowsync.Record{}}
	if dir == "" {
		return r, nil
	}
	r.path = filepath.Join(dir, "synchronized.json")
	text, err := os.ReadFile(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	} else if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &r.byKey); err != nil {
		return nil, fmt.Errorf("records of the synchronization in %s: %w", r.path, err)
	}
	return r, nil
}

func (r *records) Get(k shadowsync.Key) (shadowsync.Record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byKey[model.ShadowTopic(k.Thing, k.Shadow)], nil
}

func (r *records) Put(k shadowsync.Key, record shadowsync.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byKey[model.ShadowTopic(k.Thing, k.Shadow)] = record
	if r.path == "" {
		return nil
	}
	text, err := json.MarshalIndent(r.byKey, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(r.path, text, 0o644, renameio.WithTempDir(filepath.Dir(r.path)))
}
