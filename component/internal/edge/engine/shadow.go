package engine

import (
	"maps"
	"slices"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// boundShadow is one configured shadow with its properties, and owns the replica.
type boundShadow struct {
	*core
	label       string
	id          shadow.ID
	replica     *replica.Replica
	props       map[string]kind
	keys        []string // the configured keys, sorted
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

// add binds a property without restoring its state.
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
			s.saveWithin(0) // save before the report, so a later run does not add the same count again
		}
	}
}

func (s *boundShadow) Requested(key string, r replica.Request) {
	if k := s.props[key]; k != nil {
		k.applyRequest(r)
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

// RequestsDelivered drives the lines. Requests for another kind have been concluded by
// now.
func (s *boundShadow) RequestsDelivered() {
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

// reportStatus reports the status in the configured shadow.
func (s *boundShadow) reportStatus(status func() map[string]any) {
	if s.showsStatus {
		s.replica.Report(shadow.StatusKey, status())
	} else if s.replica.Wanted(shadow.StatusKey) != nil {
		s.replica.Report(shadow.StatusKey, nil)
	}
}

// reported returns, sorted, the keys the shadow may report: the configured keys, and
// keys not yet known to be deleted.
func (s *boundShadow) reported() []string {
	gone := slices.DeleteFunc(s.replica.Unfinished(), s.Owns)
	if len(gone) == 0 {
		return s.keys
	}
	keys := slices.Concat(s.keys, gone)
	slices.Sort(keys)
	return keys
}
