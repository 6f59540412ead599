// Package schedule says when something is to be done: at times of day on days of the
// week, or by a cron expression, each in a time zone. It is pure: nothing here waits
// or reads a clock.
//
// # Daylight saving
//
// A time of day that is skipped comes at the first instant after the gap. One that
// is there twice comes once, the first time. A cron expression whose hour field
// begins with * follows elapsed time instead: nothing at skipped times, all doubled
// ones.
//
// The time zones are part of the program, so a gateway without zoneinfo files has
// all of them.
package schedule
