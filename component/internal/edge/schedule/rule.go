package schedule

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/cronexpr"
)

// daily is a time of day on some days of the week.
type daily struct {
	clock time.Duration // since midnight
	days  weekdays
}

func (d daily) next(after time.Time) time.Time {
	year, month, day := after.Date()
	midnight := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	for i := range 8 { // today's may be over, so the same day next week counts
		date := midnight.AddDate(0, 0, i)
		if t := date.Add(d.clock); d.days.has(date.Weekday()) && t.After(after) {
			return t
		}
	}
	return time.Time{}
}

// parseClock reads a time of day such as "06:30" or "06:30:15".
func parseClock(text string) (time.Duration, error) {
	for _, layout := range []string{"15:04", "15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil && len(text) == len(layout) {
			return t.Sub(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)), nil
		}
	}
	return 0, errors.New(`a time of day from "00:00" to "23:59:59"`)
}

// weekdays is a set of days, bit 0 for Sunday.
type weekdays uint8

const everyDay weekdays = 1<<7 - 1

var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (d weekdays) has(day time.Weekday) bool { return d&(1<<day) != 0 }

// parseDay reads a day such as "mon", or days such as "mon-fri".
func parseDay(text string) (weekdays, bool) {
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		to = from
	}
	first, last := slices.Index(dayNames, from), slices.Index(dayNames, to)
	if first < 0 || last < 0 {
		return 0, false
	}
	var days weekdays
	for day := first; ; day = (day + 1) % 7 { // "sat-mon" goes over the end of the week
		if days |= 1 << day; day == last {
			return days, true
		}
	}
}

// cron is a cron expression. The library's expressions keep scratch space, so one
// is made for each search.
type cron struct {
	text  string
	fixed bool // at fixed hours: each local time comes once
}

func (c cron) next(after time.Time) time.Time {
	return cronexpr.MustParse(c.text).Next(after)
}

// parseCron reads the five fields minute, hour, day of month, month, day of week.
func parseCron(text string) (cron, error) {
	fields := strings.Fields(text)
	if len(fields) != 5 {
		return cron{}, errors.New("minute hour day-of-month month day-of-week")
	}
	for _, field := range fields {
		if strings.ContainsAny(field, "?@") {
			return cron{}, errors.New("a cron expression out of numbers, names, * , - / L W #")
		}
	}
	text = strings.Join(fields, " ")
	expression, err := cronexpr.Parse(text)
	if err != nil {
		return cron{}, fmt.Errorf("a cron expression (%w)", err)
	}
	// The library takes ranges that run backwards and dates that do not exist for nothing.
	if expression.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return cron{}, errors.New("a cron expression that comes at some time, its ranges from low to high")
	}
	return cron{text: text, fixed: !strings.HasPrefix(fields[1], "*")}, nil
}
