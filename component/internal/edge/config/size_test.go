package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
)

// TestMessageSize compares with what the cloud sends of a shadow of which everything is
// desired, otherwise than it is, and answered.
func TestMessageSize(t *testing.T) {
	const outputs = 14
	var lines, properties, desired, reported, acks []string
	for i := range outputs {
		lines = append(lines, fmt.Sprintf("  l%02d: {line: G%d, direction: output}\n", i, i))
		properties = append(properties, fmt.Sprintf("      lamp%02d: {line: l%02d}\n", i, i))
		desired = append(desired, fmt.Sprintf(`"lamp%02d":true`, i))
		reported = append(reported, fmt.Sprintf(`"lamp%02d":false`, i))
		acks = append(acks, fmt.Sprintf(`"lamp%02d":{"code":200,"version":2147483647}`, i))
	}
	cfg, err := Parse([]byte("lines:\n"+strings.Join(lines, "")+"shadows:\n  main:\n    properties:\n"+strings.Join(properties, "")), "gw")
	if err != nil {
		t.Fatal(err)
	}
	update, err := shadowdoc.ParseCloudUpdate(fmt.Appendf(nil, `{"state":{"desired":{%s},"reported":{%s,"ack":{%s}}}}`,
		strings.Join(desired, ","), strings.Join(reported, ","), strings.Join(acks, ",")))
	if err != nil {
		t.Fatal(err)
	}
	change, err := shadowdoc.ApplyCloud(nil, 2147483646, update, 1_700_000_000, MaxDocument)
	if err != nil {
		t.Fatal(err)
	}
	token := strings.Repeat("x", 64)
	sent := len(change.After.GotFromCloud(&token, 1_700_000_000))
	if got := cfg.Shadows["main"].MessageSize(); got < sent || got > sent*11/10 {
		t.Errorf("%d bytes for %d outputs, the cloud sends %d", got, outputs, sent)
	}
}
