package client

import (
	"context"
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

func (p *poller) Next(ctx context.Context) (shadow.Document, error) {
	for begin := p.pause == 0; ; begin = false {
		select {
		case <-time.After(p.pause):
		case <-ctx.Done():
			return shadow.Document{}, ctx.Err()
		}
		p.pause = min(max(p.first, p.pause*3/2), lastPoll)
		doc, err := Document(ctx, p.service, p.id)
		if err != nil {
			return doc, err
		}
		if begin || doc.Version != p.version {
			p.version, p.pause = doc.Version, p.first
			return doc, nil
		}
	}
}

func (p *poller) Close() {}
