package engine

import (
	"maps"
	"slices"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// boundShadow is one shadow of the configuration with its properties: the owner of
// its replica.
type boundShadow struct {
	*core
	label       string
	id          shadow.ID
	replica     *replica.Replica
	props       map[string]kind
	keys        []string // those that the configuration has reported, sorted
	showsStatus bool
}

// newShadow binds a replica to the properties of a shadow.
func newShadow(c *core, label string, cfg config.Shadow, replicas *replica.Set) *boundShadow {
	s := &boundShadow{core: c, label: label, id: cfg.ID, props: map[string]kind{}, showsStatus: cfg.Status}
	s.replica = replicas.Open(cfg.ID, s)
	s.keys = slices.Collect(maps.Keys(cfg.Properties))
	if cfg.Status {
		s.keys = append(s.keys, shadow.StatusKey)
	}
	slices.Sort(s.keys)
	return s
}

// add binds a property, which is not resumed yet.
func (s *boundShadow) add(key string, p config.Property, alarms map[string]*alarm) kind {
	k := kinds[p.Kind].make(&property{
		core: s.core, Property: p, shadow: s.label, id: s.id, key: key, replica: s.replica,
		identity: state.PropertyID(s.id, key, p.Kind.String()),
	}, alarms)
	s.props[key] = k
	return k
}

func (s *boundShadow) Owns(key string) bool {
	return s.props[key] != nil || key == shadow.StatusKey && s.showsStatus
}

func (s *boundShadow) IsCommand(key string) bool {
	k := s.props[key]
	return k != nil && k.isCommand()
}

func (s *boundShadow) Differs(key string, value any, settled bool) bool {
	k := s.props[key]
	return k != nil && k.differs(value, settled)
}

func (s *boundShadow) Read() {
	for _, key := range sortedKeys(s.props) {
		k := s.props[key]
		k.shadowRead()
		if p := k.base(); !p.read {
			p.read = true
			s.saveWithin(0) // before it is reported: what is counted is not to be added to it again
		}
	}
}

func (s *boundShadow) Requested(key string, r replica.Request) {
	if k := s.props[key]; k != nil {
		k.obey(r)
		if k.base().ahead = 0; r.At > s.clock.latest(s.now).Unix() {
			k.base().ahead = r.At
		}
		return
	}
	s.replica.Acknowledge(key, shadow.NoProperty, "no such property")
}

func (s *boundShadow) Withdrawn(key string) {
	if k := s.props[key]; k != nil {
		k.withdrawn()
	}
}

// Told drives the lines. All that was requested of another kind is concluded by then.
func (s *boundShadow) Told() {
	s.drive()
	for _, k := range s.props {
		if p := k.base(); p.retyped != 0 {
			p.retyped = 0
			s.saveWithin(saveDelay)
		}
	}
}

func (s *boundShadow) Stored(key string, value any) {
	if k := s.props[key]; k != nil {
		k.stored(value)
	}
}

// reportStatus reports the status where it is shown.
func (s *boundShadow) reportStatus(status func() map[string]any) {
	if s.showsStatus {
		s.replica.Report(shadow.StatusKey, status())
	} else if s.replica.Wanted(shadow.StatusKey) != nil {
		s.replica.Report(shadow.StatusKey, nil)
	}
}

// reported are the keys that the shadow may report, sorted: those that are
// configured, and those that were not seen to be gone.
func (s *boundShadow) reported() []string {
	gone := slices.DeleteFunc(s.replica.Unfinished(), s.Owns)
	if len(gone) == 0 {
		return s.keys
	}
	keys := slices.Concat(s.keys, gone)
	slices.Sort(keys)
	return keys
}
