package engine

import (
	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// property is one configured key of a shadow.
type property struct {
	*core
	config.Property
	shadow  string // the label of the shadow
	id      shadow.ID
	key     string
	replica *replica.Replica
	// identity is the key in the memory.
	identity string

	// read means this run or an earlier one read the shadow with this property
	// configured. The memory is then at least as new as the reported value.
	read bool
	// retyped is when the key changed to this kind, in seconds since the epoch, until
	// the shadow is read; else 0. Earlier requests and reports concern the old kind.
	retyped int64
	// withdraws means the shadow may still report a value of the key's old kind.
	withdraws bool
	// ahead is when the last request was written, in seconds since the epoch, if the
	// service's clock was ahead of the device's, else 0.
	ahead int64
}

// name returns the name used in messages.
func (p *property) name() string { return p.shadow + "/" + p.key }

func (p *property) report(value any) { p.replica.Report(p.key, value) }

func (p *property) acknowledge(code shadow.Code, reason string) {
	p.replica.Acknowledge(p.key, code, reason)
}

// kind is the behavior of a property. Each kind has a file kind_*.go and a line in the
// table of kinds.go. [plain] provides the methods a kind leaves out.
type kind interface {
	base() *property

	// resume restores the state remembered by an earlier run or the previous
	// configuration.
	resume(saved state.Property)
	// adopt takes over the live state of the same property under the previous
	// configuration; old has the same kind.
	adopt(old kind)
	// remember adds the state for a later run.
	remember(saved state.Property) state.Property
	// drop ends activity when the configuration drops the property.
	drop()

	// shadowRead is called when the document was read. Its reported values may be newer
	// than the memory. Requests follow.
	shadowRead()
	// applyRequest carries out or rejects a request. Lines follow with the next drive.
	applyRequest(r replica.Request)
	// withdrawn is called when the request was withdrawn.
	withdrawn()
	// stored is called when a proposed value is in the shadow; a nil value means a
	// cleared request.
	stored(value any)
	// isCommand reports whether a request is carried out once and then cleared.
	isCommand() bool
	// differs reports whether the device certainly differs from the request.
	differs(value any, settled bool) bool

	// show reports the current value.
	show()
	// tick does due work.
	tick()
	// flush reports held-back values before the component stops.
	flush()
	// value returns the value compared by alarms. known is false if there is none.
	value() (v any, known bool)
}

// plain is a property without requests.
type plain struct{ *property }

func (p plain) base() *property                            { return p.property }
func (plain) resume(state.Property)                        {}
func (plain) adopt(kind)                                   {}
func (plain) remember(saved state.Property) state.Property { return saved }
func (plain) drop()                                        {}
func (plain) shadowRead()                                  {}
func (plain) withdrawn()                                   {}
func (plain) stored(any)                                   {}
func (plain) isCommand() bool                              { return false }
func (plain) differs(_ any, same bool) bool                { return !same }
func (plain) show()                                        {}
func (plain) tick()                                        {}
func (plain) flush()                                       {}
func (plain) value() (any, bool)                           { return nil, false }

func (p plain) applyRequest(replica.Request) {
	reason := "it only shows a reading"
	if p.Line != "" {
		reason = "line " + p.Line + " is an input"
	}
	p.acknowledge(shadow.Refused, reason)
}
