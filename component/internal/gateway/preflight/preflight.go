// Package preflight judges what is to become the configuration of a gateway, before
// anything is touched: a configuration, a component recipe for its default
// configuration, or a deployment for the configuration that it leads to. Against the
// chips of a machine, too, without requesting a line.
package preflight

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/internal/yamltree"
)

// ComponentName is what our component is called unless somebody renamed it.
const ComponentName = "io.shadowgpio.ShadowGpio"

// Kind is what a document is.
type Kind string

// The kinds.
const (
	Configuration Kind = "configuration"
	Recipe        Kind = "recipe"
	Deployment    Kind = "deployment"
)

// Kinds are all kinds.
var Kinds = []Kind{Configuration, Recipe, Deployment}

// Question is what is to be judged.
type Question struct {
	Document []byte // YAML or JSON
	As       Kind   // "" is by content

	// Of deployments. Present is the configuration in force, nil for none, and
	// Recipe the recipe whose defaults fill what is missing, nil for none.
	Component       string // "" is ComponentName
	Present, Recipe []byte

	Thing string // the core device
}

// Fault is one thing that is wrong.
type Fault struct {
	Path string `json:"path"`
	Want string `json:"want"`
	Got  string `json:"got"`
	Hint string `json:"hint,omitempty"`
}

func (f Fault) String() string {
	return (&config.FieldError{Path: f.Path, Want: f.Want, Got: f.Got, Hint: f.Hint}).Error()
}

// Report is the judgement.
type Report struct {
	Kind   Kind     `json:"kind"`
	Faults []Fault  `json:"faults"`
	Notes  []string `json:"notes,omitempty"` // worth knowing, and no faults

	Config *config.Config `json:"-"` // nil where there are faults
}

// Judge judges a document. The error says that it is none of the three, or that a
// file beside it cannot be read.
func Judge(q Question) (*Report, error) {
	tree, unreadable := readTree(q.Document)
	faults := yamltree.Faults(unreadable)
	if unreadable != nil && len(faults) == 0 {
		return nil, unreadable
	}
	j := judge{Question: q, report: &Report{Kind: cmp.Or(q.As, recognise(tree)), Faults: []Fault{}}}
	j.Component = cmp.Or(q.Component, ComponentName)
	if j.report.Kind != Deployment && (q.Present != nil || q.Recipe != nil) {
		return nil, fmt.Errorf("a %s is no deployment: only that has a configuration before it, or the defaults of a recipe", j.report.Kind)
	}
	var err error
	switch j.report.Kind {
	case Configuration:
		j.parse("", q.Document)
	case Recipe:
		j.unreadable("", faults)
		j.recipe(tree)
	case Deployment:
		if j.unreadable("", faults); len(faults) == 0 {
			err = j.deployment(tree)
		}
	default:
		err = fmt.Errorf("want one of %v, got %q", Kinds, q.As)
	}
	if err != nil {
		return nil, err
	}
	if len(j.report.Faults) > 0 {
		j.report.Config = nil
	}
	slices.SortStableFunc(j.report.Faults, func(a, b Fault) int { return cmp.Compare(a.Path, b.Path) })
	return j.report, nil
}

type judge struct {
	Question
	report *Report
}

func (j *judge) fault(path, want, got, hint string) {
	j.report.Faults = append(j.report.Faults, Fault{path, want, got, hint})
}

// unreadable names what could not be read of a document.
func (j *judge) unreadable(path string, faults []*yamltree.Fault) {
	for _, f := range faults {
		j.fault(cmp.Or(strings.Trim(path+"."+f.Path, "."), string(j.report.Kind)), f.Want, f.Got, "")
	}
}

func (j *judge) note(format string, args ...any) {
	j.report.Notes = append(j.report.Notes, fmt.Sprintf(format, args...))
}

// parse judges a configuration that stands under path.
func (j *judge) parse(path string, text []byte) {
	cfg, err := config.Parse(text, j.Thing)
	if err == nil {
		j.report.Config = cfg
		return
	}
	for _, e := range config.Faults(err) {
		if path != "" {
			e.Path = path + "." + e.Path
		}
		j.fault(e.Path, e.Want, e.Got, e.Hint)
	}
	var fault *config.FieldError
	if !errors.As(err, &fault) {
		j.fault(cmp.Or(path, "configuration"), "YAML or JSON, one document", err.Error(), "")
	}
}
