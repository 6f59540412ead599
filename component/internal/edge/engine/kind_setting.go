package engine

import (
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// setting holds the last accepted value.
type setting struct {
	plain
	adopted any // as requested, nil for nothing: the default may change later
	inForce any // with defaults; nil for nothing
}

func newSetting(p *property) kind { return &setting{plain: plain{p}} }

func (s *setting) resume(saved state.Property) { s.put(saved.Setting) }

func (s *setting) remember(saved state.Property) state.Property {
	saved.Setting = s.adopted
	return saved
}

// put puts a value in force and reports it. A value outside the configured bounds gives
// way to the default.
func (s *setting) put(adopted any) {
	value, err := s.Initial(adopted)
	if err != nil {
		s.log.Warn("remembered setting does not fit any more; its default is in force", "shadow", s.id, "property", s.key, "error", err)
	}
	s.adopted, s.inForce = adopted, value
	s.report(value)
}

// shadowRead recovers a value from the shadow if the memory lost it.
func (s *setting) shadowRead() {
	held := s.replica.Held(s.key)
	if desired, _ := s.replica.Desired(s.key); s.read || s.retyped != 0 || held == nil || desired != nil || shadow.Equal(held, s.inForce) {
		return
	}
	if adopted, err := s.ParseSetting(held, nil); err == nil {
		s.log.Info("setting taken from the shadow, since none is remembered", "shadow", s.id, "property", s.key, "value", held)
		s.put(adopted)
		s.saveWithin(saveDelay)
	}
}

func (s *setting) show() { s.report(s.inForce) }

// applyRequest adopts a requested value.
func (s *setting) applyRequest(r replica.Request) {
	adopted, err := s.ParseSetting(r.Value, s.adopted)
	if err != nil {
		s.acknowledge(shadow.Refused, err.Error())
		return
	}
	s.adopted = adopted
	s.inForce, _ = s.Initial(adopted) // the error concerns members already logged by resume
	s.report(s.inForce)
	s.saveWithin(saveDelay)
	s.acknowledge(shadow.Done, "")
}

// differs compares scalars only: an object is reported with its defaults.
func (s *setting) differs(value any, settled bool) bool {
	_, object := value.(map[string]any)
	return !object && !settled
}

func (s *setting) value() (any, bool) { return s.inForce, s.inForce != nil }
