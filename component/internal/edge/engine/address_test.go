package engine

import (
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// Tests know shadows by their labels. These are the inputs and effects about shadows
// with a label in the place of the identity.
type (
	shadowLive struct{ Shadow string }
	shadowLost struct {
		Shadow string
		Err    error
	}
	shadowDeleted   struct{ Shadow string }
	messageAccepted struct {
		Shadow string
		shadow.Accepted
	}
	sensorSampled struct {
		Shadow, Property, Sensor string
		Value                    float64
		Unit                     string
		Err                      error
		NoData                   bool
	}
	documentFetched struct {
		Shadow   string
		Seq      uint64
		Document shadow.Document
		Outcome  replica.Outcome
		Err      error
	}
	updateAnswered struct {
		Shadow  string
		Seq     uint64
		Version int64
		Outcome replica.Outcome
		Err     error
	}
	sentFetch struct {
		Shadow string
		replica.Fetch
	}
	sentUpdate struct {
		Shadow string
		replica.Update
	}
)

// The outcomes, as tests name them.
const (
	OK           = replica.OK
	Missing      = replica.Missing
	NotSent      = replica.NotSent
	Throttled    = replica.Throttled
	Unknown      = replica.Unknown
	Invalid      = replica.Invalid
	TooLarge     = replica.TooLarge
	Unauthorized = replica.Unauthorized
	Conflict     = replica.Conflict
)

// address turns an input of a test into one of the engine.
func address(cfg *config.Config, in Input) Input {
	id := func(label string) shadow.ID { return cfg.Shadows[label].ID }
	switch in := in.(type) {
	case shadowLive:
		return ShadowLive{ID: id(in.Shadow)}
	case shadowLost:
		return ShadowLost{id(in.Shadow), in.Err}
	case shadowDeleted:
		return Deleted{id(in.Shadow)}
	case messageAccepted:
		return Accepted{id(in.Shadow), in.Accepted}
	case sensorSampled:
		return Sampled{ID: id(in.Shadow), Property: in.Property, Sensor: in.Sensor, Value: in.Value, Unit: in.Unit, Err: in.Err, NoData: in.NoData}
	case documentFetched:
		return replica.Fetched{ID: id(in.Shadow), Seq: in.Seq, Document: in.Document, Outcome: in.Outcome, Err: in.Err}
	case updateAnswered:
		return replica.Updated{ID: id(in.Shadow), Seq: in.Seq, Version: in.Version, Outcome: in.Outcome, Err: in.Err}
	}
	return in
}

// labeled turns an effect of the engine into one of a test.
func labeled(cfg *config.Config, effect Effect) Effect {
	label := func(id shadow.ID) string {
		for label, s := range cfg.Shadows {
			if s.ID == id {
				return label
			}
		}
		return id.String()
	}
	switch e := effect.(type) {
	case replica.Fetch:
		return sentFetch{label(e.ID), e}
	case replica.Update:
		return sentUpdate{label(e.ID), e}
	}
	return effect
}

// ack is the answer to the request of a key.
func (s *boundShadow) ack(key string) shadow.Ack {
	ack, _ := s.replica.Acknowledged(key)
	return ack
}

// reading reports whether the document of a shadow is being read.
func (r *rig) reading(name string) bool {
	return r.shadows[name].replica.View().Sync == replica.Reading
}

// What the replica keeps to itself and tests rely on.
const (
	firstFetch     = time.Second // the first pause after a failed fetch
	reportInterval = 200 * time.Millisecond
	perThing       = 16 // requests a second for one thing
)

// hasRemnant reports whether an object has a null or an empty object in it.
func hasRemnant(value any) bool {
	members, _ := value.(map[string]any)
	for _, member := range members {
		inner, object := member.(map[string]any)
		if member == nil || object && len(inner) == 0 || hasRemnant(member) {
			return true
		}
	}
	return false
}

func replicaUpdated(id shadow.ID, seq uint64, version int64) replica.Updated {
	return replica.Updated{ID: id, Seq: seq, Version: version}
}

func replicaFetched(t *testing.T, id shadow.ID, seq uint64, document string) replica.Fetched {
	t.Helper()
	doc, err := shadow.ParseDocument([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return replica.Fetched{ID: id, Seq: seq, Document: doc}
}
