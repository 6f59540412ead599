// Package sensor reads numbers that the Linux kernel shows: metrics of the host in
// /proc, and sensors in /sys (thermal zones, hwmon, power supplies, 1-wire, IIO).
//
// A sensor is found by its name, which is made of what the kernel and the board
// call it, so that it stays the same over restarts:
//
//	cpu.use, memory.available, disk.use@/data     of the host
//	thermal.cpu-thermal, hwmon.coretemp.Core-0    by the name of the driver and the label
//	w1.28-000005e2fdc3, iio.TI-am335x-adc.voltage0
package sensor

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
)

// ErrNoData says that a sensor works and has nothing to say yet: the first of two
// samples of a rate, or a converter that has just been powered.
var ErrNoData = errors.New("no data yet")

// ErrNoSensor says that there is no sensor of a name.
var ErrNoSensor = errors.New("no such sensor")

// Sensor is one number of a machine.
type Sensor struct {
	Name string
	Unit string // as in °C, %, V; "" for a number
	read func() (float64, error)
}

// Read reads it. It may take as long as the hardware does, nearly a second on
// 1-wire. A rate is that since the last Read. Read is not safe for concurrent use
// of one Sensor. [ErrNoData] is no failure.
func (s Sensor) Read() (float64, error) {
	value, err := s.read()
	if err == nil && (math.IsNaN(value) || math.IsInf(value, 0)) { // by a scale
		return 0, fmt.Errorf("%s: want a number, got %v", s.Name, value)
	}
	return value, err
}

// Machine is where the numbers are: the directory above proc and sys. The zero value
// is this machine.
type Machine struct{ Root string }

func (m Machine) path(elements ...string) string {
	return filepath.Join(append([]string{cmp.Or(m.Root, "/")}, elements...)...)
}

// families are where sensors come from, by what their names begin with.
var families = map[string]func(Machine) ([]Sensor, error){
	"cpu": cpu, "memory": memory, "disk": disks, "network": networks, "uptime": uptime, "pressure": pressure,
	"thermal": thermal, "hwmon": hwmon, "supply": supplies, "w1": oneWire, "iio": iio,
}

// List lists all sensors of the machine, sorted by name. The error joins those of
// what could not be listed.
func (m Machine) List() ([]Sensor, error) {
	var all []Sensor
	var errs []error
	for _, list := range families {
		sensors, err := list(m)
		all, errs = append(all, sensors...), append(errs, err)
	}
	slices.SortFunc(all, func(a, b Sensor) int { return cmp.Compare(a.Name, b.Name) })
	return all, errors.Join(errs...)
}

// Find finds a sensor by its name. The error of one that is not there, at present,
// is [ErrNoSensor], and names the nearest ones that are.
func (m Machine) Find(name string) (Sensor, error) {
	family, err := Family(name)
	if err != nil {
		return Sensor{}, err
	}
	sensors, err := families[family](m)
	var names []string
	for _, s := range sensors {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	slices.Sort(names)
	if err != nil {
		return Sensor{}, fmt.Errorf("%w %q: %w", ErrNoSensor, name, err)
	}
	return Sensor{}, fmt.Errorf("%w %q; here are %s", ErrNoSensor, name, cmp.Or(strings.Join(names[:min(len(names), 8)], ", "), "none of "+family))
}

// Family is what the name of a sensor begins with, which must be known.
func Family(name string) (string, error) {
	family, _, _ := strings.Cut(name, ".")
	if _, known := families[family]; !known {
		return "", fmt.Errorf("want a name that begins with %s, got %q", strings.Join(Families(), ", "), name)
	}
	return family, nil
}

// Families are the words that names of sensors begin with, sorted.
func Families() []string {
	var names []string
	for name := range families {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// word makes one word of what the kernel calls something.
func word(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return r <= ' ' || r == '.' || r == '/' || r == '@' || r == 0x7f
	}), "-")
}

// distinct tells sensors of one name apart: the second one is name@2.
func distinct(sensors []Sensor) []Sensor {
	count := map[string]int{}
	for i, s := range sensors {
		count[s.Name]++
		if n := count[s.Name]; n > 1 {
			sensors[i].Name = fmt.Sprintf("%s@%d", s.Name, n)
		}
	}
	return sensors
}
