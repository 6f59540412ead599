package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/control"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

// judge waits until everything is as it must be, and then has the component prove that
// it works.
func (s *injected) judge(rng *rand.Rand) {
	s.t.Helper()
	if !s.settles("after the injection", s.settled) {
		return
	}
	counted := s.reportedVisits()
	s.enter(3)
	s.desire("", "lights", rng.IntN(2) == 0)
	s.desire("room", "fan", rng.IntN(2) == 0)
	s.desire("", "limit", 40)
	last := s.ring()
	porch := s.rig.level(injectPorch)
	s.press(injectButton)
	s.desire("", "tripped", false)
	s.settles("proof of life", func() error {
		d, err := s.document("")
		switch {
		case err != nil:
			return err
		case s.reportedVisits() != counted+3:
			return fmt.Errorf("visits is %d, want %d", s.reportedVisits(), counted+3)
		case s.rig.level(injectPorch) == porch:
			return errors.New("the button does not toggle the porch")
		case d.State.Reported["tripped"] != false || d.acks["tripped"].Code != 200 || s.rig.level(injectSiren):
			return fmt.Errorf("the alarm is not reset: %v, %+v", d.State.Reported["tripped"], d.acks["tripped"])
		case s.bellAnswer(last) != 200 && !s.bellFailed():
			return fmt.Errorf("the last ring is answered with %d", s.bellAnswer(last))
		}
		return s.settled()
	})
	s.judgeRings()
}

// settles waits until something stays right for a moment.
func (s *injected) settles(what string, right func() error) bool {
	s.t.Helper()
	since, err := time.Time{}, error(nil)
	for deadline := time.Now().Add(stormPatience); ; time.Sleep(50 * time.Millisecond) {
		switch err = right(); {
		case err != nil:
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		case time.Since(since) > 300*time.Millisecond:
			return true
		}
		if time.Now().After(deadline) {
			s.t.Errorf("%s: %v", what, err)
			return false
		}
	}
}

func (s *injected) document(shadow string) (d stormDocument, err error) {
	row, ok := s.rig.core.Shadows().Row(thing, shadow)
	if !ok {
		return d, fmt.Errorf("no shadow %q", shadow)
	}
	text, err := json.Marshal(row)
	if err == nil {
		err = json.Unmarshal(text, &d)
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

// settled is nil if everything is as desired, answered, reported and remembered.
func (s *injected) settled() error {
	main, err := s.document("")
	if err != nil {
		return err
	}
	room, err := s.document("room")
	if err != nil {
		return err
	}
	faults := []error{
		s.shows(main, "lights", lampOffset), s.shows(main, "porch", injectPorch), s.shows(main, "siren", injectSiren),
		s.shows(main, "heat", injectHeater), s.shows(main, "bell", injectBell),
		s.shows(room, "fan", fanOffset), s.shows(room, "locked", injectDoor),
		s.done(main, "", "lights"), s.done(main, "", "limit"), s.done(room, "room", "fan"),
	}
	if got := main.State.Reported["kept"]; got != float64(keptSetting) {
		faults = append(faults, fmt.Errorf("the setting kept is %v, want %d", got, keptSetting))
	}
	if _, reset := s.desired["/tripped"]; !reset && (main.State.Reported["tripped"] != true || !s.rig.level(injectSiren)) {
		faults = append(faults, fmt.Errorf("the latched alarm is %v", main.State.Reported["tripped"]))
	}
	if got := main.State.Desired["porch"]; got != nil && got != s.rig.level(injectPorch) {
		faults = append(faults, fmt.Errorf("porch is desired %v, the line is %v", got, s.rig.level(injectPorch)))
	}
	if got, ok := main.State.Desired["bell"]; ok {
		faults = append(faults, fmt.Errorf("bell is still desired: %v", got))
	}
	for _, id := range s.rings {
		if s.bellAnswer(id) == 0 {
			faults = append(faults, fmt.Errorf("bell %s has no answer: %+v", id, main.acks["bell"]))
		}
	}
	faults = append(faults, s.scheduled(main), s.counted(), s.tellsOfItself())
	if status, ok := main.State.Reported["status"].(map[string]any); !ok || status["running"] != true || status["faults"] != nil {
		faults = append(faults, fmt.Errorf("the status is %v", main.State.Reported["status"]))
	}
	return errors.Join(faults...)
}

// tellsOfItself wants the control socket to answer, and the holder to have every output.
func (s *injected) tellsOfItself() error {
	c, err := control.Dial(s.rig.file(control.SocketName))
	if err != nil {
		return err
	}
	defer c.Close()
	status, err := c.Status()
	if err != nil {
		return err
	}
	s.mu.Lock()
	pid := s.component.cmd.Process.Pid
	s.mu.Unlock()
	if status.PID != pid {
		return fmt.Errorf("process %d answers on the control socket, want %d", status.PID, pid)
	}
	if want := []string{"bell", "fan", "heater", "lamp", "porch", "siren"}; !slices.Equal(status.Held, want) {
		return fmt.Errorf("the holder has %v, want %v", status.Held, want)
	}
	return nil
}

func (s *injected) shows(d stormDocument, property string, offset int) error {
	if got, level := d.State.Reported[property], s.rig.level(offset); got != level {
		return fmt.Errorf("%s is reported as %v, the line is %v", property, got, level)
	}
	return nil
}

// done wants what was desired last carried out and answered.
func (s *injected) done(d stormDocument, shadow, property string) error {
	want, ok := s.desired[shadow+"/"+property]
	ack := d.acks[property]
	if ok && (fmt.Sprint(d.State.Reported[property]) != fmt.Sprint(want) || ack.Code != 200 || ack.Version < s.version[shadow+"/"+property]) {
		return fmt.Errorf("%s was desired %v at version %d, it is %v, answered with %+v", property, want, s.version[shadow+"/"+property], d.State.Reported[property], ack)
	}
	return nil
}

// scheduled wants the run of the schedule carried out. It may be missed if the component
// got to know of the schedule too late, or was killed before it had to be saved.
func (s *injected) scheduled(d stormDocument) error {
	times, _ := d.State.Reported["times"].(map[string]any)
	over, _ := times["over"].(map[string]any)
	if over[s.once] == "done" && s.rig.level(injectHeater) {
		return nil
	}
	if over[s.once] == "missed" && !s.rig.level(injectHeater) && s.mayMiss() {
		return nil
	}
	return fmt.Errorf("the schedule is %v, the heater %v", times, s.rig.level(injectHeater))
}

func (s *injected) mayMiss() bool {
	at, err := time.Parse(time.RFC3339, s.once)
	if err != nil {
		s.t.Fatal(err)
	}
	adopted := at
	s.rig.events.count(func(e devcore.Event) bool {
		if e.Kind == devcore.ShadowUpdated && e.Component == componentName && e.Time.Before(adopted) && strings.Contains(string(e.Sent), s.once) {
			adopted = e.Time
		}
		return false
	})
	const unsaved = 2 * time.Second // the state is saved within one, and this machine may be busy
	s.mu.Lock()
	defer s.mu.Unlock()
	return adopted.Equal(at) || slices.ContainsFunc(s.planless, func(start time.Time) bool { return start.Sub(adopted) < unsaved })
}

// reportedVisits is the count in the shadow.
func (s *injected) reportedVisits() int {
	d, err := s.document("room")
	if n, ok := d.State.Reported["visits"].(float64); err == nil && ok {
		return int(n)
	}
	return -1
}

// counted wants no edge counted twice, and none lost that was saved, or reported by this
// run. A run that nothing has disturbed counts them all.
func (s *injected) counted() error {
	s.mu.Lock()
	component, began, least := s.component, s.began, s.floor
	s.mu.Unlock()
	if n := s.rig.events.most(func(e devcore.Event) int {
		if e.Kind != devcore.ShadowUpdated || e.Shadow != "room" || e.Component != componentName || e.Time.Before(began) {
			return 0
		}
		var sent struct {
			State struct{ Reported struct{ Visits int } }
		}
		json.Unmarshal(e.Sent, &sent)
		return sent.State.Reported.Visits
	}); n > least {
		least = n
	}
	if s.plan.entry == "attach" && component == s.traced && !component.log.has("line failed") && !component.log.has("edges were lost") {
		least = s.pressed
	}
	if n := s.reportedVisits(); n < least || n > s.pressed {
		return fmt.Errorf("visits is %d, want %d to %d", n, least, s.pressed)
	}
	return nil
}

// bellAnswer is the code of the last answer to a pulse that is final, 0 for none.
func (s *injected) bellAnswer(id string) int {
	return s.rig.events.last(func(e devcore.Event) int {
		var sent struct {
			State struct {
				Reported struct {
					Ack map[string]struct {
						Code int
						ID   string
					}
				}
			}
		}
		if e.Kind != devcore.ShadowUpdated || e.Shadow != "" || json.Unmarshal(e.Document, &sent) != nil {
			return 0
		}
		if ack := sent.State.Reported.Ack["bell"]; ack.ID == id && ack.Code != 202 {
			return ack.Code
		}
		return 0
	})
}

// bellFailed reports whether the line of the bell failed, which ends its pulse.
func (s *injected) bellFailed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.component.log.has(`msg="line failed; it is retried" line=bell`)
}

// judgeRings wants each pulse that was answered as done carried out once, any other at
// most once.
func (s *injected) judgeRings() {
	s.t.Helper()
	changes, lost := s.watch.of(injectBell)
	if lost > 0 {
		s.t.Fatalf("%d changes of lines were not seen", lost)
	}
	rung, least := 0, 0
	for _, c := range changes {
		if c.High {
			rung++
		}
	}
	codes := map[string]int{}
	for _, id := range s.rings {
		if codes[id] = s.bellAnswer(id); codes[id] == 200 {
			least++
		}
	}
	if rung < least || rung > len(s.rings) {
		s.t.Errorf("the bell rang %d times, answered with %v", rung, codes)
	}
}

// judgeEnd stops the component, and looks at what it leaves.
func (s *injected) judgeEnd() {
	s.t.Helper()
	for _, reason := range s.died {
		s.t.Errorf("the component should not have ended: %s", reason)
	}
	visits := s.reportedVisits()
	s.component.signal(syscall.SIGTERM)
	if code := s.component.ends(); code != 0 {
		s.t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	if s.rig.level(fanOffset) {
		s.t.Error("the fan is on, want it off as its stop state says")
	}
	memory, err := s.memory()
	if err != nil {
		s.t.Fatalf("state file at the end: %v", err)
	}
	if err := remembersAll(memory); err != nil {
		s.t.Errorf("state file at the end: %v", err)
	}
	if n := memory.Properties[thing+"/room/visits#count"].Count; n == nil || int(*n) != visits {
		s.t.Errorf("the state has another count than the shadow, %d", visits)
	}
	if aside, _ := filepath.Glob(s.rig.file(state.FileName + ".2*")); len(aside) > 0 {
		s.t.Errorf("the state file was set aside: %v", aside)
	}
}

// most is the largest number that is made of the events.
func (j *journal) most(of func(devcore.Event) int) (n int) {
	j.count(func(e devcore.Event) bool { n = max(n, of(e)); return false })
	return n
}

// last is the last number other than 0 that is made of the events.
func (j *journal) last(of func(devcore.Event) int) (n int) {
	j.count(func(e devcore.Event) bool {
		if m := of(e); m != 0 {
			n = m
		}
		return false
	})
	return n
}

// has reports whether a line has a text.
func (l *log) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.items {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}
