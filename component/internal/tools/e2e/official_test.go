package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestOfficialClientMovesALine is the main job: AWS's own Python client desires
// values, the component sets lines and reports what they read.
func TestOfficialClientMovesALine(t *testing.T) {
	python := os.Getenv("SHADOWGPIO_PYTHON")
	if python == "" {
		t.Skip("SHADOWGPIO_PYTHON names no Python with awsiotsdk; scripts/test.sh makes one")
	}
	r, _ := house(t)
	if r.level(lampOffset) || r.level(fanOffset) {
		t.Fatal("the outputs are high before anything was desired")
	}
	cmd := exec.CommandContext(t.Context(), python, "testdata/official_client.py")
	cmd.Env = append(os.Environ(),
		"AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT="+r.coreAt,
		"SVCUID="+r.core.IssueToken("com.example.Application"),
		"AWS_IOT_THING_NAME="+thing,
	)
	cmd.WaitDelay = time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, stderr.String())
	}
	type step struct {
		Version  int64           `json:"version"`
		Delta    json.RawMessage `json:"delta"`
		Reported json.RawMessage `json:"reported"`
		Open     json.RawMessage `json:"open"`
	}
	var got struct {
		Classic, Refused, Named step
		Shadows                 []string
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	for _, c := range []struct {
		name                  string
		step                  step
		delta, reported, open string
	}{
		{"classic", got.Classic, `{"lights":"on"}`, `{"lights":"on","ack":{"lights":{"code":200,"version":%d}}}`, `null`},
		{"refused", got.Refused, `{"lights":"blue"}`, `{"lights":"on","ack":{"lights":{"code":400,"version":%d}}}`, `{"lights":"blue"}`},
		{"named", got.Named, `{"fan":true}`, `{"fan":true,"ack":{"fan":{"code":200,"version":%d}}}`, `null`},
	} {
		same(t, c.name+" delta", c.step.Delta, c.delta)
		same(t, c.name+" delta in the end", c.step.Open, c.open)
		var reported, want map[string]any
		json.Unmarshal(c.step.Reported, &reported)
		json.Unmarshal(fmt.Appendf(nil, c.reported, c.step.Version), &want)
		if !contains(reported, want) {
			t.Errorf("%s: reported %s, want %v", c.name, c.step.Reported, want)
		}
	}
	if !r.level(lampOffset) || !r.level(fanOffset) {
		t.Errorf("lamp high %v, fan high %v; want both high", r.level(lampOffset), r.level(fanOffset))
	}
	if fmt.Sprint(got.Shadows) != "[room]" {
		t.Errorf("named shadows %v, want room", got.Shadows)
	}
}

func same(t *testing.T, what string, got json.RawMessage, want string) {
	t.Helper()
	var compact bytes.Buffer
	if err := json.Compact(&compact, got); err != nil || compact.String() != want {
		t.Errorf("%s: got %s, want %s", what, got, want)
	}
}
