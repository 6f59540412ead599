package doctor

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// Bounds of what a clock may be off.
const (
	clockSlack = 10 * time.Minute          // behind a time that was written down
	clockReach = 20 * 365 * 24 * time.Hour // ahead of the program
)

// stamps has the latest time that was written down on this device or in a shadow.
type stamps struct {
	latest time.Time
	where  string
}

func (s *stamps) add(where string, at time.Time) {
	if at.After(s.latest) {
		s.latest, s.where = at, where
	}
}

// addDocument takes the times at which the values of a shadow were set, by whose
// clock ever: that of the cloud, for what comes from there.
func (s *stamps) addDocument(id shadow.ID, document []byte) {
	var tree struct{ Metadata any }
	if json.Unmarshal(document, &tree) == nil {
		s.addMetadata("shadow "+id.String(), tree.Metadata)
	}
}

func (s *stamps) addMetadata(where string, node any) {
	switch n := node.(type) {
	case map[string]any:
		for key, value := range n {
			if seconds, ok := value.(float64); ok && key == "timestamp" {
				s.add(where, time.Unix(int64(seconds), 0))
			}
			s.addMetadata(where, value)
		}
	case []any:
		for _, value := range n {
			s.addMetadata(where, value)
		}
	}
}

const setClock = "sudo timedatectl set-ntp true && timedatectl"

// clock checks the time of day. Lines do not need it; schedules, times in reported
// and the nucleus's TLS do.
func (x *examination) clock() {
	const check = "clock"
	now := x.Now()
	text := now.UTC().Format(time.RFC3339)
	switch {
	case now.Before(x.Built):
		x.report(check, ClockUnset, fmt.Sprintf("%s, before this program was made (%s)", text, x.Built.UTC().Format(time.RFC3339)), "the right time; "+x.realTimeClock(), setClock)
	case now.Add(clockSlack).Before(x.stamps.latest):
		x.report(check, ClockBehind, fmt.Sprintf("%s, but %s is of %s", text, x.stamps.where, x.stamps.latest.UTC().Format(time.RFC3339)), "the right time; "+x.realTimeClock(), setClock)
	case now.After(x.Built.Add(clockReach)):
		x.report(check, ClockAhead, fmt.Sprintf("%s, long after this program was made (%s)", text, x.Built.UTC().Format(time.RFC3339)), "the right time", setClock)
	default:
		x.kept(check, text)
	}
}

// kept checks that somebody keeps the clock right.
func (x *examination) kept(check, text string) {
	synchronised, err := x.Synchronised()
	switch {
	case err != nil:
		x.skip(check, "%s; whether it is synchronised does not show: %v", text, err)
	case !synchronised:
		x.report(check, ClockUnsynced, text+", which nobody keeps synchronised", "a time service; "+x.realTimeClock(), setClock)
	default:
		x.ok(check, "%s, synchronised", text)
	}
}

func (x *examination) realTimeClock() string {
	if len(x.list("/sys/class/rtc")) == 0 {
		return "there is no real-time clock, so it is wrong after each start until the network sets it"
	}
	return "there is a real-time clock"
}
