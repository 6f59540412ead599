//go:build !linux

package agent

import "time"

// synchronised cannot be told here; a developer's machine has a clock that is set.
func synchronised() bool { return true }

var began = time.Now()

func sinceBoot() time.Duration { return time.Since(began) }
