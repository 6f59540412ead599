package faults

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// Action is what a rule does.
type Action string

// The actions, as the package documentation describes them.
const (
	Delay      Action = "delay"
	DelayReply Action = "delayReply"
	Refuse     Action = "refuse"
	Throttle   Action = "throttle"
	Drop       Action = "drop"
	DropReply  Action = "dropReply"
	Silence    Action = "silence"
	Reorder    Action = "reorder"
	Redeliver  Action = "redeliver"
	Duplicate  Action = "duplicate"
	Lose       Action = "lose"
	Restart    Action = "restart"
	NotReady   Action = "notReady"
)

// trait is what an action takes and to what it can be done.
type trait struct {
	key            string        // that its value in the short form belongs to, or ""
	standard       time.Duration // default of a duration; 0 has none
	request, event bool
	did            string // with the duration or code after it
}

var traits = map[Action]trait{
	Delay:      {"delay", 0, true, true, "delayed by"},
	DelayReply: {"delay", 0, true, false, "executed, its reply delayed by"},
	Refuse:     {"code", 0, true, false, "refused with"},
	Throttle:   {"", 0, true, false, "throttled"},
	Drop:       {"", 0, true, false, "not executed, its connection dropped"},
	DropReply:  {"", 0, true, false, "executed, its reply lost, its connection dropped"},
	Silence:    {"", 0, true, false, "executed and never answered"},
	Reorder:    {"delay", time.Second, true, true, "held back behind the next one, at most"},
	Redeliver:  {"", 0, true, false, "executed twice"},
	Duplicate:  {"", 0, false, true, "delivered twice"},
	Lose:       {"", 0, false, true, "not delivered"},
	Restart:    {"for", time.Second, true, false, "lost, the core is away for"},
	NotReady:   {"for", time.Second, true, false, "finds the shadow manager's database closed for"},
}

// actions lists the names in the order of the documentation.
var actions = []string{
	"delay", "delayReply", "refuse", "throttle", "drop", "dropReply", "silence", "reorder", "redeliver",
	"duplicate", "lose", "restart", "notReady",
}

// Rule makes faults. [Parse] and [ParseRule] make rules, and complete the defaults.
type Rule struct {
	Operation   string // name, or "*"
	Component   string // pattern
	Match       string // pattern
	Event       bool   // made on events, not on requests
	Skip        int
	Times       int // 0 has no end
	Probability float64

	Do       Action
	Duration time.Duration // of actions that take time
	Code     model.ErrorCode
	Message  string
}

// String is the rule in its short form, without what is the default anyway.
func (r Rule) String() string {
	words := []string{quote(r.Operation), string(r.Do)}
	add := func(set bool, words2 ...string) {
		if set {
			words = append(words, words2...)
		}
	}
	add(r.Duration != traits[r.Do].standard, r.Duration.String())
	add(r.Code != "", string(r.Code))
	add(r.Message != "", "message", quote(r.Message))
	add(r.Event && traits[r.Do].request, "on", "event")
	add(r.Component != "*", "component", quote(r.Component))
	add(r.Match != "*", "match", quote(r.Match))
	add(r.Skip > 0, "skip", strconv.Itoa(r.Skip))
	add(r.Times > 0, "times", strconv.Itoa(r.Times))
	add(r.Probability != 1, "probability", strconv.FormatFloat(r.Probability, 'g', -1, 64))
	return strings.Join(words, " ")
}

// did says what the rule does to a request or event.
func (r Rule) did() string {
	switch {
	case r.Duration > 0:
		return fmt.Sprintf("%s %v", traits[r.Do].did, r.Duration)
	case r.Code != "":
		return fmt.Sprintf("%s %s", traits[r.Do].did, r.Code)
	}
	return traits[r.Do].did
}

// pattern is a text with "*" for any characters.
type pattern struct{ *regexp.Regexp }

func compile(text string) pattern {
	quoted := strings.ReplaceAll(regexp.QuoteMeta(text), `\*`, `.*`)
	return pattern{regexp.MustCompile(`^(?s:` + quoted + `)$`)}
}

// operationNamed finds an operation of the service.
func operationNamed(name string) (model.Operation, bool) {
	for _, op := range model.Operations {
		if op.Name == name {
			return op, true
		}
	}
	return model.Operation{}, false
}

// throttled are the operations that the shadow manager has rate limits for.
func throttled(operation string) bool {
	switch operation {
	case model.GetThingShadow.Name, model.UpdateThingShadow.Name, model.DeleteThingShadow.Name, model.ListNamedShadowsForThing.Name:
		return true
	}
	return false
}
