package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"syscall"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// What is kept in the work directory.
const stateFile = state.FileName

// Space that is too little. What the component writes is a few kB, in a file beside
// the one that it replaces.
const (
	fullBytes = 1 << 16
	lowBytes  = 10 << 20
	fullFiles = 4
)

// work checks the directory that the component writes to, and what is in it.
func (x *examination) work() {
	dir := x.workDir()
	info, err := x.stat(dir)
	switch {
	case errors.Is(err, fs.ErrPermission):
		x.skip("work directory", "%s does not show to this user%s", dir, x.asRoot())
		return
	case err != nil || !info.IsDir():
		x.report("work directory", WorkMissing, fmt.Sprintf("%s is no directory", dir), "the directory that the nucleus makes when the component is installed; name another: --dir DIRECTORY", "ls -ld "+dir)
		return
	case !may(info, mayRead|mayWrite|maySearch, x.who.uid, x.groups):
		x.report("work directory", WorkOwner, fmt.Sprintf("%s is closed to %s (%s)", dir, x.who.name, x.mode(info)), "a directory of the component's user", x.chown(dir))
	default:
		x.ok("work directory", "%s is open to %s", dir, x.who.name)
	}
	x.disk(dir)
	x.files(dir)
}

func (x *examination) chown(file string) string {
	return script(fmt.Sprintf("sudo chown -R %s: %s", x.who.name, file), x.restart())
}

// disk checks that there is room for the next state.
func (x *examination) disk(dir string) {
	const check = "disk"
	freeUp := script("df -h "+dir, "df -i "+dir, "sudo du -xh "+path.Join(x.Root, "logs")+" "+path.Join(x.Root, "packages")+" | sort -h | tail -n 20", "sudo journalctl --vacuum-size=50M")
	s, err := x.Space(dir)
	if err != nil {
		x.skip(check, "%v", err)
		return
	}
	switch {
	case s.ReadOnly:
		x.readOnly(dir)
	case s.Bytes < fullBytes:
		x.report(check, DiskFull, fmt.Sprintf("%d bytes are free for %s", s.Bytes, dir), "some megabytes", freeUp)
	case !s.NoFiles && s.Files < fullFiles:
		x.report(check, DiskFull, fmt.Sprintf("%d files more fit where %s is", s.Files, dir), "some thousands", freeUp)
	default:
		x.tryDisk(dir, s, freeUp)
	}
}

func (x *examination) readOnly(dir string) {
	x.report("disk", DiskReadOnly, dir+" is on a file system that is mounted read-only", "one that can be written to",
		script("findmnt -T "+dir, "sudo dmesg | grep -i -e error -e remount | tail -n 20", fmt.Sprintf("sudo mount -o remount,rw \"$(findmnt -n -o TARGET -T %s)\"", dir)))
}

// tryDisk writes, where this process is of the component's user: a quota or a
// broken disk shows in no number.
func (x *examination) tryDisk(dir string, s Space, freeUp string) {
	if x.self() {
		err := x.Try(dir)
		switch {
		case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
			x.report("disk", DiskFull, err.Error(), "some megabytes, also of the user's quota", freeUp)
			return
		case errors.Is(err, syscall.EROFS):
			x.readOnly(dir)
			return
		case err != nil && !errors.Is(err, fs.ErrPermission): // that is told of the directory
			x.report("disk", DiskFailed, err.Error(), "a disk that can be written to", "sudo dmesg | grep -i -e 'i/o' -e error | tail -n 20")
			return
		}
	}
	if s.Bytes < lowBytes {
		x.report("disk", DiskLow, fmt.Sprintf("%d kB are free for %s", s.Bytes>>10, dir), fmt.Sprintf("%d MB", lowBytes>>20), freeUp)
		return
	}
	x.ok("disk", "%d MB are free", s.Bytes>>20)
}

// files checks what the component left for its next start.
func (x *examination) files(dir string) {
	for _, name := range []string{stateFile, goodFile} {
		file := path.Join(dir, name)
		text, err := x.read(file)
		info, statErr := x.stat(file)
		switch {
		case errors.Is(statErr, fs.ErrNotExist):
			x.ok("state", "there is no %s yet", name)
			continue
		case statErr == nil && !may(info, mayRead, x.who.uid, x.groups):
			x.report("state", StateUnreadable, fmt.Sprintf("%s is closed to %s (%s)", file, x.who.name, x.mode(info)), "a file of the component's user", x.chown(dir))
			continue
		case errors.Is(err, fs.ErrPermission):
			x.skip("state", "%s does not show to this user%s", file, x.asRoot())
			continue
		case err != nil:
			x.report("state", StateUnreadable, err.Error(), "a file that can be read", script("ls -l "+file, "sudo mv "+file+" "+file+".unreadable", x.restart()))
			continue
		}
		x.stamps.add(file, info.ModTime())
		if name == stateFile {
			x.stateText(file, text)
		}
	}
	x.aside(dir)
}

func (x *examination) stateText(file string, text []byte) {
	s, damages, err := state.Decode(text)
	_, newer := errors.AsType[*state.NewerError](err)
	keep := script("sudo cp "+file+" "+file+".copy", x.restart())
	switch {
	case newer:
		x.report("state", StateNewer, fmt.Sprintf("%s: %v", file, err), "a state of this version; the component leaves the file alone, and saves nothing as long as it is there",
			script("sudo mv "+file+" "+file+".newer", x.restart()))
	case err != nil:
		x.report("state", StateBroken, fmt.Sprintf("%s is broken: %v", file, err), "one whole JSON object; at its next start the component sets the file aside, and uses the entries before the damage", keep)
	default:
		x.ok("state", "%s has %d outputs, %d properties and %d alarms", file, len(s.Outputs), len(s.Properties), len(s.Alarms))
	}
	for _, d := range damages.First {
		x.report("state", StateDamaged, fmt.Sprintf("%s: %s: %s", file, d.Path, d.Reason), fmt.Sprintf("entries that the component can have written; %d are damaged, and left out at its next start", damages.Count), keep)
	}
}

// aside finds states that were set aside.
func (x *examination) aside(dir string) {
	for _, name := range x.list(dir) {
		if state.IsAside(name) {
			x.report("state", StateAside, path.Join(dir, name)+" was not understood, and set aside", "a look at why (a newer version wrote it, or the disk lost it); then it may go", "sudo rm "+path.Join(dir, name))
		}
	}
}
