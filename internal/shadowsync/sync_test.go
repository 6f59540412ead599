package shadowsync

import (
	"context"
	"testing"

	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
)

var key = Key{Thing: "T"}

const limit = 8192

// device is the local side with one shadow.
type device struct {
	t    *testing.T
	sync *Sync
	doc  *shadowdoc.Document
	// answer is what a component makes of the next update, as soon as it is stored.
	answer string
}

func (d *device) Document(Key) *shadowdoc.Document { return d.doc }

func (d *device) Version(Key) int64 { return d.doc.Version }

func (d *device) Update(_ Key, payload []byte) (*shadowdoc.Document, error) {
	u, err := shadowdoc.ParseUpdate(payload)
	if err != nil {
		d.t.Fatal(err)
	}
	c, err := shadowdoc.Apply(d.doc, u, 1, limit, shadowdoc.Faithful)
	if err != nil {
		d.t.Fatal(err)
	}
	d.doc = c.After
	d.sync.LocalUpdate(key, payload, c.After)
	if next := d.answer; next != "" {
		d.answer = ""
		d.Update(key, []byte(next))
	}
	return c.After, nil
}

func (d *device) Delete(Key) error { return ErrNotFound }

// cloud is the other side.
type cloud struct {
	t    *testing.T
	sync *Sync
	doc  *shadowdoc.Document
	// meanwhile happens while the next update is under way.
	meanwhile func()
}

func (c *cloud) GetThingShadow(context.Context, string, string) ([]byte, error) {
	if c.doc == nil {
		return nil, ErrNotFound
	}
	return c.doc.Got(1), nil
}

func (c *cloud) UpdateThingShadow(_ context.Context, _, _ string, payload []byte) ([]byte, error) {
	if f := c.meanwhile; f != nil {
		c.meanwhile = nil
		f()
	}
	u, err := shadowdoc.ParseCloudUpdate(payload)
	if err != nil {
		c.t.Fatal(err)
	}
	change, err := shadowdoc.ApplyCloud(c.doc, 0, u, 1, limit)
	if err != nil {
		return nil, ErrConflict
	}
	c.doc = change.After
	accepted := change.Accepted(1)
	c.sync.CloudUpdate(key, accepted)
	return accepted, nil
}

func (c *cloud) DeleteThingShadow(context.Context, string, string) error { return ErrNotFound }

func newSides(t *testing.T) (*Sync, *device, *cloud) {
	t.Helper()
	d, c := &device{t: t}, &cloud{t: t}
	s, err := New(Config{Shadows: []Key{key}}, d, c)
	if err != nil {
		t.Fatal(err)
	}
	d.sync, c.sync, s.running = s, s, true
	return s, d, c
}

func (s *Sync) settle(t *testing.T) { s.drain(t.Context()) }

func same(t *testing.T, d *device, c *cloud) {
	t.Helper()
	if !shadowdoc.Equal(d.doc.State(), c.doc.State()) {
		t.Errorf("the device has %s, the cloud %s", d.doc.JSON(), c.doc.JSON())
	}
}

// TestReportDuringTheUpdateOfTheDevice has a component report before the
// synchronization has noted what it has just written.
func TestReportDuringTheUpdateOfTheDevice(t *testing.T) {
	s, d, c := newSides(t)
	d.Update(key, []byte(`{"state":{"reported":{"lamp":"off"}}}`))
	s.settle(t)
	same(t, d, c)
	d.answer = `{"state":{"reported":{"lamp":"on"}}}`
	if _, err := c.UpdateThingShadow(t.Context(), "T", "", []byte(`{"state":{"desired":{"lamp":"on"}}}`)); err != nil {
		t.Fatal(err)
	}
	s.settle(t)
	same(t, d, c)
	if lamp, _ := c.doc.Reported.Get("lamp"); lamp != "on" {
		t.Errorf("the cloud's lamp is %v, want on", lamp)
	}
}

// TestReportDuringTheUpdateOfTheCloud has a component report again while its first
// report is on its way.
func TestReportDuringTheUpdateOfTheCloud(t *testing.T) {
	s, d, c := newSides(t)
	d.Update(key, []byte(`{"state":{"reported":{"lamp":"off","n":1}}}`))
	s.settle(t)
	c.meanwhile = func() { d.Update(key, []byte(`{"state":{"reported":{"n":3}}}`)) }
	d.Update(key, []byte(`{"state":{"reported":{"lamp":"on"}}}`))
	s.settle(t)
	same(t, d, c)
}

// TestReportsThatWaitAreOne has the last of several reports count.
func TestReportsThatWaitAreOne(t *testing.T) {
	s, d, c := newSides(t)
	d.Update(key, []byte(`{"state":{"reported":{"n":1}}}`))
	d.Update(key, []byte(`{"state":{"reported":{"n":2,"lamp":"on"}}}`))
	s.settle(t)
	same(t, d, c)
	if c.doc.Version != 1 {
		t.Errorf("%d updates of the cloud, want 1", c.doc.Version)
	}
	d.Update(key, []byte(`{"state":{"reported":{"n":3}}}`))
	s.settle(t)
	same(t, d, c)
}
