package doctor

import (
	"slices"
	"strconv"
	"strings"
)

// user is an account of /etc/passwd with its groups.
type user struct {
	name   string
	uid    int
	groups []int // the primary one first
}

// user finds an account by name, or by number.
func (m Machine) user(who string) (user, bool) {
	if who == "" {
		return user{}, false
	}
	text, _ := m.read("/etc/passwd")
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) < 4 || f[0] != who && f[2] != who {
			continue
		}
		uid, err1 := strconv.Atoi(f[2])
		gid, err2 := strconv.Atoi(f[3])
		if err1 != nil || err2 != nil {
			continue
		}
		return user{f[0], uid, append([]int{gid}, m.memberships(f[0])...)}, true
	}
	return user{}, false
}

// memberships are the groups that /etc/group puts a user in.
func (m Machine) memberships(user string) (gids []int) {
	m.eachGroup(func(_ string, gid int, members []string) {
		if slices.Contains(members, user) {
			gids = append(gids, gid)
		}
	})
	return gids
}

// groupName is the name of a group, or its number where it has none.
func (m Machine) groupName(gid int) string {
	found := strconv.Itoa(gid)
	m.eachGroup(func(name string, id int, _ []string) {
		if id == gid {
			found = name
		}
	})
	return found
}

func (m Machine) groupExists(name string) (exists bool) {
	m.eachGroup(func(n string, _ int, _ []string) { exists = exists || n == name })
	return exists
}

func (m Machine) eachGroup(do func(name string, gid int, members []string)) {
	text, _ := m.read("/etc/group")
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) < 4 {
			continue
		}
		if gid, err := strconv.Atoi(f[2]); err == nil {
			do(f[0], gid, strings.Split(f[3], ","))
		}
	}
}
