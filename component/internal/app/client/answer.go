package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// Outcome is what became of a desired value.
type Outcome string

// The outcomes. The last of these says the most of a change as a whole.
const (
	Done       Outcome = "done"
	Unanswered Outcome = "unanswered" // the device has not answered in time
	Overruled  Outcome = "overruled"  // somebody desired something else meanwhile
	Refused    Outcome = "refused"    // by the device, which says why, or the line failed
)

// Outcomes are all outcomes, better ones first.
var Outcomes = []Outcome{Done, Unanswered, Overruled, Refused}

// Answer is what became of one desired value.
type Answer struct {
	Outcome Outcome     `json:"outcome"`
	Code    shadow.Code `json:"code,omitempty"` // of the device's answer, 0 without one
	Reason  string      `json:"reason,omitempty"`
}

func (a Answer) String() string {
	text := string(a.Outcome)
	if a.Code != 0 {
		text += fmt.Sprintf(" (%d)", a.Code)
	}
	if a.Reason != "" {
		text += ": " + a.Reason
	}
	return string(printable.Text(text))
}

// Question is what a device was asked: values that were desired of it.
//
// What it answers is found in reported.ack. The version there is that of the device's
// document, of which the cloud's is a copy that counts for itself, so it does not tell which of
// several values of the cloud was answered. Instead, an answer to a question is one
// that came after it. Where an earlier value was not answered yet, that may be the
// answer to the earlier one, and it is doubtful unless a value was adopted.
type Question struct {
	Desired map[string]any // values as encoding/json makes them; nil withdraws one
	Before  shadow.Document
	Version int64 // of the document in which they were desired
}

// state is how far the answer to a value is.
type state int

const (
	waiting  state = iota
	doubtful       // there is one, but perhaps a better one comes
	final
)

// Answers are the answers in a document: those that are there, whether all are, and
// whether none of them is doubtful.
func (q Question) Answers(doc shadow.Document) (answers map[string]Answer, complete, sure bool) {
	answers, complete, sure = map[string]Answer{}, true, true
	for key := range q.Desired {
		answer, s := q.answer(key, doc)
		complete = complete && s != waiting
		sure = sure && s != doubtful
		if s == waiting {
			answer.Outcome = Unanswered
		}
		answers[key] = answer
	}
	return answers, complete, sure
}

func (q Question) answer(key string, doc shadow.Document) (Answer, state) {
	wanted := q.Desired[key]
	if wanted == nil {
		return Answer{Outcome: Done, Reason: "withdrawn"}, final
	}
	now, desired := doc.Desired[key]
	if desired && doc.Version > q.Version && !Holds(now, wanted) {
		return Answer{Outcome: Overruled, Reason: fmt.Sprintf("desired is %s now", Text(now))}, final
	}
	met := Holds(doc.Reported[key], wanted)
	ack, answered := AckOf(doc, key)
	switch {
	case answered && ack.Code == shadow.InProgress:
		return Answer{Code: ack.Code, Reason: ack.Reason}, waiting
	case !answered && met:
		return Answer{Outcome: Done, Reason: "as desired already"}, final
	case !answered:
		return Answer{}, waiting
	}
	answer := Answer{Outcome: Done, Code: ack.Code, Reason: ack.Reason}
	if ack.Code != shadow.Done {
		answer.Outcome = Refused
	}
	switch {
	case q.news(key, doc):
		if q.earlier(key) && (answer.Outcome == Refused || !met) {
			return answer, doubtful
		}
		return answer, final
	case !q.earlier(key) && (met && ack.Code == shadow.Done || q.same(key) && ack.Code != shadow.LineFailed):
		// The device has seen nothing new, and answers nothing.
		return answer, final
	}
	return Answer{}, waiting
}

// Holds reports whether a value is as an update leaves it that wrote wanted: of an object
// an update changes the members that it has, and the others stay.
func Holds(value, wanted any) bool {
	members, ok := wanted.(map[string]any)
	have, ok2 := value.(map[string]any)
	if !ok || !ok2 {
		return shadow.Equal(value, wanted)
	}
	for name, member := range members {
		if !Holds(have[name], member) {
			return false
		}
	}
	return true
}

// news reports whether the answer in a document came after the question.
func (q Question) news(key string, doc shadow.Document) bool {
	before, ok := AckOf(q.Before, key)
	now, _ := AckOf(doc, key)
	return !ok || before != now || doc.AckAt[key] > q.Before.AckAt[key]
}

// same reports whether the same was desired already.
func (q Question) same(key string) bool {
	before, ok := q.Before.Desired[key]
	return ok && Holds(before, q.Desired[key])
}

// earlier reports whether an earlier value waits for its answer.
func (q Question) earlier(key string) bool {
	if _, ok := q.Before.Desired[key]; !ok {
		return false
	}
	ack, ok := AckOf(q.Before, key)
	return !ok || ack.Code == shadow.InProgress || q.Before.AckAt[key] < q.Before.DesiredAt[key]
}

// AckOf is the answer to a property in a document.
func AckOf(doc shadow.Document, key string) (shadow.Ack, bool) {
	acks, _ := doc.Reported[shadow.AckKey].(map[string]any)
	return shadow.ParseAck(acks[key])
}

// Worst is the outcome that says the most of several answers, [Done] of none.
func Worst(answers map[string]Answer) Outcome {
	return slices.MaxFunc(append(slices.Collect(outcomes(answers)), Done), func(a, b Outcome) int {
		return cmp.Compare(slices.Index(Outcomes, a), slices.Index(Outcomes, b))
	})
}

func outcomes(answers map[string]Answer) func(func(Outcome) bool) {
	return func(yield func(Outcome) bool) {
		for a := range maps.Values(answers) {
			if !yield(a.Outcome) {
				return
			}
		}
	}
}

// settle is how long an answer that may be the one to an earlier value waits for a
// better one.
const settle = 2 * time.Second

// Desire desires values of a device, and waits until each is answered, or for the given time; then
// those without an answer are [Unanswered]. It calls told with the version of the
// document in which they are desired. An error is one of the service, or of ctx.
func Desire(ctx context.Context, s Service, id shadow.ID, desired map[string]any, wait time.Duration, told func(version int64)) (map[string]Answer, error) {
	f, err := s.Follow(ctx, id)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	q := Question{Desired: desired}
	if q.Before, err = f.Next(ctx); err != nil {
		return nil, err
	}
	if q.Version, err = Send(ctx, s, id, desired, q.Before); err != nil {
		return nil, err
	}
	told(q.Version)
	return q.Await(ctx, f, q.Before, wait)
}

// sends is how often a change is sent whose connection is lost each time.
const sends = 3

// Send desires values, and returns the version of the document in which they are desired.
// If the connection is lost before the answer, it reads the shadow, and sends the values
// again unless they got there. before is the document as it was.
func Send(ctx context.Context, s Service, id shadow.ID, desired map[string]any, before shadow.Document) (version int64, err error) {
	for range sends {
		version, err = s.Update(ctx, id, shadow.Update{Desired: desired})
		if !errors.Is(err, errLost) {
			return version, err
		}
		now, readErr := Document(ctx, s, id)
		if readErr != nil {
			return 0, errors.Join(err, readErr)
		}
		if Sent(desired, before, now) {
			return now.Version, nil
		}
	}
	return version, err
}

// Sent reports whether values were desired since a document: they are desired still, or
// were answered.
func Sent(desired map[string]any, before, now shadow.Document) bool {
	if now.Version == before.Version || now.Version == 0 {
		return false
	}
	for key, wanted := range desired {
		ackBefore, _ := AckOf(before, key)
		ack, _ := AckOf(now, key)
		value, there := now.Desired[key]
		if !(there && Holds(value, wanted)) && !(wanted == nil && !there) && ack == ackBefore {
			return false
		}
	}
	return true
}

// Await waits until each value is answered, or for the given time; then those without
// an answer are [Unanswered]. now is the last document that the follower has shown.
// An error is one of the service, or of ctx.
func (q Question) Await(ctx context.Context, f Follower, now shadow.Document, wait time.Duration) (map[string]Answer, error) {
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	answers, complete, sure := q.Answers(now)
	var settled context.Context // is done when what is there is good enough
	for !complete || !sure {
		until := waiting
		if complete {
			if settled == nil {
				var cancel context.CancelFunc
				settled, cancel = context.WithTimeout(waiting, settle)
				defer cancel()
			}
			until = settled
		}
		next, err := f.Next(until)
		switch {
		case ctx.Err() != nil:
			return answers, context.Cause(ctx)
		case err != nil && until.Err() != nil:
			if lost, ok := errors.AsType[*Unreachable](err); ok {
				blame(answers, lost)
			}
			return answers, nil
		case err != nil:
			return answers, err
		case next.Version < q.Version && next.Version != 0:
			continue // one from before the question
		}
		answers, complete, sure = q.Answers(next)
	}
	return answers, nil
}

// blame names why there is no answer.
func blame(answers map[string]Answer, why error) {
	for key, a := range answers {
		if a.Outcome == Unanswered && a.Reason == "" {
			a.Reason = why.Error()
			answers[key] = a
		}
	}
}
