//go:build !race

package e2e

// slowdown is 1: nothing slows programs down.
const slowdown = 1
