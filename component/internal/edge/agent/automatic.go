package agent

import (
	"context"
	"sync"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/ipc"
)

// automatic is the [transport] that the nucleus has. A classic nucleus without a
// shadow manager is waited for to get one: shadows that were written past it would
// meet those that it synchronizes.
type automatic struct {
	kind            *nucleusKind
	manager, topics transport
}

func (t *automatic) follow(f *feed) {
	if _, err := t.kind.isLite(f.ctx); err == nil {
		t.way().follow(f)
	}
}

func (t *automatic) get(ctx context.Context, id shadow.ID) ([]byte, error) {
	return t.way().get(ctx, id)
}

func (t *automatic) update(ctx context.Context, id shadow.ID, token string, update []byte) ([]byte, error) {
	return t.way().update(ctx, id, token, update)
}

// way does not wait: before the nucleus was asked there is no connection to it, which
// either way says.
func (t *automatic) way() transport {
	if t.kind.knownLite() {
		return t.topics
	}
	return t.manager
}

// nucleusKind finds out, once, whether the nucleus is lite.
type nucleusKind struct {
	session *ipc.Session
	work    *sync.WaitGroup
	ctx     context.Context // of the agent
	once    sync.Once
	known   chan struct{} // closed when lite is
	lite    bool
}

// isLite waits for the nucleus as long as ctx does.
func (k *nucleusKind) isLite(ctx context.Context) (bool, error) {
	k.once.Do(func() { k.work.Go(k.ask) })
	select {
	case <-k.known:
		return k.lite, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// knownLite does not wait.
func (k *nucleusKind) knownLite() bool {
	select {
	case <-k.known:
		return k.lite
	default:
		return false
	}
}

// ask asks until there is an answer.
func (k *nucleusKind) ask() {
	for {
		_, changed := k.session.Watch()
		lite, err := k.session.Lite(k.ctx)
		if err == nil {
			k.lite = lite
			close(k.known)
			return
		}
		select {
		case <-changed:
		case <-time.After(time.Second):
		case <-k.ctx.Done():
			return
		}
	}
}
