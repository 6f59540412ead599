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
	"slices"
	"sync"
	"time"

	"github.com/google/renameio/v2"

	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
	"github.com/shadowgpio/shadowgpio/internal/shadowsync"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// Synchronize is how the shadows of the core device are kept the same as those of
// the cloud, like the key "synchronize" of the shadow manager.
type Synchronize struct {
	Cloud     Cloud         // nil synchronizes nothing
	Shadows   []ShadowName  // that are synchronized at first, see [Core.SetSynchronized]
	Direction Direction     // "" is Both
	Every     time.Duration // of the periodic strategy; 0 is that of real time
}

// Cloud is the device shadow service of AWS IoT, as the synchronization calls it. Its
// updates and deletions come back through [Config.Broker], on the topics of the service.
type Cloud interface {
	GetThingShadow(ctx context.Context, thing, shadow string) ([]byte, error)
	UpdateThingShadow(ctx context.Context, thing, shadow string, payload []byte) ([]byte, error)
	DeleteThingShadow(ctx context.Context, thing, shadow string) error
}

// Errors of a [Cloud] that the synchronization tells apart. All others drop the request.
var (
	ErrNotFound error = shadowsync.ErrNotFound // there is no such shadow
	ErrConflict error = shadowsync.ErrConflict // the version is another one
	ErrBusy     error = shadowsync.ErrBusy     // the request may be repeated later
)

// ShadowName names a shadow; the classic one has no name of its own.
type ShadowName struct{ Thing, Shadow string }

// Direction says which way changes of shadows go.
type Direction string

// The directions, as the configuration of the shadow manager has them.
const (
	Both          = Direction(shadowsync.Both)
	DeviceToCloud = Direction(shadowsync.DeviceToCloud)
	CloudToDevice = Direction(shadowsync.CloudToDevice)
)

// synchronizer runs the synchronization while there is a link.
type synchronizer struct {
	*shadowsync.Sync
	core *Core
	cfg  Synchronize // but for the shadows

	mu      sync.Mutex
	shadows []ShadowName
	stop    func() // ends the run and waits for its end; nil without one
}

func newSynchronizer(c *Core) (z *synchronizer, err error) {
	cfg := c.cfg.Synchronize
	if cfg.Cloud == nil {
		return nil, nil
	}
	z = &synchronizer{core: c, cfg: cfg, shadows: slices.Clone(cfg.Shadows)}
	z.Sync, err = shadowsync.New(shadowsync.Config{
		Shadows: syncKeys(cfg.Shadows), Direction: shadowsync.Direction(cfg.Direction), Every: cfg.Every, Records: newRecords(c.cfg.Dir), Logger: c.log,
	}, localShadows{c.shadows}, cfg.Cloud)
	return z, err
}

func syncKeys(names []ShadowName) []shadowsync.Key {
	keys := make([]shadowsync.Key, len(names))
	for i, name := range names {
		keys[i] = shadowsync.Key(name)
	}
	return keys
}

// Synchronized returns the shadows that are synchronized with the cloud.
func (c *Core) Synchronized() []ShadowName {
	if c.sync == nil {
		return nil
	}
	c.sync.mu.Lock()
	defer c.sync.mu.Unlock()
	return slices.Clone(c.sync.shadows)
}

// SetSynchronized changes which shadows are synchronized with the cloud, as a new
// configuration of the shadow manager does: the synchronization begins anew with all
// of them, and what it remembered of the others is forgotten. Their documents stay on
// both sides. It fails without [Config.Synchronize], and if a name is none.
func (c *Core) SetSynchronized(shadows []ShadowName) error {
	z := c.sync
	if z == nil {
		return errors.New("shadows to synchronize: this core has no cloud")
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if err := shadowsync.CheckShadows(syncKeys(shadows)); err != nil {
		return err
	}
	running := z.stop != nil
	z.halt()
	err := z.SetShadows(syncKeys(shadows))
	z.shadows = slices.Clone(shadows)
	if running {
		z.begin()
	}
	return err
}

// setLink starts or ends a run. A core without synchronization has nil.
func (z *synchronizer) setLink(up bool) {
	if z == nil {
		return
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	switch {
	case !up:
		z.halt()
	case z.stop == nil:
		z.begin()
	}
}

// halt ends the run, if there is one. The caller holds mu.
func (z *synchronizer) halt() {
	if z.stop != nil {
		z.stop()
		z.stop = nil
	}
}

// begin begins a run. The caller holds mu.
func (z *synchronizer) begin() {
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
// does over the MQTT connection of the nucleus. The caller holds mu.
func (z *synchronizer) subscribe() BrokerSession {
	topics := map[string]func([]byte){}
	for _, k := range z.shadows {
		prefix := model.ShadowTopic(k.Thing, k.Shadow)
		topics[prefix+"/update/accepted"] = func(payload []byte) { z.CloudUpdate(shadowsync.Key(k), payload) }
		topics[prefix+"/delete/accepted"] = func(payload []byte) { z.CloudDelete(shadowsync.Key(k), payload) }
	}
	session := z.core.cfg.Broker.Open(func(m Message) {
		if f := topics[m.TopicName]; f != nil {
			f(m.Payload)
		}
	})
	session.Connect()
	if z.cfg.Direction == DeviceToCloud {
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
