package sensor

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// of makes a sensor of what a read of /proc shows.
func of[T any](m Machine, name, unit string, read func(procfs.FS) (T, error), pick func(T) (float64, error)) Sensor {
	return Sensor{name, unit, func() (float64, error) {
		fs, err := procfs.NewFS(m.path("proc"))
		if err != nil {
			return 0, err
		}
		all, err := read(fs)
		if err != nil {
			return 0, err
		}
		return pick(all)
	}}
}

// listed are sensors if a read succeeds at all.
func listed[T any](m Machine, read func(procfs.FS) (T, error), sensors ...Sensor) ([]Sensor, error) {
	fs, err := procfs.NewFS(m.path("proc"))
	if err == nil {
		_, err = read(fs)
	}
	if err != nil {
		return nil, err
	}
	return sensors, nil
}

func cpu(m Machine) ([]Sensor, error) {
	load := func(name string, pick func(*procfs.LoadAvg) float64) Sensor {
		return of(m, name, "", procfs.FS.LoadAvg, func(l *procfs.LoadAvg) (float64, error) { return pick(l), nil })
	}
	var before procfs.CPUStat
	use := of(m, "cpu.use", "%", procfs.FS.Stat, func(s procfs.Stat) (float64, error) {
		now := s.CPUTotal
		idle := now.Idle + now.Iowait - before.Idle - before.Iowait
		all := total(now) - total(before)
		first := before == procfs.CPUStat{}
		before = now
		if first || all <= 0 {
			return 0, ErrNoData
		}
		return 100 * min(max(1-idle/all, 0), 1), nil
	})
	return listed(m, procfs.FS.Stat, use,
		load("cpu.load1", func(l *procfs.LoadAvg) float64 { return l.Load1 }),
		load("cpu.load5", func(l *procfs.LoadAvg) float64 { return l.Load5 }),
		load("cpu.load15", func(l *procfs.LoadAvg) float64 { return l.Load15 }))
}

// total leaves guest times out: they are in user and nice already.
func total(s procfs.CPUStat) float64 {
	return s.User + s.Nice + s.System + s.Idle + s.Iowait + s.IRQ + s.SoftIRQ + s.Steal
}

func memory(m Machine) ([]Sensor, error) {
	field := func(name, unit string, pick func(procfs.Meminfo) (float64, error)) Sensor {
		return of(m, name, unit, procfs.FS.Meminfo, pick)
	}
	bytes := func(what string, kilobytes *uint64) (float64, error) {
		if kilobytes == nil {
			return 0, fmt.Errorf("/proc/meminfo: want %s, got none", what)
		}
		return float64(*kilobytes) * 1024, nil
	}
	part := func(what string, free, all *uint64) (float64, error) {
		f, err := bytes(what, free)
		if err != nil {
			return 0, err
		}
		a, err := bytes(what, all)
		if err != nil || a == 0 {
			return 0, err // without swap none of it is used
		}
		return 100 * (1 - f/a), nil
	}
	return listed(m, procfs.FS.Meminfo,
		field("memory.total", "B", func(i procfs.Meminfo) (float64, error) { return bytes("MemTotal", i.MemTotal) }),
		field("memory.available", "B", func(i procfs.Meminfo) (float64, error) { return bytes("MemAvailable", i.MemAvailable) }),
		field("memory.use", "%", func(i procfs.Meminfo) (float64, error) { return part("MemAvailable", i.MemAvailable, i.MemTotal) }),
		field("memory.swapUse", "%", func(i procfs.Meminfo) (float64, error) { return part("SwapFree", i.SwapFree, i.SwapTotal) }))
}

// storage are the types of file systems that are on a device by another way than
// /dev: raw flash, pools, and the writable layer over a system that is read-only.
var storage = []string{"ubifs", "zfs", "overlay"}

// disks are the file systems that are on a device.
func disks(m Machine) ([]Sensor, error) {
	mounts, err := readText(m.path("proc", "self", "mounts"))
	if err != nil {
		return nil, err
	}
	var sensors []Sensor
	seen := map[string]bool{}
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		if len(fields) < 3 || !strings.HasPrefix(fields[0], "/dev/") && !slices.Contains(storage, fields[2]) {
			continue
		}
		point := unescape(fields[1])
		if seen[point] {
			continue
		}
		seen[point] = true
		space := func(pick func(unix.Statfs_t) float64) func() (float64, error) {
			return func() (float64, error) {
				var s unix.Statfs_t
				if err := unix.Statfs(m.path(point), &s); err != nil {
					return 0, fmt.Errorf("statfs %s: %w", point, err)
				}
				return pick(s), nil
			}
		}
		sensors = append(sensors,
			Sensor{"disk.free@" + point, "B", space(func(s unix.Statfs_t) float64 { return float64(s.Bavail) * float64(s.Bsize) })},
			Sensor{"disk.use@" + point, "%", space(func(s unix.Statfs_t) float64 {
				used := float64(s.Blocks - s.Bfree)
				return 100 * used / max(used+float64(s.Bavail), 1) // as df has it: without what is root's
			})})
	}
	return sensors, nil
}

// unescape reads a path as /proc/mounts has it.
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

func networks(m Machine) ([]Sensor, error) {
	fs, err := procfs.NewFS(m.path("proc"))
	if err != nil {
		return nil, err
	}
	all, err := fs.NetDev()
	if err != nil {
		return nil, err
	}
	var sensors []Sensor
	for name := range all {
		if name == "lo" {
			continue
		}
		line := func(pick func(procfs.NetDevLine) uint64) Sensor {
			return perSecond(of(m, "", "", procfs.FS.NetDev, func(d procfs.NetDev) (float64, error) {
				l, ok := d[name]
				if !ok {
					return 0, fmt.Errorf("%w: interface %s is gone", ErrNoSensor, name)
				}
				return float64(pick(l)), nil
			}))
		}
		received, sent := line(func(l procfs.NetDevLine) uint64 { return l.RxBytes }), line(func(l procfs.NetDevLine) uint64 { return l.TxBytes })
		received.Name, received.Unit = "network.received@"+name, "B/s"
		sent.Name, sent.Unit = "network.sent@"+name, "B/s"
		up := Sensor{"network.up@" + name, "", func() (float64, error) {
			state, err := readText(m.path("sys", "class", "net", name, "operstate"))
			if state == "up" {
				return 1, err
			}
			return 0, err
		}}
		sensors = append(sensors, received, sent, up)
	}
	return sensors, nil
}

// perSecond makes a rate of a counter, between two reads.
func perSecond(counter Sensor) Sensor {
	before, at := math.NaN(), time.Time{}
	return Sensor{counter.Name, counter.Unit, func() (float64, error) {
		value, err := counter.Read()
		if err != nil {
			return 0, err
		}
		now := time.Now()
		rate := (value - before) / now.Sub(at).Seconds()
		began := !math.IsNaN(before) && value >= before // a counter that begins anew
		before, at = value, now
		if !began || math.IsInf(rate, 0) || math.IsNaN(rate) {
			return 0, ErrNoData
		}
		return rate, nil
	}}
}

func uptime(m Machine) ([]Sensor, error) {
	path := m.path("proc", "uptime")
	read := func() (float64, error) {
		text, err := readText(path)
		if err != nil {
			return 0, err
		}
		seconds, _, _ := strings.Cut(text, " ")
		return number(path, seconds)
	}
	if _, err := read(); err != nil {
		return nil, err
	}
	return []Sensor{{"uptime", "s", read}}, nil
}

// pressure is how much of the time tasks waited for a resource, in the last 10 s.
func pressure(m Machine) ([]Sensor, error) {
	files, err := directories(m.path("proc", "pressure"), "*")
	var sensors []Sensor
	for _, resource := range []string{"cpu", "io", "memory"} {
		if !slices.Contains(files, m.path("proc", "pressure", resource)) {
			continue
		}
		read := func(fs procfs.FS) (procfs.PSIStats, error) { return fs.PSIStatsForResource(resource) }
		line := func(name string, pick func(procfs.PSIStats) *procfs.PSILine) Sensor {
			return of(m, name, "%", read, func(s procfs.PSIStats) (float64, error) {
				if l := pick(s); l != nil {
					return l.Avg10, nil
				}
				return 0, fmt.Errorf("/proc/pressure/%s: want %s, got none", resource, name)
			})
		}
		sensors = append(sensors, line("pressure."+resource, func(s procfs.PSIStats) *procfs.PSILine { return s.Some }))
		if resource != "cpu" {
			sensors = append(sensors, line("pressure."+resource+"Full", func(s procfs.PSIStats) *procfs.PSILine { return s.Full }))
		}
	}
	return sensors, err
}
