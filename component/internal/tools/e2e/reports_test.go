package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

// checkReports holds all that the component wrote in a test to what it must never
// write: its token, and what the shadow manager would keep for good, which is a null
// where nothing was, and an empty object.
func (r *rig) checkReports() {
	r.events.count(func(e devcore.Event) bool {
		if e.Kind != devcore.ShadowUpdated || e.Component != componentName {
			return false
		}
		if bytes.Contains(e.Sent, []byte(r.token)) {
			r.t.Errorf("the token is in %s", e.Sent)
		}
		var doc struct {
			State struct{ Reported map[string]any }
		}
		if err := json.Unmarshal(e.Document, &doc); err != nil {
			r.t.Errorf("document %s: %v", e.Document, err)
		}
		for key, value := range doc.State.Reported {
			if isVoid(value) {
				r.t.Errorf("%s is reported with a null or nothing in it: %s after %s", key, e.Document, e.Sent)
			}
		}
		return true
	})
}

// isVoid reports whether a value is, or has at any depth, null or an empty object.
func isVoid(value any) bool {
	members, object := value.(map[string]any)
	for _, member := range members {
		if isVoid(member) {
			return true
		}
	}
	return value == nil || object && len(members) == 0
}

// TestManyUnknownKeys desires a document of keys that no property has: the log has one
// warning with their number.
func TestManyUnknownKeys(t *testing.T) {
	t.Parallel()
	r, p := house(t)
	const keys = 300
	var text strings.Builder
	for i := range keys {
		fmt.Fprintf(&text, `"k%d":1,`, i)
	}
	r.desire("", `{`+text.String()+`"lights":"on"}`)
	r.reported("", `{"lights":"on"}`)
	p.says("desired keys have no property", "count=300")
	if n := strings.Count(p.log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings, want one", n)
	}
}
