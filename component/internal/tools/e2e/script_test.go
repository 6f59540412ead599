package e2e

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts types the commands of testdata/script, each file on a core and a
// simulated chip of its own; one after the other, since the doctor sees all
// components of the machine. Beside the commands of testscript there are
//
//	code N PROGRAM...             run a program that ends with that exit code
//	until PROGRAM...              run a program until it succeeds
//	until-stdout PATTERN PROGRAM...   … and prints that
//	press LINE, release LINE      what is wired to a simulated line
//	desire SHADOW JSON            desire values as an application does; - is the classic shadow
//	nucleus up|down               its socket
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts: ", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			r := newRig(t, houseConfig)
			r.simulate()
			r.serve()
			testscript.Run(t, testscript.Params{
				Files:               []string{file},
				RequireExplicitExec: true,
				Setup: func(env *testscript.Env) error {
					for _, variable := range r.environment()[1:] { // the role is in the program's name
						name, value, _ := strings.Cut(variable, "=")
						env.Setenv(name, value)
					}
					env.Setenv("GORACE", "atexit_sleep_ms=0")
					env.Setenv("TOKEN", r.token)
					env.Setenv("NUCLEUS", r.coreAt)
					return nil
				},
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"code":         code,
					"until":        until,
					"until-stdout": untilStdout,
					"press":        func(ts *testscript.TestScript, _ bool, args []string) { ts.Check(r.pull(args, true)) },
					"release":      func(ts *testscript.TestScript, _ bool, args []string) { ts.Check(r.pull(args, false)) },
					"desire": func(ts *testscript.TestScript, _ bool, args []string) {
						if len(args) != 2 {
							ts.Fatalf("usage: desire SHADOW JSON")
						}
						r.desire(strings.Trim(args[0], "-"), args[1])
					},
					"nucleus": func(ts *testscript.TestScript, _ bool, args []string) {
						if len(args) == 1 && args[0] == "down" {
							r.stopCore()
						} else {
							r.serve()
						}
					},
				},
			})
		})
	}
}

// pull presses or releases what is wired to a line.
func (r *rig) pull(names []string, high bool) error {
	infos, err := r.chip.LineInfos(chipName)
	if err != nil {
		return err
	}
	for _, info := range infos {
		if len(names) == 1 && info.Name == names[0] {
			return r.chip.SetPull(chipName, info.Offset, high)
		}
	}
	return fmt.Errorf("want the name of one line, got %q", names)
}

// code runs a program and checks its exit code.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N PROGRAM...")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: until PROGRAM...")
	}
	untilStdout(ts, neg, append([]string{""}, args...))
}

func untilStdout(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until-stdout PATTERN PROGRAM...")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil && pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("never came to that end; the last time: %v", err)
		}
	}
}
