package cli

import (
	"strings"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/control"
)

func TestStatusTellsWhatWasDropped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status control.Status
		want   []string
	}{
		{control.Status{}, nil},
		{control.Status{LogDropped: 3, JournalDropped: 4}, []string{"log: 3 lines dropped", "journal: 4 changes not on disk"}},
	} {
		var text strings.Builder
		printStatus(&text, false, c.status)
		for _, want := range c.want {
			if !strings.Contains(text.String(), want) {
				t.Errorf("%+v: no %q in\n%s", c.status, want, &text)
			}
		}
		if c.want == nil && (strings.Contains(text.String(), "dropped") || strings.Contains(text.String(), "not on disk")) {
			t.Errorf("nothing was dropped, and it tells\n%s", &text)
		}
	}
}
