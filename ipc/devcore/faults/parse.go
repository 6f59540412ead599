package faults

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// Parse reads a script. The error joins a *[FieldError] for every mistake, unless
// the text is no YAML at all.
func Parse(text []byte) (Script, error) {
	root, err := document(text)
	if err != nil {
		return Script{}, fmt.Errorf("script: %w", err)
	}
	m := &mistakes{lines: true}
	var script Script
	if root != nil {
		readScript(node{root, "", m}, &script)
	}
	if err := m.err(); err != nil {
		return Script{}, err
	}
	sortSteps(script.Steps)
	return script, nil
}

// ParseRule reads one rule, as a map in YAML or JSON or in the short form.
func ParseRule(text string) (Rule, error) {
	m := &mistakes{}
	root := &yaml.Node{Kind: yaml.ScalarNode, Value: text}
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		var err error
		if root, err = document([]byte(text)); err != nil || root == nil {
			return Rule{}, fmt.Errorf("rule: %w", err)
		}
	}
	rule := readRule(node{root, "", m})
	if err := m.err(); err != nil {
		return Rule{}, err
	}
	return rule, nil
}

// document is the value of the only document, nil if there is none.
func document(text []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("neither YAML nor JSON: %w", err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("want one document, got more after it")
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	return doc.Content[0], nil
}

func readScript(n node, script *Script) {
	if n.path = "script"; n.Kind == yaml.MappingNode {
		n.path = ""
	}
	n.fields([]string{"seed", "rules", "steps"}, map[string]func(node){
		"seed": func(n node) {
			v, err := strconv.ParseUint(n.Value, 10, 64)
			if script.Seed = v; err != nil || v == 0 {
				n.wrong("a whole number from 1")
			}
		},
		"rules": func(n node) { script.Rules = readRules(n) },
		"steps": func(n node) {
			n.each(func(n node) { script.Steps = append(script.Steps, readStep(n)) })
		},
	})
}

func readRules(n node) (rules []Rule) {
	n.each(func(n node) { rules = append(rules, readRule(n)) })
	return rules
}

func readStep(n node) (step Step) {
	found := n.fields([]string{"at", "add", "clear", "restart", "notReady"}, map[string]func(node){
		"at":       func(n node) { step.At = n.duration(0) },
		"add":      func(n node) { step.Add = readRules(n) },
		"restart":  func(n node) { step.Restart = n.duration(shortest) },
		"notReady": func(n node) { step.NotReady = n.duration(shortest) },
		"clear": func(n node) {
			if step.Clear = n.Value == "true"; !step.Clear {
				n.wrong("true")
			}
		},
	})
	if n.Kind != yaml.MappingNode {
		return step
	}
	if _, ok := found["at"]; !ok {
		n.mistake("the time at", "none", "")
	}
	delete(found, "at")
	if len(found) != 1 {
		n.mistake("exactly one of add, clear, restart, notReady", fmt.Sprintf("%d of them", len(found)), "")
	}
	return step
}

// ruleKeys are named in this order.
var ruleKeys = []string{
	"operation", "component", "match", "on", "skip", "times", "probability", "do", "delay", "for", "code", "message",
}

func readRule(n node) Rule {
	if n.Kind == yaml.ScalarNode {
		n = n.words()
	}
	r := Rule{Component: "*", Match: "*", Probability: 1}
	var on string
	duration := func(n node) { r.Duration = n.duration(shortest) }
	found := n.fields(ruleKeys, map[string]func(node){
		"operation":   func(n node) { r.Operation = readOperation(n) },
		"component":   func(n node) { r.Component = n.text("a component name, * for any characters") },
		"match":       func(n node) { r.Match = n.text("what to match, * for any characters") },
		"on":          func(n node) { on = n.choice("", []string{"request", "event"}) },
		"skip":        func(n node) { r.Skip = n.number() },
		"times":       func(n node) { r.Times = n.number() },
		"probability": func(n node) { r.Probability = n.share() },
		"do":          func(n node) { r.Do = Action(n.choice("", actions)) },
		"delay":       duration,
		"for":         duration,
		"code":        func(n node) { r.Code = model.ErrorCode(n.choice("", codes)) },
		"message":     func(n node) { r.Message = n.text("a text") },
	})
	if n.Kind == yaml.MappingNode {
		r.complete(n, found, on)
	}
	return r
}

func readOperation(n node) string {
	names := []string{"*"}
	for _, op := range model.Operations {
		names = append(names, op.Name)
	}
	return n.choice(`the name of an operation, such as UpdateThingShadow, or "*"`, names)
}

// codes are the modelled errors.
var codes = []string{
	string(model.Unauthorized), string(model.ServiceFailure), string(model.ResourceNotFound), string(model.InvalidArguments),
	string(model.Conflict), string(model.ComponentNotFound), string(model.FailedUpdateConditionCheck),
	string(model.InvalidArtifactsDirectoryPath), string(model.InvalidClientDeviceAuthToken), string(model.InvalidCredential),
	string(model.InvalidRecipeDirectoryPath), string(model.InvalidToken),
}

// complete fills in defaults, and checks that the members of a rule go together.
func (r *Rule) complete(n node, found map[string]node, on string) {
	for _, key := range []string{"operation", "do"} {
		if _, ok := found[key]; !ok {
			at(n, key).mistake("it, since every rule needs one", "none", "")
		}
	}
	t, known := traits[r.Do]
	if !known {
		return
	}
	r.Event = on == "event" || on == "" && !t.request
	switch {
	case r.Event && !t.event:
		found["on"].mistake("request, since "+string(r.Do)+" is done to requests", `"event"`, "")
	case !r.Event && !t.request:
		found["on"].mistake("event, since "+string(r.Do)+" is done to events", `"request"`, "")
	}
	r.checkOperation(n)
	r.checkValues(n, found, t)
}

// checkOperation looks whether the operation can have such a fault.
func (r *Rule) checkOperation(n node) {
	op, named := operationNamed(r.Operation)
	switch {
	case !named:
	case r.Event && op.Event == "":
		hint := ""
		if r.Do == Duplicate {
			hint = "a request is executed twice by redeliver"
		}
		at(n, "operation").mistake("an operation that has events", strconv.Quote(op.Name), hint)
	case r.Do == Redeliver && op.Event != "":
		at(n, "operation").mistake("an operation without events, which redeliver would mix up", strconv.Quote(op.Name), "")
	case r.Do == Throttle && !throttled(op.Name):
		at(n, "operation").mistake("an operation of the shadow manager, which alone throttles", strconv.Quote(op.Name), "")
	}
}

// checkValues looks for values that the action needs, or cannot have.
func (r *Rule) checkValues(n node, found map[string]node, t trait) {
	for _, key := range []string{"delay", "for", "code", "message"} {
		value, given := found[key]
		wanted := key == t.key || key == "message" && r.Do == Refuse
		switch {
		case given && !wanted:
			value.mistake("no such key with "+string(r.Do), value.show(), "")
		case given || !wanted || key == "message":
		case t.standard > 0:
			r.Duration = t.standard
		default:
			want := "a duration such as 2s"
			if key == "code" {
				want = "one of " + strings.Join(codes, ", ")
			}
			at(n, key).mistake(want+", which "+string(r.Do)+" needs", "none", "")
		}
	}
}

// at is the place of a member that may not be there.
func at(n node, key string) node {
	n.path = strings.TrimPrefix(n.path+"."+key, ".")
	return n
}
