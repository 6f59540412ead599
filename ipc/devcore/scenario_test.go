package devcore_test

import (
	"testing"

	"github.com/shadowgpio/shadowgpio/internal/scenario"
)

func TestScenarios(t *testing.T) {
	for _, file := range scenario.Files("testdata/shadow-scenarios.json") {
		t.Run(file, func(t *testing.T) {
			t.Logf("%d cases", scenario.Run(t, file))
		})
	}
}
