package cloud

import (
	"context"
	"errors"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

// CoreDevice is the data plane as the synchronization of a development core uses
// it, without a network between.
func (c *Cloud) CoreDevice() devcore.Cloud { return dataPlane{c} }

type dataPlane struct{ cloud *Cloud }

func (p dataPlane) GetThingShadow(_ context.Context, thing, name string) ([]byte, error) {
	reply, err := p.cloud.Shadows.Get(shadow.ID{Thing: thing, Name: name}, nil)
	return reply, syncError(err)
}

func (p dataPlane) UpdateThingShadow(_ context.Context, thing, name string, payload []byte) ([]byte, error) {
	reply, err := p.cloud.Shadows.Update(shadow.ID{Thing: thing, Name: name}, payload)
	return reply, syncError(err)
}

func (p dataPlane) DeleteThingShadow(_ context.Context, thing, name string) error {
	_, err := p.cloud.Shadows.Delete(shadow.ID{Thing: thing, Name: name}, nil)
	return syncError(err)
}

// syncError is how the synchronization calls a refusal.
func syncError(err error) error {
	refusal, ok := errors.AsType[*shadowdoc.Refusal](err)
	if !ok {
		return err
	}
	switch refusal.Code {
	case 404:
		return devcore.ErrNotFound
	case 409:
		return devcore.ErrConflict
	case 429, 500, 503:
		return devcore.ErrBusy
	}
	return err
}
