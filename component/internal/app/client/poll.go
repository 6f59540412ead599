package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// The pauses between the questions of a poller: quick answers are seen quickly, a
// device that is away costs a request every few seconds. Where requests are
// limited, questions do not take the turns of those that change something.
const (
	firstPoll  = 50 * time.Millisecond
	sparedPoll = 500 * time.Millisecond
	lastPoll   = 2 * time.Second
)

// poller follows a shadow by asking for it again and again.
type poller struct {
	service Service
	id      shadow.ID
	first   time.Duration // pause after a change
	version int64
	pause   time.Duration // 0 before the first question
}

// Next asks again also when the service is out of reach, but for the first time: then the
// error tells what is wrong with how it is reached.
func (p *poller) Next(ctx context.Context) (shadow.Document, error) {
	var lost error
	for begin := p.pause == 0; ; begin = false {
		select {
		case <-time.After(p.pause):
		case <-ctx.Done():
			return shadow.Document{}, unreachable(ctx.Err(), lost)
		}
		p.pause = min(max(p.first, p.pause*3/2), lastPoll)
		doc, err := Document(ctx, p.service, p.id)
		switch {
		case err == nil:
			lost = nil
		case begin || !passing(err):
			return doc, err
		case ctx.Err() != nil:
			return doc, unreachable(ctx.Err(), lost)
		default:
			lost = err
			continue
		}
		if begin || doc.Version != p.version {
			p.version, p.pause = doc.Version, p.first
			return doc, nil
		}
	}
}

func (p *poller) Close() {}

// passing reports whether a request may succeed that is sent again: the service was out of
// reach, or failed.
func passing(err error) bool {
	refusal, ok := errors.AsType[*Error](err)
	return !ok || refusal.Code >= http.StatusInternalServerError
}

// Unreachable is the end of waiting for a service that was out of reach in the end.
type Unreachable struct {
	end  error // of the context
	Lost error // why it was out of reach
}

func unreachable(end, lost error) error {
	if lost == nil {
		return end
	}
	return &Unreachable{end, lost}
}

func (e *Unreachable) Error() string {
	return fmt.Sprintf("the shadow service is out of reach: %v", e.Lost)
}
func (e *Unreachable) Unwrap() []error { return []error{e.end, e.Lost} }
