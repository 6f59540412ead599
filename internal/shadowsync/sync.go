// Package shadowsync keeps the shadows of a core device and those of the cloud the
// same, as the shadow manager of Greengrass does (aws-greengrass/
// aws-greengrass-shadow-manager sync/**): which requests wait and how they merge,
// what each does, and what a full synchronization does after both sides changed.
package shadowsync

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
)

// Key names a shadow; the classic one has no name.
type Key struct{ Thing, Shadow string }

// Errors by which the two sides say what a request met. All others drop the request.
var (
	ErrNotFound = errors.New("no such shadow")
	ErrConflict = errors.New("version conflict")
	ErrBusy     = errors.New("try again later")
)

// Local is the side of the core device. Its updates and deletions are told to
// [Sync.LocalUpdate] and [Sync.LocalDelete], whoever made them.
type Local interface {
	Document(Key) *shadowdoc.Document // nil if there is none
	Version(Key) int64                // of the document or, once deleted, of its tombstone
	Update(Key, []byte) (after *shadowdoc.Document, err error)
	Delete(Key) error
}

// Cloud is the device shadow service. Its updates and deletions are told to
// [Sync.CloudUpdate] and [Sync.CloudDelete].
type Cloud interface {
	GetThingShadow(ctx context.Context, thing, shadow string) ([]byte, error)
	UpdateThingShadow(ctx context.Context, thing, shadow string, payload []byte) ([]byte, error)
	DeleteThingShadow(ctx context.Context, thing, shadow string) error
}

// Direction says which way changes go.
type Direction string

// The directions, as the configuration of the shadow manager has them.
const (
	Both          Direction = "betweenDeviceAndCloud"
	DeviceToCloud Direction = "deviceToCloud"
	CloudToDevice Direction = "cloudToDevice"
)

// Config is what is synchronized, and how.
type Config struct {
	Shadows   []Key // no others are; see [Sync.SetShadows]
	Direction Direction
	Every     time.Duration // of the periodic strategy; 0 is that of real time
	Records   Records       // nil keeps them in memory
	Logger    *slog.Logger  // nil discards
}

// Check reports what is wrong with a configuration.
func (c Config) Check() error {
	switch Direction(c.Direction) {
	case "", Both, DeviceToCloud, CloudToDevice:
	default:
		return fmt.Errorf("direction of synchronization: want %s, %s or %s, got %q", Both, DeviceToCloud, CloudToDevice, c.Direction)
	}
	if c.Every < 0 {
		return fmt.Errorf("period of synchronization: want above 0, or 0 for real time, got %v", c.Every)
	}
	return CheckShadows(c.Shadows)
}

// CheckShadows reports the first key that names no shadow.
func CheckShadows(keys []Key) error {
	for _, k := range keys {
		if k.Thing == "" || strings.ContainsAny(k.Thing+k.Shadow, "/+#") {
			return fmt.Errorf("shadow to synchronize: want names, got thing %q, shadow %q", k.Thing, k.Shadow)
		}
	}
	return nil
}

// Sync synchronizes. Its methods may be called from any goroutine; none but Run blocks.
type Sync struct {
	cfg   Config
	local Local
	cloud Cloud

	mu      sync.Mutex
	shadows []Key
	running bool
	queue   []Key // in order, each once
	waiting map[Key]request
	delay   time.Duration
	wake    chan struct{} // one slot
}

// New makes a synchronization that does not run yet.
func New(cfg Config, local Local, cloud Cloud) (*Sync, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if cfg.Direction == "" {
		cfg.Direction = Both
	}
	if cfg.Records == nil {
		cfg.Records = &memory{records: map[Key]Record{}}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Sync{cfg: cfg, local: local, cloud: cloud, shadows: slices.Clone(cfg.Shadows), waiting: map[Key]request{}, wake: make(chan struct{}, 1)}
	return s, nil
}

// SetShadows changes which shadows are synchronized from the next run on, and forgets
// what it remembers of the others. It must not be called during a run.
func (s *Sync) SetShadows(shadows []Key) error {
	s.mu.Lock()
	before := s.shadows
	s.shadows = slices.Clone(shadows)
	s.mu.Unlock()
	var errs []error
	for _, k := range before {
		if !slices.Contains(shadows, k) {
			errs = append(errs, s.cfg.Records.Put(k, Record{}))
		}
	}
	return errors.Join(errs...)
}

// Slow has every request to the cloud wait for so long first.
func (s *Sync) Slow(delay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay = delay
}

// Run synchronizes while there is a connection, until ctx is done: first all of
// every shadow, then what changes. What changes between two runs is found by the
// first step of the second.
func (s *Sync) Run(ctx context.Context) {
	s.mu.Lock()
	s.running, s.queue = true, nil
	clear(s.waiting)
	shadows := s.shadows
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running = false
	}()
	for _, k := range shadows {
		s.put(k, request{kind: full})
	}
	for ctx.Err() == nil {
		s.drain(ctx)
		if s.cfg.Every > 0 {
			s.sleep(ctx, s.cfg.Every)
			continue
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
		}
	}
}

// LocalUpdate tells of an update on the core device, and of the document that it left.
func (s *Sync) LocalUpdate(k Key, payload []byte, after *shadowdoc.Document) {
	if s.cfg.Direction != CloudToDevice {
		s.put(k, request{kind: toCloud, payload: payload, local: after})
	}
}

// LocalDelete tells of a deletion on the core device.
func (s *Sync) LocalDelete(k Key) {
	if s.cfg.Direction != CloudToDevice {
		s.put(k, request{kind: deleteInCloud})
	}
}

// CloudUpdate tells of an accepted message of the cloud.
func (s *Sync) CloudUpdate(k Key, accepted []byte) {
	if s.cfg.Direction != DeviceToCloud {
		s.put(k, request{kind: toLocal, payload: accepted})
	}
}

// CloudDelete tells of a deletion in the cloud, by its accepted message.
func (s *Sync) CloudDelete(k Key, accepted []byte) {
	if s.cfg.Direction != DeviceToCloud {
		s.put(k, request{kind: deleteLocally, payload: accepted})
	}
}

// put queues a request, or merges it with the one that waits.
func (s *Sync) put(k Key, r request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.running || !slices.Contains(s.shadows, k) {
		return
	}
	if old, ok := s.waiting[k]; ok {
		r = old.merge(r)
	} else {
		s.queue = append(s.queue, k)
	}
	s.waiting[k] = r
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Sync) take() (k Key, r request, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return k, r, false
	}
	k = s.queue[0]
	r, s.queue = s.waiting[k], s.queue[1:]
	delete(s.waiting, k)
	return k, r, true
}

// Retries of a request that the cloud is too busy for (sync/Retryer.java).
const (
	attempts   = 5
	firstPause = 3 * time.Second
	lastPause  = time.Minute
)

// drain executes what waits.
func (s *Sync) drain(ctx context.Context) {
	for ctx.Err() == nil {
		k, r, ok := s.take()
		if !ok {
			return
		}
		err := s.try(ctx, k, r)
		switch {
		case err == nil || ctx.Err() != nil:
		case errors.Is(err, ErrConflict):
			s.put(k, request{kind: full})
		case errors.Is(err, ErrBusy):
			s.put(k, r) // to the back of the queue
		default:
			s.cfg.Logger.Warn("synchronization with the cloud dropped a request", "thing", k.Thing, "shadow", k.Shadow, "request", r.kind.String(), "err", err)
		}
	}
}

func (s *Sync) try(ctx context.Context, k Key, r request) (err error) {
	pause := firstPause
	for range attempts {
		s.mu.Lock()
		delay := s.delay
		s.mu.Unlock()
		if delay > 0 && !s.sleep(ctx, delay) {
			return ctx.Err()
		}
		if err = s.execute(ctx, k, r); !errors.Is(err, ErrBusy) || !s.sleep(ctx, pause) {
			return err
		}
		pause = min(2*pause, lastPause)
	}
	return err
}

func (s *Sync) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
