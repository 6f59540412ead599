package doctor

import (
	"context"
	"io"
	"io/fs"
	"net"
	"os"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/durable"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// Machine is what the checks see of the world. All fields but Dial are required.
type Machine struct {
	// Files is the file system from its root, /proc and /dev included. Its
	// FileInfos have a *syscall.Stat_t; it is an [fs.ReadLinkFS].
	Files   fs.FS
	Backend gpio.Backend
	Getenv  func(string) string
	Cwd     string // the working directory of this process

	UID    int   // of this process
	Groups []int // of this process, supplementary ones included

	// Dial connects to a Unix socket; nil does it as package ipc does.
	Dial func(ctx context.Context, socket string) (net.Conn, error)
	// Space tells of the file system of a directory.
	Space func(dir string) (Space, error)
	// Try writes a file into a directory, has it synced, and removes it.
	Try func(dir string) error

	Now   func() time.Time
	Built time.Time // a time that is certainly over
	// Synchronised says whether the kernel takes its clock for synchronised.
	Synchronised func() (bool, error)
}

// Space is the room in a file system for a user without privileges.
type Space struct {
	Bytes, Files uint64
	NoFiles      bool // the file system does not count files
	ReadOnly     bool
}

// notBefore is a time that is certainly over for a binary that does not know when
// it was built.
var notBefore = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// ThisMachine is the machine that the process runs on.
func ThisMachine(backend gpio.Backend, getenv func(string) string) Machine {
	dir, _ := os.Getwd()        // "" leaves a relative path as it is
	groups, _ := os.Getgroups() // none is the worst case, and said so
	return Machine{
		Files:        os.DirFS("/"),
		Backend:      backend,
		Getenv:       getenv,
		Cwd:          dir,
		UID:          os.Geteuid(),
		Groups:       append(groups, os.Getegid()),
		Space:        space,
		Try:          try,
		Now:          time.Now,
		Built:        built(),
		Synchronised: synchronised,
	}
}

// built is when this program's source was committed.
func built() time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return notBefore
	}
	for _, s := range info.Settings {
		if at, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil && at.After(notBefore) {
			return at
		}
	}
	return notBefore
}

// try is [Machine.Try] of this machine.
func try(dir string) error {
	file, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if _, err := file.Write(make([]byte, 4096)); err != nil {
		return err
	}
	return file.Sync()
}

// name is a path as package fs wants it.
func name(p string) string {
	if p = strings.TrimPrefix(path.Clean("/"+p), "/"); p == "" {
		return "."
	}
	return p
}

func (m Machine) stat(p string) (fs.FileInfo, error) { return fs.Stat(m.Files, name(p)) }

// longestFile bounds what is read of a file, in bytes.
const longestFile = 16 << 20

// read reads a regular file. It does not wait for the other end of a named pipe.
func (m Machine) read(p string) ([]byte, error) {
	info, err := m.stat(p)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: p, Err: &durable.KindError{Mode: info.Mode()}}
	}
	file, err := m.Files.Open(name(p))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, longestFile))
}

func (m Machine) link(p string) (string, error) { return fs.ReadLink(m.Files, name(p)) }

// list names what is in a directory; nothing where it cannot be read.
func (m Machine) list(dir string) []string {
	entries, _ := fs.ReadDir(m.Files, name(dir))
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

// owner is whose a file is; ok is false where the system does not say.
func owner(info fs.FileInfo) (uid, gid int, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(stat.Uid), int(stat.Gid), true
}

// Rights, as in the mode of a file.
const (
	mayRead   fs.FileMode = 4
	mayWrite  fs.FileMode = 2
	maySearch fs.FileMode = 1
)

// may says whether the mode of a file gives a user the rights, as the kernel
// decides it without capabilities and access control lists.
func may(info fs.FileInfo, rights fs.FileMode, uid int, groups []int) bool {
	if uid == 0 {
		return true
	}
	mode := info.Mode().Perm()
	switch fileUID, fileGID, ok := owner(info); {
	case !ok:
		return true // nothing is known that speaks against it
	case fileUID == uid:
		mode >>= 6
	case slices.Contains(groups, fileGID):
		mode >>= 3
	}
	return mode&rights == rights
}
