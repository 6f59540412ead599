package engine

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// Inputs and effects of the engine as [confWorld] knows them. Start, Stop, Configure,
// Tick, Clock, Link, Saved and Save are those of the package.
type (
	inReady struct {
		claim  string
		values []bool
		held   bool
	}
	inWritten struct {
		claim  string
		values []bool
	}
	inFailed struct {
		claim   string
		request uint64
		err     error
	}
	inSeen struct {
		claim   string
		request uint64
		burst   lines.Burst
	}
	inLive    struct{ id shadow.ID }
	inLost    struct{ id shadow.ID }
	inDeleted struct{ id shadow.ID }
	inFetched struct {
		id      shadow.ID
		seq     uint64
		doc     shadow.Document
		outcome stormOutcome
		number  int // for the judge: number of the latest desired value that it may hold
	}
	inAccepted struct {
		id      shadow.ID
		message shadow.Accepted
		number  int // likewise
	}
	inUpdated struct {
		id      shadow.ID
		seq     uint64
		version int64
		outcome stormOutcome
	}
	inSampled struct {
		id          shadow.ID
		key, sensor string
		value       float64
	}

	outRequest struct {
		claim   string
		request uint64
		lines   []string // labels
		values  []*bool
	}
	outWrite struct {
		claim  string
		values []bool
	}
	outRelease struct {
		claim  string
		values []bool
	}
	outGuard struct {
		claim string
		off   bool
		at    time.Time
	}
	outFollow   struct{ id shadow.ID }
	outUnfollow struct{ id shadow.ID }
	outFetch    struct {
		id  shadow.ID
		seq uint64
	}
	outUpdate struct {
		id                shadow.ID
		seq               uint64
		token             string
		reported, desired map[string]any
		version           int64
	}
)

// stormOutcome is how a request to the shadow manager ended.
type stormOutcome = replica.Outcome

const (
	stormOK        = replica.OK
	stormMissing   = replica.Missing
	stormNotSent   = replica.NotSent
	stormThrottled = replica.Throttled
	stormUnknown   = replica.Unknown
	stormConflict  = replica.Conflict

	stormPerThing  = 16
	stormAllThings = 160
)

// stormEngine translates between [confWorld] and the engine.
type stormEngine struct {
	*Engine
}

func newStormEngine(cfg *config.Config, saved state.State, random *rand.Rand) *stormEngine {
	return &stormEngine{New(cfg, "1.0.0", saved, random, slog.New(slog.DiscardHandler))}
}

func (s *stormEngine) step(now time.Time, in any) (effects []any) {
	for _, e := range s.Step(now, s.input(in)) {
		if effect := s.effect(e); effect != nil {
			effects = append(effects, effect)
		}
	}
	return effects
}

var errStorm = errors.New("storm")

func (s *stormEngine) input(in any) Input {
	switch in := in.(type) {
	case inReady:
		return LinesReady{Claim: in.claim, Values: in.values, Held: in.held}
	case inWritten:
		return LinesWritten{Claim: in.claim, Values: in.values}
	case inFailed:
		return LinesFailed{Claim: in.claim, Request: in.request, Err: in.err}
	case inSeen:
		return LineSeen{Claim: in.claim, Request: in.request, Burst: in.burst}
	case inLive:
		return ShadowLive{ID: in.id}
	case inLost:
		return ShadowLost{in.id, errStorm}
	case inDeleted:
		return Deleted{in.id}
	case inAccepted:
		return Accepted{in.id, in.message}
	case inFetched:
		return replica.Fetched{ID: in.id, Seq: in.seq, Document: in.doc, Outcome: in.outcome, Err: failure(in.outcome)}
	case inUpdated:
		return replica.Updated{ID: in.id, Seq: in.seq, Version: in.version, Outcome: in.outcome, Err: failure(in.outcome)}
	case inSampled:
		return Sampled{ID: in.id, Property: in.key, Sensor: in.sensor, Value: in.value}
	}
	return in
}

func failure(outcome stormOutcome) error {
	if outcome == stormOK {
		return nil
	}
	return errStorm
}

func (s *stormEngine) effect(effect Effect) any {
	switch e := effect.(type) {
	case lines.Request:
		return outRequest{e.Claim, e.Request, e.Lines, e.Values}
	case lines.Write:
		return outWrite{e.Claim, e.Values}
	case lines.Release:
		return outRelease{e.Claim, e.Values}
	case lines.Guard:
		return outGuard{e.Claim, e.Off, e.At}
	case FollowShadow:
		return outFollow{e.ID}
	case UnfollowShadow:
		return outUnfollow{e.ID}
	case replica.Fetch:
		return outFetch{e.ID, e.Seq}
	case replica.Update:
		return outUpdate{e.ID, e.Seq, e.Token, e.Reported, e.Desired, e.Version}
	case Save:
		return e
	}
	return nil
}
