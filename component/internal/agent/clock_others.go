//go:build !linux

package agent

// synchronised cannot be told here; a developer's machine has a clock that is set.
func synchronised() bool { return true }
