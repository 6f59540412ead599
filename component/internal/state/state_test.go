package state

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSaveAndLoad(t *testing.T) {
	dir := t.TempDir()
	if s, err := In(dir).Load(); err != nil || len(s.Outputs) != 0 || s.Outputs == nil {
		t.Fatalf("before the first save: %+v, %v", s, err)
	}
	for _, outputs := range []map[string]bool{{"lamp": true, "fan": false}, {"lamp": false}} {
		if err := In(dir).Save(State{Outputs: outputs}); err != nil {
			t.Fatal(err)
		}
		s, err := In(dir).Load()
		if err != nil || !maps.Equal(s.Outputs, outputs) {
			t.Errorf("got %+v, %v; want %v", s, err, outputs)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("left in the directory: %v, %v", files, err)
	}
}

func TestLoadSetsAsideWhatItDoesNotUnderstand(t *testing.T) {
	for _, text := range []string{"", "{", `{"format":99,"outputs":{}}`, `{"format":1,"outputs":[]}`, "\x00\x00\x00"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := In(dir).Load()
		if err == nil || len(s.Outputs) != 0 {
			t.Errorf("%q: got %+v, %v", text, s, err)
			continue
		}
		aside, _ := filepath.Glob(filepath.Join(dir, "state.json.*"))
		if len(aside) != 1 || !strings.Contains(err.Error(), aside[0]) {
			t.Errorf("%q: set aside %v, error %v", text, aside, err)
			continue
		}
		if kept, _ := os.ReadFile(aside[0]); string(kept) != text {
			t.Errorf("%q became %q", text, kept)
		}
		if _, err := In(dir).Load(); err != nil {
			t.Errorf("%q: the second start fails too: %v", text, err)
		}
	}
}

func TestSaveSaysWhatFailed(t *testing.T) {
	err := In(filepath.Join(t.TempDir(), "missing")).Save(State{})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "state not saved") {
		t.Errorf("got %v", err)
	}
}
