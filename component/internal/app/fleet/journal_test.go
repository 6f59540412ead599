package fleet

import (
	"encoding/json"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/app/client"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// TestAFullDisk has a line of a journal not fit, and another one fit later: the first must not
// be in the middle.
func TestAFullDisk(t *testing.T) {
	j, err := Create(filepath.Join(t.TempDir(), "journal"), Header{Targets: []Target{{Thing: "a"}, {Thing: "b"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if err := j.begin("a", shadow.Document{Version: 1}); err != nil {
		t.Fatal(err)
	}
	full := limitFiles(t, j, 20)
	if err := j.begin("b", shadow.Document{Version: 1}); !errors.Is(err, syscall.EFBIG) {
		t.Fatalf("a line that does not fit: %v", err)
	}
	full()
	if err := j.end("a", Result{Outcome: client.Done}); err == nil {
		t.Error("a line after one that was cut off is taken")
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(j.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, begun := again.begun("a"); !begun {
		t.Error("what was written before is lost")
	}
	if _, begun := again.begun("b"); begun {
		t.Error("what was cut off counts")
	}
}

// limitFiles lets files of this process grow so many bytes beyond a journal, until end is called.
func limitFiles(t *testing.T, j *Journal, more int64) (end func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	info, err := os.Stat(j.Path())
	if err != nil {
		t.Fatal(err)
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	limit := old
	limit.Cur = uint64(info.Size() + more)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRevert(t *testing.T) {
	for _, c := range []struct{ written, desired, reported, want string }{
		{`95`, `90`, `80`, `90`},
		{`95`, `null`, `80`, `80`},
		{`95`, `null`, `null`, `null`},
		{`{"a":1}`, `{"a":0,"b":2}`, `null`, `{"a":0}`},
		{`{"a":1}`, `{"b":2}`, `null`, `{"a":null}`},
		{`{"a":1}`, `{"b":2}`, `{"a":5}`, `{"a":5}`},
		{`{"a":{"x":1},"c":null}`, `{"a":{"x":0,"y":0},"c":3}`, `null`, `{"a":{"x":0},"c":3}`},
		{`{"a":1}`, `5`, `null`, `5`},
		{`5`, `{"a":1}`, `null`, `{"a":1}`},
		{`{"a":1}`, `null`, `{"a":0,"b":2}`, `{"a":0}`},
	} {
		value := func(text string) (v any) {
			if err := json.Unmarshal([]byte(text), &v); err != nil {
				t.Fatal(err)
			}
			return v
		}
		if got := revert(value(c.written), value(c.desired), value(c.reported)); !reflect.DeepEqual(got, value(c.want)) {
			t.Errorf("%s over %s, reported %s: back to %v, want %s", c.written, c.desired, c.reported, got, c.want)
		}
	}
}
