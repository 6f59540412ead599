package devcore_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

func open(t testing.TB, dir string, log *bytes.Buffer) *devcore.Core {
	t.Helper()
	cfg := devcore.Config{Dir: dir}
	if log != nil {
		cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
	}
	core, err := devcore.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return core
}

func do(t testing.TB, core *devcore.Core, thing, shadow, payload string) {
	t.Helper()
	if _, err := core.Shadows().Update(thing, shadow, []byte(payload)); err != nil {
		t.Fatal(err)
	}
}

func TestStoreIsReloaded(t *testing.T) {
	dir := t.TempDir()
	core := open(t, dir, nil)
	do(t, core, "gw", "", `{"state":{"desired":{"b":250.0,"a":{"c":[1,null]}},"reported":{"n":123456789012345678901}}}`)
	do(t, core, "gw", "named:x", `{"state":{"reported":{"a":1}}}`)
	do(t, core, "gw", "gone", `{"state":{"reported":{"a":1}}}`)
	do(t, core, "other", "", `{"state":{}}`)
	if err := core.Shadows().Delete("gw", "gone"); err != nil {
		t.Fatal(err)
	}
	core.Close()
	again := open(t, dir, nil)
	for _, k := range [][2]string{{"gw", ""}, {"gw", "named:x"}, {"gw", "gone"}, {"other", ""}} {
		want, ok := core.Shadows().Row(k[0], k[1])
		got, ok2 := again.Shadows().Row(k[0], k[1])
		if !ok || !ok2 || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("%v: got %+v, want %+v", k, got, want)
		}
	}
	if gone, _ := again.Shadows().Row("gw", "gone"); !gone.Deleted || gone.Version != 2 {
		t.Errorf("tombstone: %+v", gone)
	}
	text, err := os.ReadFile(filepath.Join(dir, "shadows", "gw", "shadow.json"))
	if err != nil || !json.Valid(text) || !strings.Contains(string(text), "\n    \"desired\": {\n") {
		t.Errorf("%v\n%s", err, text)
	}
	if _, err := os.Stat(filepath.Join(dir, "shadows", "gw", "name", "named:x.json")); err != nil {
		t.Error(err)
	}
	if err := again.Shadows().Drop(); err != nil {
		t.Error(err)
	}
	again.Close()
	if _, ok := open(t, dir, nil).Shadows().Row("gw", ""); ok {
		t.Error("a dropped shadow is back")
	}
}

// TestDirIsOfOneCore refuses a second core until the first has gone.
func TestDirIsOfOneCore(t *testing.T) {
	dir := t.TempDir()
	core := open(t, dir, nil)
	if _, err := devcore.New(devcore.Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "another one uses it") {
		t.Errorf("second core: %v", err)
	}
	if err := core.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir, nil).Close()
}

func TestBrokenFilesAreSetAside(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir, nil)
	do(t, first, "gw", "good", `{"state":{"reported":{"a":1}}}`)
	first.Close()
	names := filepath.Join(dir, "shadows", "gw", "name")
	for name, text := range map[string]string{
		"cut":       `{"version":1,"state":{"rep`,
		"empty":     ``,
		"array":     `[]`,
		"noversion": `{"state":{}}`,
		"zero":      `{"version":0,"state":{}}`,
		"section":   `{"version":1,"state":{"desired":5}}`,
	} {
		if err := os.WriteFile(filepath.Join(names, name+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(names, ".good.json123"), []byte("rest of a write"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(names, "README"), []byte("not ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	core := open(t, dir, &log)
	if got := core.Shadows().List("gw"); len(got) != 1 || got[0] != "good" {
		t.Errorf("got %q", got)
	}
	if n := strings.Count(log.String(), "broken and was set aside"); n != 6 {
		t.Errorf("%d files were logged:\n%s", n, log.String())
	}
	aside, _ := filepath.Glob(filepath.Join(names, "*.broken-*"))
	entries, _ := os.ReadDir(names)
	if len(aside) != 6 || len(entries) != 8 {
		t.Errorf("%d set aside, %d files: %v", len(aside), len(entries), entries)
	}
	do(t, core, "gw", "cut", `{"state":{"reported":{"a":1}}}`)
	log.Reset()
	core.Close()
	open(t, dir, &log)
	if strings.Contains(log.String(), "broken") {
		t.Errorf("set aside twice:\n%s", log.String())
	}
}

// TestStoreSyncsDirectories looks that each name lasts when an update is answered.
func TestStoreSyncsDirectories(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "dir")
	var synced []string
	var failure error
	defer devcore.SyncDir(func(d string) error {
		relative, err := filepath.Rel(dir, d)
		if err != nil {
			t.Error(err)
		}
		synced = append(synced, relative)
		return failure
	})()
	core := open(t, dir, nil)
	if got, want := strings.Join(synced, " "), "../.. .. ."; got != want {
		t.Errorf("opened: synced %q, want %q", got, want)
	}
	for _, want := range []string{"shadows shadows/gw shadows/gw/name", "shadows/gw/name"} {
		synced = nil
		do(t, core, "gw", "n", `{"state":{"reported":{"a":1}}}`)
		if got := strings.Join(synced, " "); got != want {
			t.Errorf("synced %q, want %q", got, want)
		}
	}
	failure = errors.New("disk is gone")
	if _, err := core.Shadows().Update("gw", "n", []byte(`{"state":{}}`)); err == nil || !strings.Contains(err.Error(), "disk is gone") {
		t.Errorf("got %v", err)
	}
}

// TestStoreRemovesOnlyItsOwn leaves the hidden files of others alone.
func TestStoreRemovesOnlyItsOwn(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir, nil)
	do(t, first, "gw", "n", `{"state":{"reported":{"a":1}}}`)
	first.Close()
	shadows := filepath.Join(dir, "shadows")
	for name, ours := range map[string]bool{
		"gw/.shadow.json123": true, "gw/name/.n.json8674665223082153551": true,
		"gw/name/.n.json": false, "gw/name/.n.json.swp": false, "gw/.git": false, ".gitignore": false,
		".shadow.json123": false, "gw/.n.json123": false, "gw/name/.123": false, "gw/name/.hidden.json": false,
	} {
		path := filepath.Join(shadows, name)
		if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		core := open(t, dir, &log)
		if _, err := os.Stat(path); (err != nil) != ours {
			t.Errorf("%s: %v", name, err)
		}
		if got := core.Shadows().List("gw"); len(got) != 1 || log.Len() > 0 {
			t.Errorf("%s: shadows %q, log %s", name, got, &log)
		}
		os.Remove(path)
		core.Close()
	}
}

// TestStoreThatCannotBeWritten answers as the shadow manager does when its
// database fails: nothing is changed.
func TestStoreThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	core := open(t, dir, nil)
	do(t, core, "gw", "", `{"state":{"reported":{"a":1}}}`)
	if err := os.RemoveAll(filepath.Join(dir, "shadows")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "shadows"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := core.Shadows().Update("gw", "", []byte(`{"state":{"reported":{"a":2}}}`)); err == nil || !strings.Contains(err.Error(), "ServiceError") {
		t.Errorf("update: %v", err)
	}
	if err := core.Shadows().Delete("gw", ""); err == nil {
		t.Error("delete: no error")
	}
	if row, _ := core.Shadows().Row("gw", ""); row.Version != 1 || row.Deleted {
		t.Errorf("got %+v", row)
	}
}

const killedDir = "DEVCORE_TEST_KILLED"

// TestKill kills a process that updates shadows without pause. All that it has
// told must be there afterwards.
func TestKill(t *testing.T) {
	if dir := os.Getenv(killedDir); dir != "" {
		updateForEver(t, dir)
	}
	dir := t.TempDir()
	acknowledged := map[string]int64{}
	for round := range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), killedDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			var shadow string
			var version int64
			if _, err := fmt.Sscanf(lines.Text(), "stored %s %d", &shadow, &version); err != nil {
				continue // a line that the kill has cut short
			}
			acknowledged[shadow] = version
			if n == 40+7*round {
				cmd.Process.Kill()
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the process ended by itself")
		}
		var log bytes.Buffer
		core := open(t, dir, &log)
		if log.Len() > 0 {
			t.Errorf("round %d: %s", round, log.String())
		}
		for shadow, version := range acknowledged {
			row, ok := core.Shadows().Row("gw", shadow)
			var state struct {
				Reported struct{ N int64 }
			}
			if err := json.Unmarshal(row.State, &state); err != nil || !ok {
				t.Fatalf("round %d: %s: %v", round, shadow, err)
			}
			// One more may have been stored and not told.
			if row.Version < version || row.Version > version+1 || state.Reported.N != row.Version {
				t.Errorf("round %d: %s: told %d, stored %d with %d", round, shadow, version, row.Version, state.Reported.N)
			}
		}
		core.Close()
	}
	if len(acknowledged) != 3 {
		t.Errorf("told of %v", acknowledged)
	}
}

func updateForEver(t *testing.T, dir string) {
	core := open(t, dir, nil)
	for i := 0; ; i++ {
		shadow := fmt.Sprintf("s%d", i%3)
		row, _ := core.Shadows().Row("gw", shadow)
		do(t, core, "gw", shadow, fmt.Sprintf(`{"state":{"reported":{"n":%d}}}`, row.Version+1))
		fmt.Printf("stored %s %d\n", shadow, row.Version+1)
	}
}
