package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// kernel checks for the uAPI v2 of the GPIO character device, which came with Linux
// 5.10 (torvalds/linux include/uapi/linux/gpio.h).
func (x *examination) kernel() {
	text, err := x.read("/proc/sys/kernel/osrelease")
	release := strings.TrimSpace(string(text))
	var major, minor int
	if _, scanErr := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil || scanErr != nil {
		x.skip("kernel", "its version is not shown in /proc/sys/kernel/osrelease: %q", release)
		return
	}
	if major < 5 || major == 5 && minor < 10 {
		x.report("kernel", KernelOld, "Linux "+release+" has no GPIO uAPI v2", "Linux 5.10 or newer", "sudo apt-get update && sudo apt-get full-upgrade && sudo reboot")
		return
	}
	x.ok("kernel", "Linux %s", release)
}

// chips checks that there are chips, and that the component may open them. open says
// whether this process can look at their lines.
func (x *examination) chips() (open bool) {
	chips, err := x.Backend.Chips()
	nodes, _ := fs.Glob(x.Files, "dev/gpiochip*")
	switch {
	case len(chips) == 0 && len(nodes) == 0:
		x.noChip()
		return false
	case len(chips) > 0:
		x.ok("chips", "%s", describe(chips))
	}
	for _, e := range each(err) {
		if !errors.Is(e, gpio.ErrPermission) {
			x.report("chips", ChipFailed, e.Error(), "chips that can be opened", "sudo dmesg | grep -i gpio | tail -n 20")
		}
	}
	if len(nodes) == 0 {
		x.skip("permission", "these chips have no device in /dev")
	}
	for _, node := range nodes {
		x.permission("/"+node, err)
	}
	return len(chips) > 0
}

func describe(chips []gpio.ChipInfo) string {
	texts := make([]string, len(chips))
	for i, c := range chips {
		texts[i] = fmt.Sprintf("%s (%s, %d lines)", c.Name, c.Label, c.Lines)
	}
	return strings.Join(texts, ", ")
}

// each takes joined errors apart.
func each(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

func (x *examination) noChip() {
	if devices := x.list("/sys/bus/gpio/devices"); len(devices) > 0 {
		x.report("chips", ChipNone, "the kernel has "+strings.Join(devices, ", ")+", and /dev has no gpiochip",
			"a device in /dev for each chip; a container must be given them",
			"docker run --device /dev/gpiochip0 … # in a container, else: sudo udevadm trigger --subsystem-match=gpio")
		return
	}
	x.report("chips", ChipNone, "the kernel has no GPIO chip", "a driver for the chip: in the kernel, as a module, or by a device tree overlay",
		"sudo dmesg | grep -i -e gpio -e pinctrl")
}

// permission checks whether the component may open a chip. Reading is enough to
// request its lines.
func (x *examination) permission(node string, chipsErr error) {
	info, err := x.stat(node)
	if err != nil {
		x.report("permission", ChipFailed, err.Error(), "a device that can be looked at", "ls -l "+node)
		return
	}
	switch {
	case may(info, mayRead, x.who.uid, x.groups):
		if x.self() && blocked(chipsErr, node) {
			x.report("permission", ChipBlocked, fmt.Sprintf("%s is open to %s, and yet the kernel refuses it", node, x.who.name),
				"no rule of a container (device cgroup) or of AppArmor, SELinux or systemd (DevicePolicy) against it",
				"sudo dmesg | grep -i -e denied -e audit | tail -n 20")
			return
		}
		x.ok("permission", "%s is open to %s (%s)", node, x.who.name, x.mode(info))
		x.volatile(node, info)
	case x.self() && !may(info, mayRead, x.UID, x.Groups) && x.opens(node):
		x.ok("permission", "%s is open to %s by more than its mode", node, x.who.name)
	case may(info, mayRead, x.who.uid, x.who.groups):
		x.report("permission", ChipStale, fmt.Sprintf("%s is in the group of %s (%s), and its process was started before that", x.who.name, node, x.mode(info)),
			"a process that was started after the user joined the group", x.restart())
	default:
		x.denied(node, info)
	}
}

// blocked says whether opening a device failed for want of permission.
func blocked(err error, node string) bool {
	for _, e := range each(err) {
		var op *gpio.OpError
		if errors.As(e, &op) && path.Base(node) == op.Chip && errors.Is(e, gpio.ErrPermission) {
			return true
		}
	}
	return false
}

func (x *examination) opens(node string) bool {
	file, err := x.Files.Open(name(node))
	if err != nil {
		return false
	}
	file.Close()
	return true
}

// mode is a file's owner, group and mode as people write it.
func (x *examination) mode(info fs.FileInfo) string {
	uid, gid, ok := owner(info)
	if !ok {
		return fmt.Sprintf("mode %04o", info.Mode().Perm())
	}
	group := x.groupName(gid)
	return fmt.Sprintf("user %d, group %s, mode %04o", uid, group, info.Mode().Perm())
}

const (
	ruleFile = "/etc/udev/rules.d/60-shadowgpio.rules"
	ruleText = `SUBSYSTEM=="gpio", KERNEL=="gpiochip*", GROUP="gpio", MODE="0660"`
	trigger  = "sudo udevadm control --reload && sudo udevadm trigger --subsystem-match=gpio"
)

// denied finds the reason why a chip is closed to the component.
func (x *examination) denied(node string, info fs.FileInfo) {
	_, gid, _ := owner(info)
	found := fmt.Sprintf("%s is closed to %s (%s)", node, x.who.name, x.mode(info))
	join := fmt.Sprintf("sudo usermod -aG %s %s", "%s", x.who.name)
	rule, ok := x.udevRule()
	switch {
	case info.Mode().Perm()&0o040 != 0 && gid != 0: // a group has it
		group := x.groupName(gid)
		x.report("permission", ChipGroup, found, fmt.Sprintf("%s in the group %s, and the component started anew", x.who.name, group),
			script(fmt.Sprintf(join, group), x.restart()))
	case !ok:
		x.report("permission", UdevMissing, found+"; no udev rule gives chips to a group", "a udev rule, and the user in its group",
			script("sudo groupadd -f -r gpio", "echo '"+ruleText+"' | sudo tee "+ruleFile, trigger, fmt.Sprintf(join, "gpio"), x.restart()))
	case !x.groupExists(rule.group):
		x.report("permission", GroupMissing, fmt.Sprintf("%s; the rule in %s gives it to group %s, which does not exist", found, rule.file, rule.group),
			"the group of the rule, and the user in it",
			script("sudo groupadd -f -r "+rule.group, trigger, fmt.Sprintf(join, rule.group), x.restart()))
	default:
		x.report("permission", UdevUnmatched, fmt.Sprintf("%s, though the rule in %s wants group %s, mode %s", found, rule.file, rule.group, cmpMode(rule.mode)),
			"the rule applied; if that does not help, a rule that matches, after all others",
			script(trigger, "ls -l "+node, "udevadm test $(udevadm info -q path -n "+node+") 2>&1 | grep -i -e group -e mode"))
	}
}

func cmpMode(mode string) string {
	if mode == "" {
		return "unsaid"
	}
	return mode
}

// volatile warns of a permission that was given by hand and is gone after a restart.
func (x *examination) volatile(node string, info fs.FileInfo) {
	_, gid, ok := owner(info)
	_, ruled := x.udevRule()
	if !ok || ruled || x.who.uid == 0 || gid == 0 || info.Mode().Perm()&0o040 == 0 {
		return
	}
	x.report("permission", UdevVolatile, node+" is open now, but no udev rule makes it so at the next start", "a udev rule",
		script("echo '"+strings.ReplaceAll(ruleText, `"gpio", MODE`, `"`+x.groupName(gid)+`", MODE`)+"' | sudo tee "+ruleFile, trigger))
}

// rule is a udev rule that gives chips to a group.
type rule struct{ file, group, mode string }

var (
	ruleGroup = regexp.MustCompile(`GROUP\s*:?=\s*"([^"]+)"`)
	ruleMode  = regexp.MustCompile(`MODE\s*:?=\s*"([^"]+)"`)
	ruleMatch = regexp.MustCompile(`^\s*[^#]*(SUBSYSTEMS?\s*==\s*"gpio\*?"|KERNEL\s*==\s*"gpiochip)`)
)

// udevRule finds the last rule that gives chips to a group, as udev reads them:
// files by name, whichever directory they are in.
func (x *examination) udevRule() (last rule, ok bool) {
	for _, dir := range []string{"/usr/lib/udev/rules.d", "/lib/udev/rules.d", "/run/udev/rules.d", "/etc/udev/rules.d"} {
		for _, file := range x.list(dir) {
			text, _ := x.read(path.Join(dir, file))
			joined := strings.ReplaceAll(string(text), "\\\n", " ")
			for line := range strings.Lines(joined) {
				group := ruleGroup.FindStringSubmatch(line)
				if group == nil || !ruleMatch.MatchString(line) || !strings.HasSuffix(file, ".rules") {
					continue
				}
				if ok && path.Base(last.file) > file {
					continue
				}
				last, ok = rule{path.Join(dir, file), group[1], ""}, true
				if mode := ruleMode.FindStringSubmatch(line); mode != nil {
					last.mode = mode[1]
				}
			}
		}
	}
	return last, ok
}
