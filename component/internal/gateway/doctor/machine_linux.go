package doctor

import "golang.org/x/sys/unix"

func space(dir string) (Space, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return Space{}, err
	}
	return Space{
		Bytes:    s.Bavail * uint64(s.Bsize),
		Files:    s.Ffree,
		NoFiles:  s.Files == 0,
		ReadOnly: s.Flags&unix.ST_RDONLY != 0,
	}, nil
}

// synchronised asks the kernel, which whoever keeps the clock tells
// (torvalds/linux include/uapi/linux/timex.h, STA_UNSYNC).
func synchronised() (bool, error) {
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		return false, err
	}
	return t.Status&unix.STA_UNSYNC == 0, nil
}
