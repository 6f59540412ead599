package shadowdoc

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Number is a JSON number in the form in which the shadow manager writes it:
// integers with all their digits, everything else as a double.
type Number string

func newNumber(literal string) Number {
	if !strings.ContainsAny(literal, ".eE") {
		if literal == "-0" {
			return "0"
		}
		return Number(literal)
	}
	f, _ := strconv.ParseFloat(literal, 64) // out of range is ±infinity, as there
	return Number(formatDouble(f))
}

// formatDouble writes a double as Java does: a fraction always, an exponent from
// 10⁷ on and below 10⁻³.
func formatDouble(f float64) string {
	switch abs := math.Abs(f); {
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case abs == 0 || abs >= 1e-3 && abs < 1e7:
		return withFraction(strconv.FormatFloat(f, 'f', -1, 64))
	}
	text := strconv.FormatFloat(f, 'e', -1, 64)
	if !strings.Contains(text, ".") {
		text = strconv.FormatFloat(f, 'e', 1, 64) // Java wants two digits, the closest ones: 4.9E-324
	}
	mantissa, exponent, _ := strings.Cut(text, "e")
	n, _ := strconv.Atoi(exponent)
	return withFraction(mantissa) + "E" + strconv.Itoa(n)
}

func withFraction(s string) string {
	if strings.Contains(s, ".") {
		return s
	}
	return s + ".0"
}

func (n Number) append(dst []byte) []byte {
	if n.infinite() {
		return appendString(dst, string(n)) // JSON has no infinity; there it is a string
	}
	return append(dst, n...)
}

func (n Number) infinite() bool { return strings.HasSuffix(string(n), "Infinity") }

func (n Number) integral() bool { return !n.infinite() && !strings.Contains(string(n), ".") }

func (n Number) double() float64 {
	f, _ := strconv.ParseFloat(string(n), 64)
	return f
}

// long is the number as a 64-bit integer: the low bits of an integer that is
// longer, the nearest end of the range for a double outside it.
func (n Number) long() int64 {
	if i, err := strconv.ParseInt(string(n), 10, 64); err == nil {
		return i
	}
	if n.integral() {
		i, _ := new(big.Int).SetString(string(n), 10)
		return int64(i.And(i, new(big.Int).SetUint64(math.MaxUint64)).Uint64())
	}
	return saturate(n.double(), math.MinInt64, math.MaxInt64)
}

// int is the number as a 32-bit integer, by the same rules.
func (n Number) int() int32 {
	if n.integral() {
		return int32(n.long())
	}
	return int32(saturate(n.double(), math.MinInt32, math.MaxInt32))
}

func saturate(f float64, low, high int64) int64 {
	switch {
	case f >= float64(high):
		return high
	case f <= float64(low):
		return low
	}
	return int64(f)
}

// sameValue compares numbers as the delta does: equal as 64-bit integers and as
// doubles, so that 250 equals 250.0 but no two neighbours above 2⁵³ are equal.
func sameValue(a, b Number) bool { return a.long() == b.long() && a.double() == b.double() }
