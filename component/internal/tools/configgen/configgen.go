// Package configgen generates random valid configurations, and random steps from one
// valid configuration to another. Tests use it: the storms of package engine and those
// over real processes.
//
// Everything follows from the seed: the same seed gives the same texts. Names come from
// small pools, so a step often meets a name, a line or a key with another role in an
// earlier configuration.
//
// Each [Step] lists the lines and properties whose configuration it changes. A step
// with only new labels lists nothing. Everything else has to continue as if the step
// had not been made.
package configgen

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// Device is the thing name of the core device in the configurations.
const Device = "gw"

// Generator holds a configuration and changes it. It is not safe for concurrent use.
type Generator struct {
	random  *rand.Rand
	model   *model
	earlier []version // oldest first, without the present configuration
}

// version is a replaced configuration, and the step to the next.
type version struct {
	model *model
	next  Step
}

// Step is a change from one valid configuration to another.
type Step struct {
	Kind string // an element of [StepKinds]
	Text string // for people: "relabel line lamp to pump"

	// Lines and Properties are affected by the step, each sorted and without
	// duplicates. A property with a changed identity is listed under the old and the
	// new identity.
	Lines      []gpio.Ref
	Properties []PropertyID
}

// PropertyID is the identity of a property, independent of labels. The status of the
// component counts as a property with the key [shadow.StatusKey] and the kind
// [config.Level].
type PropertyID struct {
	Shadow shadow.ID
	Key    string
	Kind   config.Kind
}

func (id PropertyID) String() string {
	return fmt.Sprintf("%v %s (%v)", id.Shadow, id.Key, id.Kind)
}

// New makes a generator with a first configuration.
func New(seed uint64) *Generator {
	g := &Generator{random: rand.New(rand.NewPCG(seed, 0x5eed))}
	g.model = first(g.random)
	return g
}

// Text returns the present configuration as YAML.
func (g *Generator) Text() string { return g.model.text() }

// JSON returns the present configuration as JSON.
func (g *Generator) JSON() string { return g.model.json() }

// Step replaces the configuration.
func (g *Generator) Step() Step {
	for {
		kind := pick(g.random, weighted)
		if len(g.model.lines) == 0 && len(g.earlier) > 0 && chance(g.random, 50) {
			kind = rollBack // restore a configuration after removing everything
		}
		c := &change{random: g.random, model: g.model.clone(), earlier: g.earlier}
		if !kind.make(c) {
			continue // nothing to change in this way
		}
		step := c.step(kind.name)
		g.earlier = append(g.earlier, version{g.model, step})
		g.model = c.model
		return step
	}
}

// StepKinds returns the kinds of steps, in a fixed order.
func StepKinds() []string {
	var names []string
	for _, k := range stepKinds {
		names = append(names, k.name)
	}
	return names
}

// change is a step under construction.
type change struct {
	random  *rand.Rand
	model   *model
	earlier []version

	texts      []string
	lines      []gpio.Ref
	properties []PropertyID
}

func (c *change) step(kind string) Step {
	slices.SortFunc(c.lines, compareRefs)
	slices.SortFunc(c.properties, comparePropertyIDs)
	return Step{
		Kind: kind, Text: strings.Join(c.texts, "; "),
		Lines: slices.Compact(c.lines), Properties: slices.Compact(c.properties),
	}
}

func compareRefs(a, b gpio.Ref) int {
	return cmp.Or(cmp.Compare(a.Chip, b.Chip), cmp.Compare(a.Line, b.Line))
}

func comparePropertyIDs(a, b PropertyID) int {
	return cmp.Or(cmp.Compare(a.Shadow.Thing, b.Shadow.Thing), cmp.Compare(a.Shadow.Name, b.Shadow.Name),
		cmp.Compare(a.Key, b.Key), cmp.Compare(a.Kind, b.Kind))
}

func (c *change) describe(format string, args ...any) {
	c.texts = append(c.texts, fmt.Sprintf(format, args...))
}

// aboutLine notes a changed line.
func (c *change) aboutLine(l *line) { c.lines = append(c.lines, l.ref()) }

// aboutProperty notes a changed property. Its output lines change with it, and the
// alarms watching it.
func (c *change) aboutProperty(s *shadowModel, p *property) {
	m := c.model
	c.properties = append(c.properties, m.propertyID(s, p))
	for _, id := range m.drives(p) {
		c.aboutLine(m.line(id))
	}
	for _, a := range m.alarms {
		if a.property == p.id || a.setting == p.id {
			c.aboutAlarm(a)
		}
	}
}

// aboutAlarm notes a changed alarm. Its output changes with it, and the properties
// showing it.
func (c *change) aboutAlarm(a *alarm) {
	m := c.model
	if a.output != 0 {
		c.aboutLine(m.line(a.output))
	}
	for _, s := range m.shadows {
		for _, p := range s.properties {
			if p.kind == config.Flag && p.alarm == a.id {
				c.properties = append(c.properties, m.propertyID(s, p))
			}
		}
	}
}

func (c *change) aboutInterlock(i *interlock) {
	for _, id := range i.lines {
		c.aboutLine(c.model.line(id))
	}
}

func (c *change) aboutShadow(s *shadowModel) {
	for _, p := range s.properties {
		c.aboutProperty(s, p)
	}
	if s.status {
		c.aboutStatus(s)
	}
}

func (c *change) aboutStatus(s *shadowModel) {
	c.properties = append(c.properties, PropertyID{Shadow: c.model.shadowID(s), Key: shadow.StatusKey})
}

// aboutIdentity notes a line with another identity. Everything naming the line changes
// with it.
func (c *change) aboutIdentity(l *line) {
	c.aboutLine(l)
	m := c.model
	for _, s := range m.shadows {
		for _, p := range s.properties {
			if slices.Contains(p.uses(), l.id) {
				c.aboutProperty(s, p)
			}
		}
	}
	for _, a := range m.alarms {
		if a.line == l.id || a.output == l.id {
			c.aboutAlarm(a)
		}
	}
	for _, k := range m.controls {
		if k.input == l.id {
			c.aboutLine(m.line(k.output))
		}
	}
	if i := m.interlockOf(l.id); i != nil {
		c.aboutInterlock(i)
	}
}

// pick picks an element of a non-empty list.
func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// oneOf picks one of its arguments.
func oneOf[T any](r *rand.Rand, from ...T) T { return pick(r, from) }

// some returns n of the elements, or all if there are fewer, in random order.
func some[T any](r *rand.Rand, from []T, n int) []T {
	from = slices.Clone(from)
	r.Shuffle(len(from), func(i, j int) { from[i], from[j] = from[j], from[i] })
	return from[:min(n, len(from))]
}

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }
