package cdev

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// denied says who may open a device that this process may not.
func denied(path string, err error) error {
	info, statErr := os.Stat(path)
	if statErr != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s: %w", path, err)
	}
	mode, group := info.Mode().Perm(), groupName(stat.Gid)
	if mode&0o040 == 0 {
		return fmt.Errorf("%s is closed to its group %s (mode %04o): a udev rule must give it to a group that this user is in: %w",
			path, group, mode, err)
	}
	return fmt.Errorf("%s is of group %s: this user must be a member: %w", path, group, err)
}

func groupName(gid uint32) string {
	id := strconv.FormatUint(uint64(gid), 10)
	group, err := user.LookupGroupId(id)
	if err != nil {
		return id
	}
	return group.Name
}
