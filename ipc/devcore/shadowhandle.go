package devcore

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// DefaultPrincipal is who the requests of [Core.Shadows] come from.
const DefaultPrincipal = "shadowctl"

// Shadows is the core's own hand on its shadows. What is done with it is
// published and observed like the request of a component, but neither policies
// nor rate limits apply.
//
// Errors are those that a component gets, of type *[server.Error].
type Shadows struct {
	service   *shadows
	principal string
}

// Shadows returns the hand on the shadows.
func (c *Core) Shadows() *Shadows { return &Shadows{c.shadows, DefaultPrincipal} }

// As returns a hand whose requests come from another principal.
func (h *Shadows) As(principal string) *Shadows { return &Shadows{h.service, principal} }

func (h *Shadows) request(op model.Operation, thing, shadow string, payload []byte) *shadowRequest {
	return &shadowRequest{
		ThingName: &thing, ShadowName: shadow, Payload: payload, operation: op, by: caller{h.principal, true},
	}
}

// Get returns the reply to a get. The classic shadow has the name "".
func (h *Shadows) Get(thing, shadow string) ([]byte, error) {
	return h.service.get(h.request(model.GetThingShadow, thing, shadow, nil))
}

// Update makes a change and returns the reply to it.
func (h *Shadows) Update(thing, shadow string, payload []byte) ([]byte, error) {
	return h.service.update(h.request(model.UpdateThingShadow, thing, shadow, payload))
}

// Delete deletes a shadow.
func (h *Shadows) Delete(thing, shadow string) error {
	return h.service.delete(h.request(model.DeleteThingShadow, thing, shadow, nil))
}

// List returns the names of all named shadows of a thing, in order.
func (h *Shadows) List(thing string) []string { return h.service.names(thing) }

// ChangeFromCloud makes a change as the synchronization with the cloud does: by
// the shadow manager, without version and client token. The state is the "state"
// member of the update.
func (h *Shadows) ChangeFromCloud(thing, shadow string, state json.RawMessage) error {
	payload, err := json.Marshal(map[string]json.RawMessage{"state": state})
	if err != nil {
		return fmt.Errorf("state from the cloud: %w", err)
	}
	_, err = h.As(serviceShadows).Update(thing, shadow, payload)
	return err
}

// DeleteFromCloud deletes a shadow as the synchronization with the cloud does.
func (h *Shadows) DeleteFromCloud(thing, shadow string) error {
	return h.As(serviceShadows).Delete(thing, shadow)
}

// Row is what is stored of a shadow.
type Row struct {
	Thing   string `json:"thingName"`
	Shadow  string `json:"shadowName"`
	Version int64  `json:"version"`
	Deleted bool   `json:"deleted,omitempty"` // a tombstone: there is only the version

	State    json.RawMessage `json:"state,omitempty"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
}

// Put stores a row as it is, in place of what was there. Nothing is published.
func (h *Shadows) Put(r Row) error {
	k := key{r.Thing, r.Shadow}
	if text := h.request(model.GetThingShadow, r.Thing, r.Shadow, nil).checkNames(); text != "" {
		return errors.New(text)
	}
	if r.Version < 1 {
		return fmt.Errorf("version of %s/%s: want above 0, got %d", r.Thing, r.Shadow, r.Version)
	}
	stored := &row{version: r.Version}
	if !r.Deleted {
		var err error
		if stored.document, err = document(r); err != nil {
			return fmt.Errorf("shadow %s/%s: %w", r.Thing, r.Shadow, err)
		}
	}
	defer h.service.lock(k)()
	return h.service.put(k, stored)
}

func document(r Row) (*shadowdoc.Document, error) {
	var members [2]shadowdoc.Value
	for i, text := range []json.RawMessage{r.State, r.Metadata} {
		if len(text) == 0 {
			continue
		}
		var err error
		if members[i], err = shadowdoc.Parse(text); err != nil {
			return nil, err
		}
	}
	return shadowdoc.NewDocument(r.Version, members[0], members[1])
}

// Row returns what is stored of a shadow, and false if nothing ever was.
func (h *Shadows) Row(thing, shadow string) (Row, bool) {
	stored := h.service.row(key{thing, shadow})
	if stored == nil {
		return Row{}, false
	}
	r := Row{Thing: thing, Shadow: shadow, Version: stored.version, Deleted: stored.document == nil}
	if d := stored.document; d != nil {
		r.State = shadowdoc.Append(nil, d.State())
		r.Metadata = shadowdoc.Append(nil, d.Metadata())
	}
	return r, true
}

// HoldRate acts as if n requests for a thing had just been made, which begins a new
// window of its rate limit. It lasts as long as is said instead of a second: a test
// that wants to be throttled need not hurry.
func (h *Shadows) HoldRate(thing string, n int, lasting time.Duration) {
	h.service.limit.spend(thing, n, lasting)
}
