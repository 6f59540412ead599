// Package client is the application's side of device shadows: it sets desired values
// and learns what devices answer, over the interfaces that AWS IoT has for that. It
// knows nothing of lines, and works with any device that keeps the shadow contract.
package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// Service is the device shadow service, over one of its transports: [REST], [MQTT] or
// [Core]. Its methods may be called from any goroutine. A refusal is an [*Error].
type Service interface {
	// Get returns the text of a document, as it came.
	Get(ctx context.Context, id shadow.ID) ([]byte, error)
	// Update changes a shadow, and returns the version of the new document.
	Update(ctx context.Context, id shadow.ID, u shadow.Update) (version int64, err error)
	Delete(ctx context.Context, id shadow.ID) error
	// List returns the names of the named shadows of a thing, in order.
	List(ctx context.Context, thing string) ([]string, error)
	// Follow begins to follow a shadow: no change after it returns is missed, but
	// several in a row may be seen as one. The follower must be closed.
	Follow(ctx context.Context, id shadow.ID) (Follower, error)
	// Close ends connections, and what uses them.
	Close() error

	// follow is Follow with a follower that sends its requests by another service.
	follow(ctx context.Context, id shadow.ID, by Service) (Follower, error)
}

// Follower sees the documents of one shadow, for one goroutine.
type Follower interface {
	// Next returns the present document at first, then waits for a later one each
	// time. A shadow that does not exist is the zero document.
	Next(ctx context.Context) (shadow.Document, error)
	Close()
}

// Error is a refusal by the service.
type Error struct {
	Code    int // of the device shadow service, those of HTTP
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("%d %s", e.Code, e.Message) }

// NotFound reports whether a request was refused since there is no such shadow.
func NotFound(err error) bool { return hasCode(err, http.StatusNotFound) }

// Document reads a shadow. One that does not exist is the zero document.
func Document(ctx context.Context, s Service, id shadow.ID) (shadow.Document, error) {
	payload, err := s.Get(ctx, id)
	if NotFound(err) {
		return shadow.Document{}, nil
	} else if err != nil {
		return shadow.Document{}, err
	}
	return shadow.ParseDocument(payload)
}

// operation names a request in an error.
func operation(name string, id shadow.ID, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s shadow %v: %w", name, id, err)
}
