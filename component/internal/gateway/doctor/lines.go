package doctor

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// consumer is what the component's lines are held as, before their label.
const consumer = "shadowgpio"

// lines checks that each configured line is there and not somebody else's.
func (x *examination) lines(open bool) {
	for _, label := range slices.Sorted(maps.Keys(x.config.Lines)) {
		check := "line " + label
		ref := x.config.Lines[label].Ref
		if !open {
			x.skip(check, "no chip can be opened%s", x.asRoot())
			continue
		}
		address, err := gpio.Find(x.Backend, ref)
		switch {
		case err != nil:
			x.notFound(check, ref, err)
		case !address.Line.Used:
			x.ok(check, "%s is offset %d of %s, and free", ref, address.Line.Offset, address.Chip.Name)
		case ours(address.Line.Consumer):
			x.ok(check, "%s is offset %d of %s, held by %q", ref, address.Line.Offset, address.Chip.Name, address.Line.Consumer)
		default:
			x.busy(check, ref, address)
		}
	}
}

// asRoot is what helps to see more; as root there is nothing.
func (x *examination) asRoot() string {
	if x.UID == 0 {
		return ""
	}
	return "; as root more is seen: sudo shadowgpio doctor"
}

// ours says whether the component holds a line, or its holder for it.
func ours(by string) bool { return strings.HasPrefix(by, consumer+" ") }

func (x *examination) notFound(check string, ref gpio.Ref, err error) {
	switch {
	case errors.Is(err, gpio.ErrAmbiguous):
		x.report(check, LineAmbiguous, err.Error(), "chip and offset in the configuration, as in {chip: gpiochip0, line: 17}", "shadowgpio lines | grep -w -- "+shellWord(ref.Line))
	case errors.Is(err, gpio.ErrNoChip):
		x.report(check, ChipMissing, err.Error(), "name, label or path of a chip that is there", "shadowgpio lines | awk 'NR > 1 { print $1, $2 }' | sort -u")
	case errors.Is(err, gpio.ErrNoLine):
		x.report(check, LineMissing, err.Error(), "the name of a line that is there, or chip and offset", "shadowgpio lines")
	default:
		x.report(check, ChipFailed, err.Error(), "a chip that answers", "sudo dmesg | grep -i gpio | tail -n 20")
	}
}

func (x *examination) busy(check string, ref gpio.Ref, a gpio.Address) {
	found := fmt.Sprintf("%s is offset %d of %s, held by %q", ref, a.Line.Offset, a.Chip.Name, cmp.Or(a.Line.Consumer, "(unnamed)"))
	want := "a line that nobody else holds"
	owners, complete := x.holders(a.Chip.Name, a.Line.Offset)
	switch {
	case len(owners) > 0:
		x.report(check, LineBusy, found+", "+describeOwners(owners), want, x.stopLines(owners))
	case complete:
		x.report(check, LineBusy, found+"; no process has it, so it is the kernel: a driver, a device tree hog, or /sys/class/gpio", want,
			script("sudo cat /sys/kernel/debug/gpio", "grep -H -e dtoverlay -e dtparam /boot/firmware/config.txt /boot/config.txt", "ls /sys/class/gpio"))
	default:
		x.report(check, LineBusy, found+"; which process that is shows only to root", want, "sudo shadowgpio doctor")
	}
}

func describeOwners(owners []lineOwner) string {
	texts := make([]string, len(owners))
	for i, o := range owners {
		texts[i] = o.String()
	}
	if owners[0].sure {
		return "by " + strings.Join(texts, " and ")
	}
	return "perhaps by " + strings.Join(texts, " or ")
}

func (x *examination) stopLines(owners []lineOwner) string {
	var lines []string
	for _, o := range owners {
		line := fmt.Sprintf("sudo kill %d", o.pid)
		if o.unit != "" {
			line = "sudo systemctl disable --now " + shellWord(o.unit)
		}
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return script(lines...)
}
