package reading

import (
	"fmt"
	"math"
	"testing"
	"time"
)

func TestFilters(t *testing.T) {
	zero, ten := 0.0, 10.0
	for _, c := range []struct {
		name    string
		rules   Rules
		samples []float64
		want    []float64
	}{
		{"none", Rules{Decimals: 1}, []float64{1, 2.04, 3.06}, []float64{1, 2, 3.1}},
		{"median takes a spike out", Rules{Median: 3}, []float64{5, 5, 900, 5, 6}, []float64{5, 5, 5, 5, 6}},
		{"median of two is their mean", Rules{Median: 3}, []float64{4, 8}, []float64{4, 6}},
		{"average", Rules{Average: 2, Decimals: 1}, []float64{1, 2, 4}, []float64{1, 1.5, 3}},
		{"median, then average", Rules{Median: 3, Average: 2}, []float64{2, 2, 99, 4}, []float64{2, 2, 2, 3}},
		{"scale and offset", Rules{Scale: 1.8, Offset: 32, Decimals: 1}, []float64{0, 100}, []float64{32, 212}},
		{"clamp", Rules{Min: &zero, Max: &ten}, []float64{-3, 5, 30}, []float64{0, 5, 10}},
		{"clamp after scale", Rules{Scale: 100, Max: &ten}, []float64{0.05, 1}, []float64{5, 10}},
		{"rounding", Rules{Decimals: 2}, []float64{1.005, -1.239, 1e300}, []float64{1, -1.24, 1e300}},
	} {
		r := Reading{Rules: c.rules}
		for i, sample := range c.samples {
			r.Take(sample)
			if got, ok := r.Value(); !ok || math.Abs(got-c.want[i]) > 1e-9*math.Abs(c.want[i])+1e-12 {
				t.Errorf("%s: sample %d, %v, is %v, want %v", c.name, i+1, sample, got, c.want[i])
			}
		}
	}
}

// step is a sample at a second, or with NaN only a look, and whether it is reported.
type step struct {
	second int
	sample float64
	report bool
}

var look = math.NaN()

func TestReports(t *testing.T) {
	for _, c := range []struct {
		name  string
		rules Rules
		steps []step
	}{
		{"each change", Rules{}, []step{{0, 1, true}, {1, 1, false}, {2, 2, true}, {3, 1, true}}},
		{"a change that rounding takes away", Rules{}, []step{{0, 1, true}, {1, 1.4, false}, {2, 1.6, true}}},
		{"deadband", Rules{Deadband: 0.5, Decimals: 1}, []step{{0, 20, true}, {1, 20.4, false}, {2, 20.5, true}, {3, 20.1, false}, {4, 20, true}}},
		{"deadband is from the report, not from the last sample", Rules{Deadband: 1, Decimals: 1}, []step{{0, 20, true}, {1, 20.4, false}, {2, 20.8, false}, {3, 21.2, true}}},
		{"percent", Rules{DeadbandPercent: 10}, []step{{0, 100, true}, {1, 109, false}, {2, 110, true}, {3, 100, false}, {4, 99, true}}},
		{"percent of nothing is any change", Rules{DeadbandPercent: 10}, []step{{0, 0, true}, {1, 0, false}, {2, 1, true}}},
		{"least interval", Rules{MinInterval: 10 * time.Second}, []step{{0, 1, true}, {1, 2, false}, {9, 3, false}, {10, look, true}, {11, 4, false}, {20, look, true}}},
		{"a change that is gone after the least interval", Rules{MinInterval: 10 * time.Second}, []step{{0, 1, true}, {1, 2, false}, {5, 1, false}, {10, look, false}, {30, look, false}}},
		{"longest interval", Rules{MaxInterval: 60 * time.Second}, []step{{0, 1, true}, {30, 1, false}, {59, look, false}, {60, look, true}, {119, 1, false}, {120, 1, true}}},
		{"a change begins the longest interval anew", Rules{MaxInterval: 60 * time.Second}, []step{{0, 1, true}, {30, 2, true}, {60, look, false}, {90, look, true}}},
		{"no sample, no report", Rules{MaxInterval: time.Second}, []step{{0, look, false}, {5, look, false}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Reading{Rules: c.rules}
			for _, s := range c.steps {
				now := time.Unix(int64(s.second), 0)
				if !math.IsNaN(s.sample) {
					r.Take(s.sample)
				}
				due, next := r.Due(now)
				if due != s.report {
					t.Fatalf("at %d s with %v: report %v, want %v", s.second, s.sample, due, s.report)
				}
				if !due && !next.IsZero() && !next.After(now) {
					t.Errorf("at %d s: next look at %v, which is not later", s.second, next)
				}
				if due {
					r.Reported(now)
				}
			}
		})
	}
}

func TestLostSensorIsReportedAtOnceWhenItIsBack(t *testing.T) {
	r := Reading{Rules: Rules{Deadband: 5, MinInterval: time.Hour, Median: 3}}
	now := time.Unix(0, 0)
	r.Take(20)
	r.Reported(now)
	r.Lose()
	if _, ok := r.Value(); ok {
		t.Error("a lost sensor has a value")
	}
	if due, _ := r.Due(now); due {
		t.Error("a lost sensor is reported")
	}
	r.Take(21)
	if due, _ := r.Due(now); !due {
		t.Error("the first value afterwards is not reported")
	}
	if v, _ := r.Value(); v != 21 {
		t.Errorf("it is %v, want 21 without the samples before", v)
	}
}

// A sample that is no number leaves nothing behind in the windows of the filters.
func TestWhatIsNoNumberIsNotTaken(t *testing.T) {
	ten := 10.0
	r := Reading{Rules: Rules{Median: 3, Average: 3, Max: &ten}}
	for _, sample := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if r.Take(5); r.Take(sample) {
			t.Errorf("%v is taken", sample)
		}
		if _, known := r.Value(); known {
			t.Errorf("%v leaves a value", sample)
		}
		if ok := r.Take(4); !ok || r.value != 4 {
			t.Errorf("after %v, 4 is %v, %v", sample, r.value, ok)
		}
	}
	r = Reading{Rules: Rules{Average: 2}}
	r.Take(math.MaxFloat64)
	if r.Take(math.MaxFloat64) {
		t.Errorf("an average that is too large for a number is taken as %v", r.value)
	}
}

func FuzzTake(f *testing.F) {
	f.Add(20.0, 3, 2, 1.5, 2)
	f.Add(math.MaxFloat64, 9, 9, 1e300, 9)
	f.Add(math.NaN(), 3, 1, 1.0, 0)
	f.Fuzz(func(t *testing.T, sample float64, med, avg int, scale float64, decimals int) {
		r := Reading{Rules: Rules{Median: med % MaxWindow, Average: avg % MaxWindow, Scale: scale, Decimals: max(decimals%MaxDecimals, 0)}}
		for i := range 5 {
			ok := r.Take(sample)
			if v, known := r.Value(); math.IsNaN(v) || math.IsInf(v, 0) || known != ok {
				t.Fatal(fmt.Sprint("sample ", i, " is ", v, ", taken ", ok, ", known ", known))
			}
		}
	})
}
