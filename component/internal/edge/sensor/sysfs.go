package sensor

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// cpuZones are the types of thermal zones that are the processor, the best first.
var cpuZones = []string{"cpu-thermal", "cpu_thermal", "x86_pkg_temp", "cpu0-thermal", "cpu_thermal0", "soc-thermal", "soc_thermal", "CPU-therm", "cpu-0-0-thermal",
	"bcm2835_thermal", "imx_thermal_zone", "main0-thermal"}

// thermal are the thermal zones, by their type; thermal.cpu is that of the processor
// (https://docs.kernel.org/driver-api/thermal/sysfs-api.html).
func thermal(m Machine) ([]Sensor, error) {
	zones, err := numbered(m.path("sys", "class", "thermal"), "thermal_zone*")
	var sensors []Sensor
	best := len(cpuZones)
	for _, zone := range zones {
		kind, err := readText(filepath.Join(zone, "type"))
		if err != nil {
			continue // a zone that is just going
		}
		path := filepath.Join(zone, "temp")
		sensors = append(sensors, scaled("thermal."+cmp.Or(label(filepath.Join(zone, "type")), filepath.Base(zone)), "°C", path, 0.001))
		if i := slices.Index(cpuZones, kind); i >= 0 && i < best {
			best = i
			sensors = slices.DeleteFunc(sensors, func(s Sensor) bool { return s.Name == "thermal.cpu" })
			sensors = append(sensors, scaled("thermal.cpu", "°C", path, 0.001))
		}
	}
	return distinct(sensors), err
}

// hwmonKinds are the units of hwmon's files
// (https://docs.kernel.org/hwmon/sysfs-interface.html).
var hwmonKinds = map[string]struct {
	unit  string
	scale float64
}{
	"temp": {"°C", 0.001}, "in": {"V", 0.001}, "curr": {"A", 0.001}, "power": {"W", 1e-6},
	"energy": {"J", 1e-6}, "humidity": {"%", 0.001}, "fan": {"rpm", 1},
}

var hwmonFile = regexp.MustCompile(`^(temp|in|curr|power|energy|humidity|fan)([0-9]+)_(input|average|(?:[a-z]+_)?alarm)$`)

// hwmon are the sensors of hwmon chips, by the name of the chip and the label of the
// channel, or where it has none the channel's name. Some channels have an average or
// alarms alone, such as a Raspberry Pi that of its supply.
func hwmon(m Machine) ([]Sensor, error) {
	chips, err := numbered(m.path("sys", "class", "hwmon"), "hwmon*")
	var sensors []Sensor
	for _, chip := range byPlace(chips) {
		name := cmp.Or(label(filepath.Join(chip, "name")), filepath.Base(chip))
		files, _ := numbered(chip, "*_*")
		for _, file := range files {
			parts := hwmonFile.FindStringSubmatch(filepath.Base(file))
			if parts == nil {
				continue
			}
			kind, what := hwmonKinds[parts[1]], ""
			if parts[3] != "input" {
				what = "_" + parts[3]
			}
			if strings.HasSuffix(what, "alarm") {
				kind.unit, kind.scale = "", 1
			}
			channel := parts[1] + parts[2]
			channel = cmp.Or(label(filepath.Join(chip, channel+"_label")), channel)
			sensors = append(sensors, scaled("hwmon."+name+"."+channel+what, kind.unit, file, kind.scale))
		}
	}
	return distinct(sensors), err
}

// byPlace sorts devices by where they are wired. The kernel numbers them as their
// drivers come up, which may be another order at each start.
func byPlace(devices []string) []string {
	place := map[string]string{}
	for _, device := range devices {
		if real, err := filepath.EvalSymlinks(device); err == nil {
			place[device] = filepath.Dir(real)
		}
	}
	slices.SortStableFunc(devices, func(a, b string) int { return cmp.Compare(place[a], place[b]) })
	return devices
}

// supplyFiles are what a power supply shows
// (https://docs.kernel.org/power/power_supply_class.html).
var supplyFiles = []struct {
	file, name, unit string
	scale            float64
}{
	{"voltage_now", "voltage", "V", 1e-6}, {"current_now", "current", "A", 1e-6}, {"power_now", "power", "W", 1e-6},
	{"capacity", "capacity", "%", 1}, {"temp", "temp", "°C", 0.1}, {"online", "online", "", 1},
}

// supplies are batteries, chargers and mains, by the names that their drivers gave them.
func supplies(m Machine) ([]Sensor, error) {
	found, err := directories(m.path("sys", "class", "power_supply"), "*")
	var sensors []Sensor
	for _, supply := range found {
		for _, f := range supplyFiles {
			path := filepath.Join(supply, f.file)
			if _, err := os.Lstat(path); err == nil {
				sensors = append(sensors, scaled("supply."+word(filepath.Base(supply))+"."+f.name, f.unit, path, f.scale))
			}
		}
	}
	return distinct(sensors), err
}

// unconverted is how the memory of a thermometer begins, and what its seventh byte is,
// that was powered and has not converted since, or was not given the time to; 85 °C
// looks otherwise when it was measured
// (torvalds/linux drivers/w1/slaves/w1_therm.c, W1_THERM_CHECK_RESULT).
var unconverted = regexp.MustCompile(`^(50 05|ff 07)( [0-9a-f]{2}){4} 0c `)

// oneWire are the thermometers on 1-wire, by their serial numbers
// (https://docs.kernel.org/w1/slaves/w1_therm.html).
func oneWire(m Machine) ([]Sensor, error) {
	slaves, err := directories(m.path("sys", "bus", "w1", "devices"), "*-*")
	var sensors []Sensor
	for _, slave := range slaves {
		id := filepath.Base(slave)
		switch family, _, _ := strings.Cut(id, "-"); family {
		case "10", "22", "28", "3b", "42":
			path := filepath.Join(slave, "w1_slave")
			sensors = append(sensors, Sensor{"w1." + id, "°C", func() (float64, error) { return readThermometer(path) }})
		}
	}
	return sensors, err
}

func readThermometer(path string) (float64, error) {
	text, err := readText(path)
	if err != nil {
		return 0, err
	}
	first, second, _ := strings.Cut(text, "\n")
	_, milli, ok := strings.Cut(second, "t=")
	switch {
	case !strings.HasSuffix(first, "YES") && !strings.HasSuffix(first, "NO") || !ok:
		return 0, fmt.Errorf("%s: want two lines with crc= and t=, got %.80q", path, text)
	case strings.HasSuffix(first, "NO"):
		return 0, fmt.Errorf("%s: the checksum is wrong: a loose or too long wire", path)
	}
	if unconverted.MatchString(first) {
		return 0, ErrNoData
	}
	value, err := number(path, strings.TrimSpace(milli))
	return value / 1000, err
}

// iioKinds are the units of IIO's channels, and what makes them of the kernel's
// (https://docs.kernel.org/admin-guide/abi-testing.html, sysfs-bus-iio). Of others the
// number is as the kernel has it.
var iioKinds = map[string]struct {
	unit  string
	scale float64
}{
	"voltage": {"V", 0.001}, "current": {"A", 0.001}, "power": {"W", 0.001}, "temp": {"°C", 0.001},
	"humidityrelative": {"%", 0.001}, "pressure": {"kPa", 1}, "illuminance": {"lx", 1}, "resistance": {"Ω", 1},
	"distance": {"m", 1}, "concentration": {"%", 1}, "accel": {"m/s²", 1}, "anglvel": {"rad/s", 1}, "angl": {"rad", 1}, "ph": {"pH", 1}, "count": {"", 1},
}

var (
	iioFile = regexp.MustCompile(`^in_(.+)_(raw|input)$`)
	// iioChannel splits a channel's name into its type, number and modifier.
	iioChannel = regexp.MustCompile(`^([a-z]+)([0-9]*)(?:-[a-z]+[0-9]+)?(_.*)?$`)
)

// iio are the channels of IIO devices, by the name or label of the device and that of
// the channel.
func iio(m Machine) ([]Sensor, error) {
	devices, err := numbered(m.path("sys", "bus", "iio", "devices"), "iio:device*")
	var sensors []Sensor
	for _, device := range byPlace(devices) {
		name := cmp.Or(label(filepath.Join(device, "label")), label(filepath.Join(device, "name")), filepath.Base(device))
		files, _ := numbered(device, "in_*")
		processed := map[string]bool{}
		for _, file := range files {
			if parts := iioFile.FindStringSubmatch(filepath.Base(file)); parts != nil && parts[2] == "input" {
				processed[parts[1]] = true
			}
		}
		for _, file := range files {
			parts := iioFile.FindStringSubmatch(filepath.Base(file))
			if parts == nil || parts[2] == "raw" && processed[parts[1]] {
				continue
			}
			channel := parts[1]
			kind := iioKinds[iioType(channel)]
			if kind.scale == 0 {
				kind.scale = 1
			}
			title := cmp.Or(label(filepath.Join(device, "in_"+channel+"_label")), word(channel))
			sensors = append(sensors, Sensor{"iio." + name + "." + title, kind.unit, func() (float64, error) {
				value, err := readNumber(file)
				if err == nil && parts[2] == "raw" {
					value, err = converted(device, channel, value)
				}
				return value * kind.scale, err
			}})
		}
	}
	return distinct(sensors), err
}

// iioType is the kind of a channel: voltage of voltage3.
func iioType(channel string) string {
	if parts := iioChannel.FindStringSubmatch(channel); parts != nil {
		return parts[1]
	}
	return ""
}

// converted makes a number in the unit of a raw one, with what the channel says or else
// all channels of its type do.
func converted(device, channel string, raw float64) (float64, error) {
	attribute := func(name string, otherwise float64) (float64, error) {
		for _, of := range []string{channel, iioType(channel)} {
			path := filepath.Join(device, "in_"+of+"_"+name)
			if text, err := readText(path); err == nil {
				return number(path, text)
			}
		}
		return otherwise, nil
	}
	offset, err := attribute("offset", 0)
	if err != nil {
		return 0, err
	}
	scale, err := attribute("scale", 1)
	return (raw + offset) * scale, err
}

// numbered lists the entries of a directory that match, in the order of the numbers in
// their names.
func numbered(dir, pattern string) ([]string, error) {
	found, err := directories(dir, pattern)
	slices.SortStableFunc(found, func(a, b string) int {
		return cmp.Or(cmp.Compare(prefix(a), prefix(b)), cmp.Compare(lastNumber(a), lastNumber(b)), cmp.Compare(a, b))
	})
	return found, err
}

var digits = regexp.MustCompile(`[0-9]+`)

func prefix(path string) string { return digits.Split(filepath.Base(path), 2)[0] }

func lastNumber(path string) int {
	n, _ := strconv.Atoi(digits.FindString(filepath.Base(path)))
	return n
}
