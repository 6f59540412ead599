package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/gateway/cli"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// finding is one line of the doctor's JSON.
type finding struct{ Check, Status, Kind, Found string }

// doctor examines the component of the rig, which it has to find by itself.
func (r *rig) doctor() (code int, findings []finding) {
	r.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	var out, errs bytes.Buffer
	code = cli.Run(r.t.Context(), cli.Env{
		Args: []string{"doctor", "--json", "--dir", r.work()}, Self: []string{exe}, Stdout: &out, Stderr: &errs,
		Getenv: func(string) string { return "" }, Backend: func() gpio.Backend { return r.chip },
	})
	var report struct{ Findings []finding }
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		r.t.Fatalf("exit code %d, %v in\n%s%s", code, err, out.String(), errs.String())
	}
	if text := out.String() + errs.String(); strings.Contains(text, r.token) {
		r.t.Errorf("the token shows in\n%s", text)
	}
	return code, report.Findings
}

// of are the findings of the checks whose names begin with that.
func of(findings []finding, check string) (found []finding) {
	for _, f := range findings {
		if strings.HasPrefix(f.Check, check) {
			found = append(found, f)
		}
	}
	return found
}

// TestDoctorFindsTheRunningComponent has the doctor take process, environment, lines
// and state from a component that really runs.
func TestDoctorFindsTheRunningComponent(t *testing.T) {
	r, p := house(t)
	_, findings := r.doctor()
	for _, check := range []string{"component", "socket", "token", "configuration", "line lamp", "line fan", "line door", "shadow main", "shadow room", "work directory"} {
		found := of(findings, check)
		if len(found) == 0 {
			t.Errorf("%s was not checked: %+v", check, findings)
		}
		for _, f := range found {
			if f.Status != "ok" {
				t.Errorf("got %+v", f)
			}
		}
	}
	for _, label := range []string{"lamp", "fan", "door"} {
		if f := of(findings, "line "+label); !strings.Contains(f[0].Found, `held by "shadowgpio `+label+`"`) {
			t.Errorf("got %+v", f)
		}
	}
	p.signal(os.Kill)
	p.ends()
	if _, findings := r.doctor(); len(of(findings, "component")) != 1 || of(findings, "component")[0].Kind != "component-away" {
		t.Errorf("the component is gone: %+v", findings)
	}
}

// TestDoctorFindsTwoCopies has a second copy started in the same work directory, as
// after a nucleus that crashed.
func TestDoctorFindsTwoCopies(t *testing.T) {
	r, first := house(t)
	second := r.start()
	second.says("another run has the work directory; waiting for its end")
	code, findings := r.doctor()
	found := slices.DeleteFunc(of(findings, "copies"), func(f finding) bool { return f.Kind == "" }) // those of other tests
	if code != 1 || len(found) != 1 || !strings.Contains(found[0].Found, "both run in "+r.work()) ||
		!strings.Contains(found[0].Found, fmt.Sprintf("; %d has the directory since ", first.cmd.Process.Pid)) {
		t.Errorf("exit code %d, %+v", code, found)
	}
}
