package sensor

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"
)

// tree lays out a recorded board, and returns its root and what it should show.
func tree(t *testing.T, file string) (root, want string) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	root = t.TempDir()
	for _, f := range archive.Files {
		if f.Name == "want" {
			want = string(f.Data)
			continue
		}
		path := filepath.Join(root, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root, want
}

func TestBoards(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 3 {
		t.Fatalf("boards %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			root, want := tree(t, file)
			sensors, err := Machine{root}.List()
			if err != nil {
				t.Log(err) // of families of which the board has nothing
			}
			wanted := strings.Split(strings.TrimSpace(want), "\n")
			for i, s := range sensors {
				line := ""
				if i < len(wanted) {
					line = wanted[i]
				}
				checkSensor(t, s, line)
			}
			if len(sensors) < len(wanted) {
				t.Errorf("%d sensors, want %d; the first that is missing may be %s", len(sensors), len(wanted), wanted[len(sensors)])
			}
		})
	}
}

func checkSensor(t *testing.T, s Sensor, want string) {
	t.Helper()
	value, err := s.Read()
	got := strings.TrimSpace(fmt.Sprintf("%s %v %s", s.Name, math.Round(value*1e9)/1e9, s.Unit))
	switch {
	case errors.Is(err, ErrNoData):
		got = s.Name + " no data"
	case err != nil:
		got = fmt.Sprintf("%s failed: %v", s.Name, err)
	}
	name, failure, failed := strings.Cut(want, " failed: ")
	if failed && err != nil && name == s.Name && strings.Contains(err.Error(), failure) {
		return
	}
	if here, ok := strings.CutSuffix(want, " here"); ok && err == nil && here == s.Name {
		return // it is this machine's
	}
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Two chips of one name are told apart by where they are wired, whatever numbers the
// kernel gave them this time.
func TestSecondOfANameStaysTheSecond(t *testing.T) {
	for _, numbers := range [][]int{{0, 1}, {1, 0}, {10, 9}} {
		root := t.TempDir()
		for i, millivolts := range []string{"5000", "12000"} {
			number := numbers[i]
			for class, link := range map[string]string{"hwmon/hwmon%d": "class/hwmon/hwmon%d", "iio:device%d": "bus/iio/devices/iio:device%d"} {
				device := filepath.Join(root, "sys/devices/soc/i2c-1", fmt.Sprintf("1-004%d", i), fmt.Sprintf(class, number))
				name := filepath.Join(root, "sys", fmt.Sprintf(link, number))
				for _, err := range []error{
					os.MkdirAll(device, 0o755), os.MkdirAll(filepath.Dir(name), 0o755), os.Symlink(device, name),
					os.WriteFile(filepath.Join(device, "name"), []byte("ina219\n"), 0o644),
					os.WriteFile(filepath.Join(device, "in1_input"), []byte(millivolts+"\n"), 0o644),
					os.WriteFile(filepath.Join(device, "in_voltage1_input"), []byte(millivolts+"\n"), 0o644),
				} {
					if err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		for name, want := range map[string]float64{"hwmon.ina219.in1": 5, "hwmon.ina219.in1@2": 12, "iio.ina219.voltage1": 5, "iio.ina219.voltage1@2": 12} {
			s, err := Machine{root}.Find(name)
			if err != nil {
				t.Fatal(err)
			}
			if value, err := s.Read(); err != nil || value != want {
				t.Errorf("numbered %v, %s is %v, %v; want %v", numbers, name, value, err, want)
			}
		}
	}
}

// Rates are of what happened between two reads.
func TestRates(t *testing.T) {
	root, _ := tree(t, "testdata/jetson-orin.txtar")
	m := Machine{root}
	use, err := m.Find("cpu.use")
	if err != nil {
		t.Fatal(err)
	}
	received, err := m.Find("network.received@eth0")
	if err != nil {
		t.Fatal(err)
	}
	use.Read()
	received.Read()
	change(t, root, "proc/stat", "cpu  100 0 100 800", "cpu  150 0 125 825") // 75 of 100 at work
	change(t, root, "proc/net/dev", "eth0: 5000", "eth0: 9000")
	if value, err := use.Read(); err != nil || math.Abs(value-75) > 1e-9 {
		t.Errorf("cpu.use is %v, %v; want 75", value, err)
	}
	if value, err := received.Read(); err != nil || value <= 0 {
		t.Errorf("network.received is %v, %v; want more than 0", value, err)
	}
	if value, err := use.Read(); !errors.Is(err, ErrNoData) {
		t.Errorf("within no time cpu.use is %v, %v; want no data", value, err)
	}
	change(t, root, "proc/net/dev", "eth0: 9000", "eth0: 10") // the interface was made anew
	if value, err := received.Read(); !errors.Is(err, ErrNoData) {
		t.Errorf("after the counter began anew the rate is %v, %v; want no data", value, err)
	}
	change(t, root, "proc/net/dev", "eth0:", "eth7:")
	if _, err := received.Read(); !errors.Is(err, ErrNoSensor) {
		t.Errorf("without the interface: %v", err)
	}
}

func change(t *testing.T, root, file, from, to string) {
	t.Helper()
	path := filepath.Join(root, file)
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), from) {
		t.Fatalf("no %q in %s, %v", from, file, err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), from, to, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFindSaysWhatIsThere(t *testing.T) {
	root, _ := tree(t, "testdata/raspberry-pi-4.txtar")
	for name, want := range map[string]string{
		"thermal.gpu": "here are thermal.cpu, thermal.cpu-thermal",
		"iio.x.y":     "none of iio",
		"therm.cpu":   "want a name that begins with cpu, disk, hwmon,",
	} {
		_, err := Machine{root}.Find(name)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

func FuzzThermometer(f *testing.F) {
	f.Add("72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n")
	f.Add("YES\nt=NaN")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "w1_slave")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if value, err := readThermometer(path); err == nil && (math.IsNaN(value) || math.IsInf(value, 0)) {
			t.Errorf("%q is %v", text, value)
		}
	})
}

// FuzzNames has chips call themselves whatever they like: each sensor has a name of its
// own, by which it is found.
func FuzzNames(f *testing.F) {
	f.Add("ina219", "VDD CPU/GPU", "cpu-thermal")
	f.Add("a@2", "a", "cpu")
	f.Add("\x00\xff", "temp2", " . ")
	f.Add("", "\n", "cpu_thermal")
	f.Fuzz(func(t *testing.T, name, label, zone string) {
		root := t.TempDir()
		for file, text := range map[string]string{
			"sys/class/hwmon/hwmon0/name": name, "sys/class/hwmon/hwmon1/name": name,
			"sys/class/hwmon/hwmon0/temp1_label": label, "sys/class/hwmon/hwmon0/temp1_input": "1", "sys/class/hwmon/hwmon0/temp2_input": "2",
			"sys/class/hwmon/hwmon1/temp1_input": "3", "sys/class/thermal/thermal_zone0/type": zone, "sys/class/thermal/thermal_zone0/temp": "4",
			"sys/class/thermal/thermal_zone1/type": "cpu-thermal", "sys/class/thermal/thermal_zone1/temp": "5",
			"sys/bus/iio/devices/iio:device0/label": label, "sys/bus/iio/devices/iio:device0/in_voltage0_label": name, "sys/bus/iio/devices/iio:device0/in_voltage0_input": "6",
		} {
			path := filepath.Join(root, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		sensors, _ := Machine{root}.List()
		seen := map[string]bool{}
		for _, s := range sensors {
			if seen[s.Name] || !utf8.ValidString(s.Name) || strings.ContainsAny(s.Name, " \n\t") || strings.HasSuffix(s.Name, ".") {
				t.Errorf("a sensor is called %q, seen %v", s.Name, seen[s.Name])
			}
			seen[s.Name] = true
			value, err := s.Read()
			found, err2 := Machine{root}.Find(s.Name)
			if err != nil || err2 != nil {
				t.Fatal(err, err2)
			}
			if again, err := found.Read(); err != nil || again != value {
				t.Errorf("%q is %v, %v; listed it was %v", s.Name, again, err, value)
			}
		}
	})
}
