package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// childVariable makes the test binary examine the tree below a directory as the
// user that it was started as.
const childVariable = "SHADOWGPIO_DOCTOR_ROOT"

func TestMain(m *testing.M) {
	root := os.Getenv(childVariable)
	if root == "" {
		os.Exit(m.Run())
	}
	machine := ThisMachine(devices(root), func(string) string { return "" })
	machine.Files = os.DirFS(root)
	machine.Dial = (&patient{root: root}).dial
	machine.Space = func(dir string) (Space, error) { return space(filepath.Join(root, dir)) }
	machine.Try = func(dir string) error { return try(filepath.Join(root, dir)) }
	machine.Synchronised = func() (bool, error) { return true, nil }
	Examine(context.Background(), machine, Options{}).WriteJSON(os.Stdout)
}

// devices is a backend that opens the devices below a root, and finds no lines.
type devices string

func (d devices) Chips() (chips []gpio.ChipInfo, err error) {
	nodes, _ := filepath.Glob(filepath.Join(string(d), "dev/gpiochip*"))
	for _, node := range nodes {
		file, openErr := os.Open(node)
		if openErr != nil {
			err = errors.Join(err, &gpio.OpError{Op: "open", Chip: filepath.Base(node), Err: openErr})
			continue
		}
		file.Close()
		chips = append(chips, gpio.ChipInfo{Name: filepath.Base(node), Path: node, Label: "board"})
	}
	return chips, err
}

func (devices) LineInfos(string) ([]gpio.LineInfo, error) { return nil, nil }

func (devices) Request(string, string, []gpio.LineConfig) (gpio.Lines, error) {
	return nil, gpio.ErrUnsupported
}

// as has a process of the component's user examine the machine, with real opens,
// connects and writes.
func (p *patient) as(groups ...uint32) Report {
	p.t.Helper()
	cmd := exec.Command(p.program())
	cmd.Env = []string{childVariable + "=" + p.root, "GORACE=atexit_sleep_ms=0"}
	cmd.Dir = "/"
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(p.uid), Gid: 1234, Groups: groups}}
	out, err := cmd.Output()
	p.must(err)
	var r Report
	p.must(json.Unmarshal(out, &r))
	return r
}

// program is this test binary where everybody may run it.
func (p *patient) program() string {
	p.t.Helper()
	self, err := os.Executable()
	p.must(err)
	from, err := os.Open(self)
	p.must(err)
	defer from.Close()
	to, err := os.OpenFile(p.at("/doctor"), os.O_CREATE|os.O_WRONLY, 0o755)
	p.must(err)
	_, err = io.Copy(to, from)
	p.must(err)
	p.must(to.Close())
	return p.at("/doctor")
}

// TestAsTheComponentsUser has the real user without privileges meet real permissions,
// and a judgement from the outside agree.
func TestAsTheComponentsUser(t *testing.T) {
	const lines = LineMissing // that backend has none
	for _, c := range []struct {
		name   string
		groups []uint32 // of the doctor, and of the component unless harm says otherwise
		harm   func(*patient)
		want   []Kind
	}{
		{"all is well", []uint32{1234, gpioGID}, func(p *patient) {}, []Kind{lines, lines}},
		{"not in the group", []uint32{1234}, func(p *patient) {
			p.write("/etc/group", "gpio:x:997:pi\n")
		}, []Kind{ChipGroup}},
		{"not in the group yet", []uint32{1234}, func(p *patient) {}, []Kind{ChipStale}},
		{"only the doctor in the group", []uint32{1234, gpioGID}, (*patient).alone, []Kind{ChipStale, lines, lines}},
		{"device of root", []uint32{1234, gpioGID}, func(p *patient) { p.own("/dev/gpiochip0", 0, 0, 0o600) }, []Kind{UdevUnmatched}},
		{"socket of root", []uint32{1234, gpioGID}, func(p *patient) { p.own(socket, 0, 0, 0o600) }, []Kind{SocketDenied}},
		{"directory of root above the socket", []uint32{1234, gpioGID}, func(p *patient) { p.own("/greengrass", 0, 0, 0o700) }, []Kind{SocketDenied}},
		{"work directory of root", []uint32{1234, gpioGID}, func(p *patient) { p.own(workDir, 0, 0, 0o755) }, []Kind{lines, lines, WorkOwner}},
		{"full disk", []uint32{1234, gpioGID}, func(p *patient) {
			p.tmpfs("size=64k")
			p.fill()
		}, []Kind{lines, lines, DiskFull}},
		{"read-only disk", []uint32{1234, gpioGID}, func(p *patient) {
			p.tmpfs("size=64m")
			p.must(unix.Mount("", p.at(workDir), "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		}, []Kind{lines, lines, DiskReadOnly}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPatient(t)
			p.needRoot()
			p.must(unix.Unlink(p.at("/dev/gpiochip0")))
			p.must(unix.Mknod(p.at("/dev/gpiochip0"), unix.S_IFCHR|0o660, int(unix.Mkdev(1, 3))))
			p.own("/dev/gpiochip0", 0, p.gid, 0o660)
			p.own(proc(pid, "environ"), p.uid, p.uid, 0o400)
			status := "Uid:\t1234\t1234\nGid:\t1234\t1234\nGroups:\t"
			for _, g := range c.groups {
				status += " " + strconv.Itoa(int(g))
			}
			p.write(proc(pid, "status"), status+"\n")
			c.harm(p)
			report := p.as(c.groups...)
			var kinds []Kind
			for _, f := range wrong(report) {
				kinds = append(kinds, f.Kind)
			}
			if !slices.Equal(kinds, c.want) {
				t.Errorf("got %q, want %q in\n%v", kinds, c.want, report)
			}
		})
	}
}
