//go:build race

package e2e

// slowdown is how many times slower the race detector may make a program.
const slowdown = 4
