package cdev

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/warthog618/go-gpiocdev/uapi"

	"github.com/shadowgpio/shadowgpio/gpio"
)

func TestEncode(t *testing.T) {
	flags := func(f uapi.LineFlagV2, mask uapi.LineBitmap) uapi.LineConfigAttribute {
		return uapi.LineConfigAttribute{Attr: f.Encode(), Mask: mask}
	}
	debounce := func(d time.Duration, mask uapi.LineBitmap) uapi.LineConfigAttribute {
		return uapi.LineConfigAttribute{Attr: uapi.DebouncePeriod(d).Encode(), Mask: mask}
	}
	values := func(v, mask uapi.LineBitmap) uapi.LineConfigAttribute {
		return uapi.LineConfigAttribute{Attr: uapi.OutputValues(v).Encode(), Mask: mask}
	}
	const in, out = uapi.LineFlagV2Input, uapi.LineFlagV2Output
	for _, c := range []struct {
		name  string
		lines []gpio.LineConfig
		flags uapi.LineFlagV2
		attrs []uapi.LineConfigAttribute
	}{
		{name: "as is", lines: []gpio.LineConfig{{}}},
		{name: "as is, active low", lines: []gpio.LineConfig{{ActiveLow: true}}, flags: uapi.LineFlagV2ActiveLow},
		{
			name:  "equal inputs share all",
			lines: []gpio.LineConfig{{Direction: gpio.Input, Debounce: time.Second}, {Direction: gpio.Input, Debounce: time.Second}},
			flags: in,
			attrs: []uapi.LineConfigAttribute{debounce(time.Second, 3)},
		},
		{
			name:  "outputs differ by value alone",
			lines: []gpio.LineConfig{{Direction: gpio.Output}, {Direction: gpio.Output, Value: true}, {Direction: gpio.Output, Value: true}},
			flags: out,
			attrs: []uapi.LineConfigAttribute{values(6, 7)},
		},
		{
			name: "every flag",
			lines: []gpio.LineConfig{
				{Direction: gpio.Input, Edges: gpio.BothEdges, Bias: gpio.BiasPullDown},
				{}, // must not inherit the flags of the first
				{Direction: gpio.Output, Drive: gpio.OpenDrain, Bias: gpio.BiasPullUp, Value: true},
				{Direction: gpio.Output, Drive: gpio.OpenSource, ActiveLow: true},
				{Direction: gpio.Input, Edges: gpio.RisingEdges, Bias: gpio.BiasDisabled},
				{Direction: gpio.Input, Edges: gpio.FallingEdges, Debounce: 3 * time.Millisecond},
				{},
			},
			flags: in | uapi.LineFlagV2EdgeBoth | uapi.LineFlagV2BiasPullDown,
			attrs: []uapi.LineConfigAttribute{
				flags(0, 1<<1|1<<6),
				flags(out|uapi.LineFlagV2OpenDrain|uapi.LineFlagV2BiasPullUp, 1<<2),
				flags(out|uapi.LineFlagV2OpenSource|uapi.LineFlagV2ActiveLow, 1<<3),
				flags(in|uapi.LineFlagV2EdgeRising|uapi.LineFlagV2BiasDisabled, 1<<4),
				flags(in|uapi.LineFlagV2EdgeFalling, 1<<5),
				debounce(3*time.Millisecond, 1<<5),
				values(1<<2, 1<<2|1<<3),
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := uapi.LineConfig{Flags: c.flags, NumAttrs: uint32(len(c.attrs))}
			copy(want.Attrs[:], c.attrs)
			if got := encode(c.lines); *got != want {
				t.Errorf("got %+v, want %+v", *got, want)
			}
		})
	}
}

func TestDecodeEvent(t *testing.T) {
	wall := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	got := decodeEvent(&uapi.LineEvent{
		Timestamp: uint64(90 * time.Second), ID: uapi.LineEventFallingEdge, Offset: 3, Seqno: 8, LineSeqno: 5,
	}, wall, 100*time.Second)
	want := gpio.Event{
		Offset: 3, Edge: gpio.Falling, Time: wall.Add(-10 * time.Second), Clock: 90 * time.Second, Seqno: 8, LineSeqno: 5,
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestIsDeparture(t *testing.T) {
	const fields = "\x00ACTION=remove\x00DEVPATH=/devices/platform/gpio-sim.0/gpiochip0\x00SUBSYSTEM=%\x00MAJOR=254\x00"
	for message, want := range map[string]bool{
		"remove@/devices/platform/gpio-sim.0/gpiochip0" + strings.Replace(fields, "%", "gpio", 1):      true,
		"add@/devices/platform/gpio-sim.0/gpiochip0" + strings.Replace(fields, "%", "gpio", 1):         false,
		"remove@/devices/platform/gpio-sim.0/gpiochip0" + strings.Replace(fields, "%", "gpio-keys", 1): false,
		"remove@/devices/usb1" + strings.Replace(fields, "%", "usb", 1):                                false,
		"libudev\x00remove@": false,
		"":                   false,
	} {
		if got := isDeparture([]byte(message)); got != want {
			t.Errorf("%q: got %v", message, got)
		}
	}
}

func TestDenied(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gpiochip0")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	group := groupName(uint32(os.Getgid()))
	for mode, says := range map[fs.FileMode]string{
		0o660: path + " is of group " + group + ": this user must be a member: permission denied",
		0o600: path + " is closed to its group " + group + " (mode 0600): a udev rule must give it to a group that this user is in: permission denied",
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		err := denied(path, syscall.EACCES)
		if err.Error() != says || !errors.Is(err, syscall.EACCES) {
			t.Errorf("got  %v\nwant %s", err, says)
		}
	}
	if err := denied(path+"-gone", syscall.EACCES); !errors.Is(err, syscall.EACCES) || !strings.Contains(err.Error(), "-gone") {
		t.Errorf("got %v", err)
	}
	if got := groupName(4242424242); got != "4242424242" {
		t.Errorf("a group without a name is %q", got)
	}
}

// What is no GPIO device must get no GPIO ioctl.
func TestNoChip(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "gpiochip0")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"/dev/null", "/dev/zero", plain, "/dev/gpiochip9999", "gpiochip9999", "no-such-label", ""} {
		_, requestErr := New().Request(ref, "test", []gpio.LineConfig{{}})
		_, listErr := New().LineInfos(ref)
		for _, err := range []error{requestErr, listErr} {
			opErr, ok := errors.AsType[*gpio.OpError](err)
			if !ok || !errors.Is(err, gpio.ErrNoChip) || errors.Is(err, gpio.ErrGone) {
				t.Errorf("%q: got %v", ref, err)
			} else if opErr.Chip != ref {
				t.Errorf("%q: error is about %q", ref, opErr.Chip)
			}
		}
	}
}
