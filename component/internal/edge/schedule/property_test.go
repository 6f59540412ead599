package schedule

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// anySchedule is a schedule out of a seed, in zones of both hemispheres, around the
// changes of their clocks and a leap day.
func anySchedule(random *rand.Rand) string {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "Pacific/Auckland", "Africa/Casablanca", "Asia/Kathmandu"}
	days := []string{`["mon-fri"]`, `["sun"]`, `["sat","wed"]`, `["fri-mon"]`}
	crons := []string{"*/7 * * * *", "30 2 * * *", "0 */3 * * *", "15 1-3 * * sun", "0 0 29 2 *", "* 2 * * *", "59 23 L * *"}
	var entries []string
	for range 1 + random.IntN(5) {
		set := []string{"on", "off"}[random.IntN(2)]
		switch random.IntN(4) {
		case 0:
			entries = append(entries, fmt.Sprintf(`{"at":"%02d:%02d","set":%q}`, random.IntN(4), random.IntN(60), set))
		case 1:
			entries = append(entries, fmt.Sprintf(`{"at":"%02d:%02d:%02d","days":%s,"set":%q}`, random.IntN(24), random.IntN(60), random.IntN(60), days[random.IntN(len(days))], set))
		case 2:
			entries = append(entries, fmt.Sprintf(`{"cron":%q,"set":%q}`, crons[random.IntN(len(crons))], set))
		default:
			entries = append(entries, fmt.Sprintf(`{"once":"2028-%02d-%02dT%02d:%02d","set":%q}`, 1+random.IntN(12), 1+random.IntN(28), random.IntN(24), random.IntN(60), set))
		}
	}
	grace := []string{"", `"missed":"last",`, `"missed":"last","grace":"24h",`}[random.IntN(3)]
	return fmt.Sprintf(`{"zone":%q,%s"entries":[%s]}`, zones[random.IntN(len(zones))], grace, strings.Join(entries, ","))
}

// anyMoment is one of 2028, with a predilection for changes of the clock.
func anyMoment(random *rand.Rand, zone *time.Location) time.Time {
	at := time.Date(2028, 1, 1, 0, 0, random.IntN(366*24*3600), 0, time.UTC)
	if _, end := at.In(zone).ZoneBounds(); !end.IsZero() && random.IntN(2) == 0 {
		at = end.Add(time.Duration(random.IntN(8*3600)-4*3600) * time.Second)
	}
	if random.IntN(10) == 0 {
		at = time.Date(2028, 2, 28, 20, 0, random.IntN(36*3600), 0, zone)
	}
	return at.UTC()
}

// TestRunsDoNotDependOnWhenOneLooks holds what any schedule does, looked at in steps of
// any length, against its runs one after the other.
func TestRunsDoNotDependOnWhenOneLooks(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 7))
		text := anySchedule(random)
		s := parse(t, text)
		begin := anyMoment(random, s.zone)
		end := begin.Add(2 * time.Hour)

		var runs []Run
		for at := begin; ; {
			run, ok := s.Next(at)
			if !ok || run.At.After(end) {
				break
			}
			if !run.At.After(at) {
				t.Fatalf("seed %d, %s: the run after %s is at %s", seed, text, at, run.At)
			}
			// None is between, wherever one begins to look.
			middle := at.Add(time.Duration(random.Int64N(int64(run.At.Sub(at)))))
			if again, ok := s.Next(middle); !ok || again != run {
				t.Fatalf("seed %d, %s: the run after %s is %v, after %s it is %v", seed, text, at, run, middle, again)
			}
			runs, at = append(runs, run), run.At
		}

		// In steps that are shorter than what may be late, the last run of each step is
		// carried out, and no other.
		settled, next := begin, 0
		for now := begin; now.Before(end); {
			now = now.Add(time.Duration(random.Int64N(int64(Late))))
			if now.After(end) {
				now = end
			}
			var want Run
			found := false
			for next < len(runs) && !runs[next].At.After(now) {
				want, found, next = runs[next], true, next+1
			}
			got, due := s.Due(settled, now)
			if due != found || got != want {
				t.Fatalf("seed %d, %s: from %s to %s the run %v is due (%v), want %v (%v)", seed, text, settled, now, got, due, want, found)
			}
			if due {
				settled = got.At
			}
			if again, due := s.Due(settled, now); due {
				t.Fatalf("seed %d, %s: %v is due again at %s", seed, text, again, now)
			}
		}
	}
}

// TestDueIsMonotone looks later and later, and settled later and later.
func TestDueIsMonotone(t *testing.T) {
	for seed := range uint64(6) {
		random := rand.New(rand.NewPCG(seed, 8))
		text := anySchedule(random)
		s := parse(t, text)
		settled := anyMoment(random, s.zone)
		last := time.Time{}
		for now := settled; now.Before(settled.Add(48 * time.Hour)); now = now.Add(time.Duration(random.IntN(7200)) * time.Second) {
			run, due := s.Due(settled, now)
			if !due {
				continue
			}
			if run.At.Before(last) || run.At.After(now) || !run.At.After(settled) || s.Missed(run, now) {
				t.Fatalf("seed %d, %s: settled up to %s, at %s the run of %s is due, before it was that of %s", seed, text, settled, now, run.At, last)
			}
			last = run.At
			if later, ok := s.Due(run.At.Add(-1), now); !ok || later != run {
				t.Fatalf("seed %d, %s: settled to just before it, %v is due, want %v", seed, text, later, run)
			}
		}
	}
}
