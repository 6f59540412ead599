package engine

import (
	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// property is one key of a shadow, as the configuration has it.
type property struct {
	*core
	config.Property
	shadow  string // its label
	id      shadow.ID
	key     string
	replica *replica.Replica
	// identity is how the memory knows the property.
	identity string

	// read tells that the shadow was read with this property, by this run or an
	// earlier one: what it reports is no newer than what is remembered.
	read bool
	// retyped is when the key became one of this kind, in seconds since the epoch, if it
	// was of another kind before and the shadow was not read since; else 0. Requests and
	// reports up to then are of the other kind.
	retyped int64
	// ahead is when the last request was written, in seconds since the epoch, if the
	// service's clock was ahead of the device's, else 0.
	ahead int64
}

// name is how people know the property.
func (p *property) name() string { return p.shadow + "/" + p.key }

func (p *property) report(value any) { p.replica.Report(p.key, value) }

func (p *property) acknowledge(code shadow.Code, reason string) {
	p.replica.Acknowledge(p.key, code, reason)
}

// kind is what a property does. Each kind is a file, kind_*.go, and a line in the
// table of kinds.go; [plain] has the methods that a kind leaves out.
type kind interface {
	base() *property

	// resume takes up what an earlier run, or the configuration before, remembered.
	resume(saved state.Property)
	// adopt carries on from the same property under the configuration before; old is
	// of the same kind.
	adopt(old kind)
	// remember adds what a later run has to know.
	remember(saved state.Property) state.Property
	// drop ends what is under way, since the configuration no longer has the property.
	drop()

	// shadowRead tells that the document was read: what it reports may be newer than
	// the memory. Requests follow.
	shadowRead()
	// obey carries out a request, or rejects it. Lines follow with the next drive.
	obey(r replica.Request)
	// withdrawn tells that nothing is requested any more.
	withdrawn()
	// stored tells that a proposed value is in the shadow; nil: that the request is cleared.
	stored(value any)
	// isCommand reports whether a request is carried out once and then cleared.
	isCommand() bool
	// differs reports whether the device is known not to be as requested.
	differs(value any, settled bool) bool

	// show reports what the property is now.
	show()
	// tick does what has become due.
	tick()
	// flush reports what an interval held back, since the component stops.
	flush()
	// value is what an alarm compares. known is false while there is none.
	value() (v any, known bool)
}

// plain is a property that shows something and takes no requests.
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

func (p plain) obey(replica.Request) {
	reason := "it only shows a reading"
	if p.Line != "" {
		reason = "line " + p.Line + " is an input"
	}
	p.acknowledge(shadow.Refused, reason)
}
