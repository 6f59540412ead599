package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/durable"
)

// stateFile is a work directory with that text as its state file.
func stateFile(t *testing.T, text string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, FileName), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func asides(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, FileName+".*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestLoadSetsABrokenFileAside(t *testing.T) {
	for _, text := range []string{"", "{", "null", "[]", `{"outputs":{}}`, `{"format":2,"outputs":{"lamp":`, "\x00\x00\x00", strings.Repeat(" ", maxSize+1)} {
		dir := stateFile(t, text)
		s, report, err := In(dir).Load()
		if err != nil || report.Broken == nil || s.Entries() != 0 || s.Outputs == nil {
			t.Errorf("%.40q: got %+v, %+v, %v", text, s, report, err)
			continue
		}
		aside := asides(t, dir)
		if len(aside) != 1 || report.Aside != aside[0] {
			t.Errorf("%.40q: set aside %v, report %+v", text, aside, report)
			continue
		}
		if kept, _ := os.ReadFile(aside[0]); string(kept) != text {
			t.Errorf("%.40q became %.40q", text, kept)
		}
		if _, report, err := In(dir).Load(); err != nil || report.Broken != nil {
			t.Errorf("%.40q: the second start: %+v, %v", text, report, err)
		}
	}
}

// What could be read of a broken file is on the disk before anything relies on it.
func TestLoadSavesWhatItSalvages(t *testing.T) {
	dir := stateFile(t, `{"format":2,"outputs":{"lamp":true},"properties":{"gw//n#count":{"count":7},"gw//m#count":{"count":1`)
	for start := range 2 {
		s, report, err := In(dir).Load()
		if err != nil || count(s, "gw//n#count") != 7 || !s.Outputs["lamp"] || len(s.Properties) != 1 {
			t.Errorf("start %d: got %+v, %+v, %v", start, s, report, err)
		}
		if broken := report.Broken != nil; broken != (start == 0) {
			t.Errorf("start %d: %+v", start, report)
		}
	}
}

func TestFilesThatAreSetAsideAreBounded(t *testing.T) {
	dir := t.TempDir()
	for i := range 12 {
		name := fmt.Sprintf("%s.22001123T0531%02d.000", FileName, i) // by a clock that was wrong
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"state.json.old", "state.json.2/full", "state.json.20261123T053100.000/full"} { // somebody else's
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, FileName), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, report, err := In(dir).Load()
	if err != nil {
		t.Fatal(err)
	}
	left := asides(t, dir)
	if len(left) != keptAside+3 || !strings.Contains(strings.Join(left, " "), report.Aside) || !strings.Contains(strings.Join(left, " "), "053111") {
		t.Errorf("left are %v; %s is the newest", left, report.Aside)
	}
}

// TestWhatCannotBeReadIsLeftAlone: only a missing file is an empty state.
func TestWhatCannotBeReadIsLeftAlone(t *testing.T) {
	for name, c := range map[string]struct {
		make func(path string) error
		want error
	}{
		"input/output error": {func(path string) error { return os.Symlink("/proc/self/mem", path) }, syscall.EIO},
		"circle of links":    {func(path string) error { return os.Symlink(path, path) }, syscall.ELOOP},
		"link to nothing":    {func(path string) error { return os.Symlink(path+".elsewhere", path) }, &durable.KindError{}},
		"directory":          {func(path string) error { return os.Mkdir(path, 0o700) }, &durable.KindError{}},
		"pipe":               {func(path string) error { return syscall.Mkfifo(path, 0o600) }, &durable.KindError{}},
		"endless device":     {func(path string) error { return os.Symlink("/dev/zero", path) }, &durable.KindError{}},
		"newer version": {func(path string) error {
			return os.WriteFile(path, []byte(`{"format":99,"outputs":{"lamp":true}}`), 0o600)
		}, &NewerError{}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, FileName)
			if err := c.make(path); err != nil {
				t.Fatal(err)
			}
			before, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			s, report, err := In(dir).Load()
			if err == nil || errors.Is(err, fs.ErrNotExist) || s.Entries() != 0 || report.Broken != nil {
				t.Errorf("got %+v, %+v, %v", s, report, err)
			}
			if fmt.Sprintf("%T", durable.Reason(err)) != fmt.Sprintf("%T", c.want) {
				t.Errorf("got %T %v, want %T", durable.Reason(err), err, c.want)
			}
			after, err := os.Lstat(path)
			if err != nil || !os.SameFile(before, after) || after.ModTime() != before.ModTime() {
				t.Errorf("the file was touched: %v, %v", after, err)
			}
			if files, _ := os.ReadDir(dir); len(files) != 1 {
				t.Errorf("in the directory: %v", files)
			}
		})
	}
}

// A broken file that cannot be set aside is left alone as well.
func TestBrokenFileThatCannotBeSetAside(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may rename files everywhere")
	}
	dir := stateFile(t, "{")
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o700)
	if _, _, err := In(dir).Load(); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v", err)
	}
}

func TestSaveSaysWhatFailed(t *testing.T) {
	if err := In(filepath.Join(t.TempDir(), "missing")).Save(State{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	// What could not be read again is not written.
	dir := stateFile(t, `{"format":2,"properties":{"gw//n#count":{"count":7}}}`)
	big := State{Properties: map[string]Property{"x": {Setting: strings.Repeat("x", maxSize)}}}
	if err := In(dir).Save(big); err == nil || !strings.Contains(err.Error(), "want a state of less than") {
		t.Errorf("got %v", err)
	}
	if s, _, err := In(dir).Load(); err != nil || count(s, "gw//n#count") != 7 {
		t.Errorf("got %+v, %v", s, err)
	}
}
