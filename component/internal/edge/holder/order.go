package holder

import (
	"slices"
	"time"
)

// Order says what lines are to be should their owner vanish.
type Order struct {
	At     time.Time // not before; zero is as soon as the owner is gone
	Values []bool    // of all lines of the request, logical
}

// onWire makes the orders relative to now, since two processes share no clock
// that is not set at times.
func onWire(orders []Order, now time.Time) []order {
	wired := make([]order, len(orders))
	for i, o := range orders {
		wired[i].Values = o.Values
		if !o.At.IsZero() {
			wired[i].After = max(0, o.At.Sub(now))
		}
	}
	return wired
}

// fromWire is the inverse, with the orders in the order of their time.
func fromWire(wired []order, now time.Time) []Order {
	orders := make([]Order, len(wired))
	for i, o := range wired {
		orders[i] = Order{At: now.Add(o.After), Values: o.Values}
	}
	slices.SortStableFunc(orders, func(a, b Order) int { return a.At.Compare(b.At) })
	return orders
}
