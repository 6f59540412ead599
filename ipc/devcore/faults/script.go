package faults

import (
	"context"
	"slices"
	"time"
)

// Script is what a fault script says.
type Script struct {
	Seed  uint64 // 0 leaves it as it is
	Rules []Rule
	Steps []Step // in the order of their times, for [Set.Run]
}

// Step does one thing at a time after the beginning. Exactly one
// member but At is set.
type Step struct {
	At       time.Duration
	Add      []Rule
	Clear    bool
	Restart  time.Duration // how long the core is away
	NotReady time.Duration // how long the database is closed
}

// Load takes the seed of a script and puts its rules in force.
func (s *Set) Load(script Script) {
	if script.Seed != 0 {
		s.reseed(script.Seed)
	}
	s.Add(script.Rules...)
}

// Run takes steps, whose times count from now. It returns when they are done, or
// ctx is.
func (s *Set) Run(ctx context.Context, steps []Step) {
	start := time.Now()
	for _, step := range steps {
		timer := time.NewTimer(time.Until(start.Add(step.At)))
		select {
		case <-timer.C:
			s.take(step)
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

func (s *Set) take(step Step) {
	switch {
	case step.Clear:
		s.Clear()
		s.host.Observe(Hit{Did: "all rules cleared, by the script"})
	case step.Restart > 0:
		s.host.Observe(Hit{Did: "the core is away for " + step.Restart.String() + ", by the script"})
		s.host.Restart(step.Restart)
	case step.NotReady > 0:
		s.host.Observe(Hit{Did: "the shadow manager's database is closed for " + step.NotReady.String() + ", by the script"})
		s.host.NotReady(step.NotReady)
	}
	for i, id := range s.Add(step.Add...) {
		s.host.Observe(Hit{Rule: id, Did: "added: " + step.Add[i].String()})
	}
}

// sortSteps puts steps in the order of their times, equal ones as they are.
func sortSteps(steps []Step) {
	slices.SortStableFunc(steps, func(a, b Step) int { return int(a.At - b.At) })
}
