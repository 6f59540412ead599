package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

// stormPatience is for what must be right after a storm; what could not be saved
// is tried again after 30 s.
const stormPatience = 45 * time.Second

// judge waits until everything is as it must be, and looks at what has been.
func (s *stormProcess) judge() {
	s.t.Helper()
	since, err := time.Time{}, error(nil)
	for deadline := time.Now().Add(stormPatience); ; time.Sleep(100 * time.Millisecond) {
		switch err = s.settled(); {
		case err != nil:
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		case time.Since(since) > 300*time.Millisecond:
			s.judgeChanges()
			return
		}
		if time.Now().After(deadline) {
			s.t.Errorf("after the storm: %v", err)
			s.judgeChanges()
			return
		}
	}
}

// stormDocument is a shadow after the storm.
type stormDocument struct {
	Version int64
	State   struct {
		Desired  map[string]any
		Reported map[string]any
	}
	acks map[string]stormAck
}

type stormAck struct {
	Code    int
	Version int64
	Reason  string
	ID      string
}

func (s *stormProcess) document(shadow string) (d stormDocument, err error) {
	body, err := s.order(order{Do: "row", Shadow: shadow})
	if err == nil {
		err = json.Unmarshal(body, &d)
	}
	if err != nil {
		return d, err
	}
	acks, err := json.Marshal(d.State.Reported["ack"])
	if err == nil {
		err = json.Unmarshal(acks, &d.acks)
	}
	return d, err
}

// settled is nil if everything is as desired, answered, reported and counted.
func (s *stormProcess) settled() error {
	var faults []error
	for shadow, outputs := range map[string]map[string]int{
		"":     {"lights": lampOffset, "forward": stormForward, "reverse": stormReverse, "bell": stormBell},
		"room": {"fan": fanOffset},
	} {
		d, err := s.document(shadow)
		if err != nil {
			return err
		}
		faults = append(faults, s.keeps(shadow, d))
		for property, offset := range outputs {
			faults = append(faults, s.shows(d, property, offset), answers(d, property, s.rig.level(offset)))
		}
		switch _, spare := d.State.Reported["spare"]; {
		case spare && !s.forgot:
			faults = append(faults, errors.New("spare is still reported"))
		case shadow == "room":
			faults = append(faults, s.shows(d, "locked", stormDoor), s.counts(d))
		}
	}
	return errors.Join(faults...)
}

// shows wants a property reported as its line is.
func (s *stormProcess) shows(d stormDocument, property string, offset int) error {
	if got, level := d.State.Reported[property], s.rig.level(offset); got != level {
		return fmt.Errorf("%s is reported as %v at version %d, the line is %v", property, got, d.Version, level)
	}
	return nil
}

// answers wants what is desired answered, and done unless it was refused.
func answers(d stormDocument, property string, level bool) error {
	want, desired := d.State.Desired[property]
	ack, answered := d.acks[property]
	switch {
	case property == "bell" && desired:
		return fmt.Errorf("bell is still desired, answered with %+v", ack)
	case property == "bell":
		return nil
	case !desired && answered:
		return fmt.Errorf("%s is answered with %+v, though it is not desired", property, ack)
	case !desired:
		return nil
	case !answered:
		return fmt.Errorf("%s is desired %v and not answered", property, want)
	case ack.Version > d.Version:
		return fmt.Errorf("%s is answered for version %d of %d", property, ack.Version, d.Version)
	case ack.Code == 200 && want == level, ack.Code == 409 && want == true && !level && (property == "forward" || property == "reverse"):
		return nil
	}
	return fmt.Errorf("%s is desired %v, the line is %v, the answer %+v", property, want, level, ack)
}

// keeps wants the shadow to hold what the core has confirmed, and answers no older
// than that.
func (s *stormProcess) keeps(shadow string, d stormDocument) error {
	for key, w := range s.app.wanted {
		in, property, _ := strings.Cut(key, "/")
		if in != shadow || !w.known {
			continue
		}
		if got := d.State.Desired[property]; property != "bell" && got != w.value {
			return fmt.Errorf("%s was desired %v at version %d, now it is %v at version %d", property, w.value, w.version, got, d.Version)
		}
		ack := d.acks[property]
		if property == "bell" && s.app.wiped[shadow] {
			// Of a command that is over nothing is left to answer again.
			for _, answer := range s.bellAnswers() {
				ack.Version = max(ack.Version, answer.Version)
			}
		}
		// A run that has not seen the earlier one knows only that it was answered at a later time.
		again := w.again || slices.ContainsFunc(w.before, func(b wish) bool { return b.run < s.run() && s.clock.setBackSince(b.at) })
		if !again && ack.Version < w.version {
			return fmt.Errorf("%s was desired at version %d, the answer is %+v", property, w.version, ack)
		}
	}
	return nil
}

func (s *stormProcess) counts(d stormDocument) error {
	least, most := s.inputs.bounds()
	if got, ok := d.State.Reported["visits"].(float64); !ok || int(got) < least || int(got) > most {
		return fmt.Errorf("visits is %v, want %d to %d", d.State.Reported["visits"], least, most)
	}
	return nil
}

// judgeChanges looks at what the lines and the requests were all the time.
func (s *stormProcess) judgeChanges() {
	s.t.Helper()
	if _, lost := s.watch.of(); lost > 0 {
		s.t.Fatalf("%d changes of lines were not seen", lost)
	}
	s.judgeMotor()
	s.judgeBell()
	if s.held {
		s.judgeMoves("/lights", lampOffset)
		s.judgeMoves("room/fan", fanOffset)
	}
	// Less than the second of the budget, as requests come more or less late.
	if n := s.proxy.busiest(900 * time.Millisecond); n > 16 {
		s.t.Errorf("%d requests within 0.9 s, want at most 16", n)
	}
}

// judgeMotor wants the lines of the interlock never on together, and apart by the
// dead time.
func (s *stormProcess) judgeMotor() {
	s.t.Helper()
	changes, _ := s.watch.of(stormForward, stormReverse)
	high, off := map[int]bool{}, map[int]time.Time{}
	for _, c := range changes {
		other := stormForward + stormReverse - c.Offset
		high[c.Offset] = c.High
		switch gap := c.Time.Sub(off[other]); {
		case !c.High:
			off[c.Offset] = c.Time
		case high[other]:
			s.t.Errorf("%s goes on while the other line of its interlock is on", c.Name)
		case gap < leastDeadTime:
			s.t.Errorf("%s goes on %v after the other line of its interlock", c.Name, gap)
		}
	}
}

// judgeBell wants as many pulses at least as were answered, and at most as were
// desired.
func (s *stormProcess) judgeBell() {
	s.t.Helper()
	changes, _ := s.watch.of(stormBell)
	rung := 0
	for _, c := range changes {
		if c.High {
			rung++
		}
	}
	done := map[string]bool{}
	for _, ack := range s.bellAnswers(200) {
		done[ack.ID] = true
	}
	if most := len(s.app.wishes["/bell"]); rung < len(done) || rung > most {
		s.t.Errorf("the bell rang %d times, want %d, as answered for %q, to %d, as desired",
			rung, len(done), slices.Sorted(maps.Keys(done)), most)
	}
}

// bellAnswers are the answers to the bell with these codes, or with any that is final.
func (s *stormProcess) bellAnswers(codes ...int) (answers []stormAck) {
	s.rig.events.count(func(e devcore.Event) bool {
		var sent struct {
			State struct {
				Reported struct{ Ack map[string]json.RawMessage }
			}
		}
		var ack stormAck
		if e.Kind == devcore.ShadowUpdated && e.Shadow == "" && json.Unmarshal(e.Sent, &sent) == nil &&
			json.Unmarshal(sent.State.Reported.Ack["bell"], &ack) == nil &&
			(slices.Contains(codes, ack.Code) || len(codes) == 0 && ack.Code != 202) {
			answers = append(answers, ack)
		}
		return false
	})
	return answers
}

// judgeMoves wants each move of an output to follow from a value that was desired,
// none of them twice.
func (s *stormProcess) judgeMoves(key string, offset int) {
	s.t.Helper()
	wishes := s.app.wishes[key]
	changes, _ := s.watch.of(offset)
	for _, c := range changes {
		i := slices.IndexFunc(wishes, func(w wish) bool { return w.value == c.High })
		if i < 0 || wishes[i].at.After(c.Time) {
			s.t.Errorf("%s goes to %v at %v though nobody desired it", c.Name, c.High, c.Time.Format(time.StampMicro))
			for _, w := range s.app.wishes[key] {
				s.t.Logf("desired %v at %v", w.value, w.at.Format(time.StampMicro))
			}
			return
		}
		wishes = wishes[i+1:]
	}
}

// tell prints what the core observed.
func (s *stormProcess) tell() {
	var b strings.Builder
	s.rig.events.count(func(e devcore.Event) bool {
		fmt.Fprintf(&b, "%s %v %s shadow %q version %d %s %s", e.Time.Format(time.StampMicro), e.Kind, e.Component, e.Shadow, e.Version, e.Sent, e.Reason)
		if e.Fault.Did != "" {
			fmt.Fprintf(&b, "%s of %s for %s", e.Fault.Did, e.Fault.Operation, e.Fault.Component)
		}
		b.WriteString("\n")
		return false
	})
	s.t.Logf("the core observed:\n%s", &b)
}
