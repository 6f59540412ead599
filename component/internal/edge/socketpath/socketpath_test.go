package socketpath

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLongPath(t *testing.T) {
	dir, err := os.MkdirTemp("", "sp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, sub := range []string{"", strings.Repeat("d", 120)} {
		path := filepath.Join(dir, sub, "a.socket")
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		err := At(path, func(address string) error {
			l, err := net.Listen("unix", address)
			if err != nil {
				return err
			}
			t.Cleanup(func() { l.Close() })
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
		if err := At(path, func(address string) error {
			c, err := net.Dial("unix", address)
			if err == nil {
				c.Close()
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}
	if err := At(filepath.Join(dir, strings.Repeat("x", 120), "a"), func(string) error { return nil }); err == nil {
		t.Error("a directory that is missing is no error")
	}
}
