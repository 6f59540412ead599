// Package shadows is the device shadow service of AWS IoT: documents, versions,
// messages, refusals, as awsdocs/aws-iot-docs developerguide/device-shadow-*.md
// and the API reference describe them. It has no network; package broker gives it
// topics and package rest an HTTP interface.
package shadows

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
)

// Forgotten is how long the service remembers the version of a deleted shadow.
const Forgotten = 48 * time.Hour

// MaxShadows is how many shadows a service keeps by default.
const MaxShadows = 10_000

// Config is how a service behaves. The zero value works and keeps everything in memory.
type Config struct {
	Dir       string           // holds the shadows and is created; "" keeps them in memory
	SizeLimit int              // of a document in bytes; default 8192
	PerSecond int              // requests for one thing in a second; more get code 429; 0 is no limit
	Most      int              // shadows that are kept, deleted ones included; a further one is refused with code 400; default [MaxShadows]
	Now       func() time.Time // nil is [time.Now]
	Logger    *slog.Logger     // nil discards

	// Publish puts messages on topics, in the order of versions. It must not block
	// and must not call the service.
	Publish func(topic string, payload []byte)
}

// Record is what is stored of a shadow.
type Record struct {
	ID       shadow.ID
	Document *shadowdoc.Document // nil for one that was deleted
	Version  int64               // of the document; of a deleted one, that from which numbers go on
	Changed  time.Time
}

// Service is the device shadow service. Its methods may be called from any
// goroutine. Those for requests return the reply, and fail with a
// *[shadowdoc.Refusal].
type Service struct {
	cfg   Config
	files files

	mu      sync.Mutex // held while a change is published, so that messages are in order
	records map[shadow.ID]Record
	windows map[string]window
}

// window counts the requests for a thing in one second.
type window struct {
	begin time.Time
	count int
}

// New makes a service and loads its shadows.
func New(cfg Config) (*Service, error) {
	cfg.SizeLimit = cmp.Or(cfg.SizeLimit, shadowdoc.DefaultSizeLimit)
	if cfg.SizeLimit < 0 || cfg.SizeLimit > shadowdoc.MaxSizeLimit {
		return nil, fmt.Errorf("size limit of shadows: want 1 to %d bytes, got %d", shadowdoc.MaxSizeLimit, cfg.SizeLimit)
	}
	if cfg.Most = cmp.Or(cfg.Most, MaxShadows); cfg.Most < 0 {
		return nil, fmt.Errorf("number of shadows: want 1 or more, got %d", cfg.Most)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Publish == nil {
		cfg.Publish = func(string, []byte) {}
	}
	s := &Service{cfg: cfg, files: files{cfg.Dir}, windows: map[string]window{}}
	var err error
	s.records, err = s.files.load()
	return s, err
}

// Refusals that the service makes itself.
var (
	errThrottled = &shadowdoc.Refusal{Code: 429, Message: "Too Many Requests"}
	errInternal  = &shadowdoc.Refusal{Code: 500, Message: "Internal service failure"}
)

var (
	thingPattern  = regexp.MustCompile(`^[a-zA-Z0-9:_-]{1,128}$`)
	shadowPattern = regexp.MustCompile(`^[$a-zA-Z0-9:_-]{1,64}$`)
)

// CheckThing refuses what is no name of a thing.
func CheckThing(name string) error {
	if !thingPattern.MatchString(name) {
		return &shadowdoc.Refusal{Code: 400, Message: "Invalid thing name"}
	}
	return nil
}

func checkID(id shadow.ID) error {
	if id.Name != "" && !shadowPattern.MatchString(id.Name) {
		return &shadowdoc.Refusal{Code: 400, Message: "Invalid shadow name"}
	}
	return CheckThing(id.Thing)
}

// admit checks the names, and counts the request. The caller holds mu.
func (s *Service) admit(id shadow.ID) error {
	if err := checkID(id); err != nil || s.cfg.PerSecond <= 0 {
		return err
	}
	now, w := s.cfg.Now(), s.windows[id.Thing]
	if now.Sub(w.begin) >= time.Second {
		w = window{begin: now}
	}
	w.count++
	if len(s.windows) >= s.cfg.Most {
		maps.DeleteFunc(s.windows, func(_ string, w window) bool { return now.Sub(w.begin) >= time.Second })
	}
	s.windows[id.Thing] = w
	if w.count > s.cfg.PerSecond {
		return errThrottled
	}
	return nil
}

func missing(id shadow.ID) error {
	return &shadowdoc.Refusal{Code: 404, Message: fmt.Sprintf("No shadow exists with name: '%s'", cmp.Or(id.Name, id.Thing))}
}

// Get replies with the document. Only the client token of the request matters.
func (s *Service) Get(id shadow.ID, request []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.get(id, request)
}

func (s *Service) get(id shadow.ID, request []byte) ([]byte, error) {
	if err := s.admit(id); err != nil {
		return nil, err
	}
	d := s.records[id].Document
	if d == nil {
		return nil, missing(id)
	}
	return d.GotFromCloud(shadowdoc.ClientToken(request), s.now()), nil
}

// Update makes a change. Its messages are published, whoever asked: the shadow
// manager of a core device asks over HTTPS and listens on topics.
func (s *Service) Update(id shadow.ID, request []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.update(id, request)
}

func (s *Service) update(id shadow.ID, request []byte) ([]byte, error) {
	if err := s.admit(id); err != nil {
		return nil, err
	}
	u, err := shadowdoc.ParseCloudUpdate(request)
	if err != nil {
		return nil, err
	}
	r, known := s.records[id]
	if !known && !s.room() {
		return nil, &shadowdoc.Refusal{Code: 400, Message: fmt.Sprintf("The development cloud keeps %d shadows; delete some, or its directory", s.cfg.Most)}
	}
	last := r.Version
	if r.Document == nil && s.cfg.Now().Sub(r.Changed) > Forgotten {
		last = 0
	}
	c, err := shadowdoc.ApplyCloud(r.Document, last, u, s.now(), s.cfg.SizeLimit)
	if err != nil {
		return nil, err
	}
	if err := s.store(Record{ID: id, Document: c.After, Version: c.After.Version}); err != nil {
		return nil, err
	}
	now := s.now()
	if delta := c.Delta(now); delta != nil {
		s.cfg.Publish(id.Topic("/update/delta"), delta)
	}
	s.cfg.Publish(id.Topic("/update/documents"), c.Documents(now))
	accepted := c.Accepted(now)
	s.cfg.Publish(id.Topic("/update/accepted"), accepted)
	return accepted, nil
}

// Delete deletes a shadow, whose version goes on when it is created again.
func (s *Service) Delete(id shadow.ID, request []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.delete(id, request)
}

func (s *Service) delete(id shadow.ID, request []byte) ([]byte, error) {
	if err := s.admit(id); err != nil {
		return nil, err
	}
	d := s.records[id].Document
	if d == nil {
		return nil, missing(id)
	}
	if err := s.store(Record{ID: id, Version: d.Version + 1}); err != nil {
		return nil, err
	}
	accepted := d.DeletedFromCloud(shadowdoc.ClientToken(request), s.now())
	s.cfg.Publish(id.Topic("/delete/accepted"), accepted)
	return accepted, nil
}

// room reports whether a further shadow has a place, for which it gives up what is
// remembered of deleted ones, the oldest first. The caller holds mu.
func (s *Service) room() bool {
	if len(s.records) < s.cfg.Most {
		return true
	}
	var deleted []Record
	for _, r := range s.records {
		if r.Document == nil {
			deleted = append(deleted, r)
		}
	}
	if len(deleted) == 0 {
		return false
	}
	slices.SortFunc(deleted, func(a, b Record) int { return a.Changed.Compare(b.Changed) })
	for _, r := range deleted[:min(len(deleted), max(1, s.cfg.Most/100))] {
		if err := s.files.remove(r.ID); err != nil {
			s.cfg.Logger.Error("deleted shadow cannot be forgotten", "shadow", r.ID.String(), "err", err)
			return false
		}
		delete(s.records, r.ID)
	}
	return true
}

func (s *Service) store(r Record) error {
	r.Changed = s.cfg.Now()
	if err := s.files.save(r); err != nil {
		s.cfg.Logger.Error("shadow cannot be stored", "shadow", r.ID.String(), "err", err)
		return errInternal
	}
	s.records[r.ID] = r
	return nil
}

func (s *Service) now() int64 { return s.cfg.Now().Unix() }

// Records are all shadows that exist, by thing and name.
func (s *Service) Records() []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	var records []Record
	for _, r := range s.records {
		if r.Document != nil {
			records = append(records, r)
		}
	}
	slices.SortFunc(records, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.ID.Thing, b.ID.Thing), cmp.Compare(a.ID.Name, b.ID.Name))
	})
	return records
}

// refusalOf is what a request was refused with.
func refusalOf(err error) *shadowdoc.Refusal {
	if refusal, ok := errors.AsType[*shadowdoc.Refusal](err); ok {
		return refusal
	}
	return errInternal
}
