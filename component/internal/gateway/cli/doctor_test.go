package cli

import (
	"os"
	"testing"
)

func TestColouredOnATerminalOnly(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // a character device, as a terminal is
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	device, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("this machine has no pseudo terminals: ", err)
	}
	defer device.Close()
	for _, c := range []struct {
		out  *os.File
		env  map[string]string
		want bool
	}{
		{file, nil, false},
		{null, nil, false},
		{device, nil, true},
		{device, map[string]string{"NO_COLOR": "1"}, false},
		{device, map[string]string{"TERM": "dumb"}, false},
	} {
		env := Env{Stdout: c.out, Getenv: func(name string) string { return c.env[name] }}
		if got := coloured(env); got != c.want {
			t.Errorf("%s with %v: coloured %v, want %v", c.out.Name(), c.env, got, c.want)
		}
	}
}
