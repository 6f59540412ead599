// Package reading makes of the samples of a sensor what is worth reporting: filters
// first, then a deadband and intervals. It has no clock and no I/O.
package reading

import (
	"math"
	"slices"
	"time"
)

// Rules are how samples become reports. The zero value reports each change.
type Rules struct {
	// Filters, in this order. A filter that is 0 or nil is none.
	Median  int      // of that many samples, odd, at most MaxWindow: takes out single wrong ones
	Average int      // moving, of that many, at most MaxWindow
	Scale   float64  // times; 0 is 1
	Offset  float64  // and plus
	Min     *float64 // not below
	Max     *float64 // not above
	// Decimals are the digits after the point, 0 to MaxDecimals; rounding comes last.
	Decimals int

	// Deadband is how far a value must be from the one reported last to be reported:
	// in its unit, or in percent of that one. Both 0 is any change.
	Deadband        float64
	DeadbandPercent float64

	MinInterval time.Duration // between two reports of changes; 0 is none
	MaxInterval time.Duration // after which a value is reported though it did not change; 0 is never
}

// Bounds of Rules.
const (
	MaxWindow   = 99
	MaxDecimals = 9
)

// Reading is the state of one reading. Its zero value, with Rules, has no samples.
type Reading struct {
	Rules

	recent   []float64 // for the median
	averaged []float64 // for the average
	value    float64   // filtered, the last one
	known    bool
	reported float64
	at       time.Time // of the last report; zero before the first
}

// Take takes a sample. Value has what the filters make of it. ok is false for a sample
// that is no number, or of which the filters make none since it is too large: that loses
// those before, too.
func (r *Reading) Take(sample float64) (ok bool) {
	if !finite(sample) {
		r.Lose()
		return false
	}
	value := sample
	if r.Median > 1 {
		r.recent = window(r.recent, value, r.Median)
		value = median(r.recent)
	}
	if r.Average > 1 {
		r.averaged = window(r.averaged, value, r.Average)
		sum := 0.0
		for _, v := range r.averaged {
			sum += v
		}
		value = sum / float64(len(r.averaged))
	}
	if r.Scale != 0 {
		value *= r.Scale
	}
	value += r.Offset
	if r.Min != nil {
		value = max(value, *r.Min)
	}
	if r.Max != nil {
		value = min(value, *r.Max)
	}
	if !finite(value) {
		r.Lose()
		return false
	}
	r.value, r.known = round(value, r.Decimals), true
	return true
}

func finite(value float64) bool { return !math.IsNaN(value) && !math.IsInf(value, 0) }

// Lose forgets the samples: the sensor failed, or has no data. The next one is
// reported at once.
func (r *Reading) Lose() { *r = Reading{Rules: r.Rules} }

// Value is the last filtered value; ok is false before the first sample.
func (r *Reading) Value() (value float64, ok bool) { return r.value, r.known }

// Settled reports whether further samples like the last one would leave the value as it
// is: the windows of the filters hold nothing else.
func (r *Reading) Settled() bool { return uniform(r.recent) && uniform(r.averaged) }

func uniform(values []float64) bool {
	return len(values) == 0 || slices.Max(values) == slices.Min(values)
}

// Due reports whether the value is to be reported now, and otherwise when to look
// again though there is no new sample, zero for never.
func (r *Reading) Due(now time.Time) (due bool, next time.Time) {
	switch {
	case !r.known:
		return false, time.Time{}
	case r.at.IsZero():
		return true, time.Time{}
	}
	if r.apart() {
		if end := r.at.Add(r.MinInterval); now.Before(end) {
			return false, end
		}
		return true, time.Time{}
	}
	if r.MaxInterval <= 0 {
		return false, time.Time{}
	}
	end := r.at.Add(r.MaxInterval)
	return !now.Before(end), end
}

// Reported notes that the value was handed over for its report.
func (r *Reading) Reported(now time.Time) { r.reported, r.at = r.value, now }

// apart reports whether the value is far enough from what was reported.
func (r *Reading) apart() bool {
	distance := math.Abs(r.value - r.reported)
	// What rounding to decimals leaves of a difference is not exact.
	tolerance := 1e-9 * max(math.Abs(r.value), math.Abs(r.reported))
	band := max(r.Deadband, r.DeadbandPercent/100*math.Abs(r.reported))
	if band == 0 {
		return distance > 0
	}
	return distance >= band-tolerance
}

func window(values []float64, next float64, size int) []float64 {
	if len(values) >= size {
		values = slices.Delete(values, 0, len(values)-size+1)
	}
	return append(values, next)
}

// median of an even number is the mean of the two in the middle.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

func round(value float64, decimals int) float64 {
	scale := math.Pow10(decimals)
	if rounded := math.Round(value*scale) / scale; finite(rounded) {
		return rounded
	}
	return value // too large to have any
}
