//go:build !linux

package e2e

import (
	"testing"
	"time"
)

func guestClock(*testing.T) *stormClock { return nil }

func setClock(time.Time) error { return nil }
