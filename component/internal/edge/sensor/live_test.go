package sensor

import (
	"errors"
	"testing"
)

// TestThisMachine reads all that this machine shows.
func TestThisMachine(t *testing.T) {
	sensors, err := Machine{}.List()
	if err != nil {
		t.Log(err) // what a container hides
	}
	seen := map[string]bool{}
	for _, s := range sensors {
		if seen[s.Name] {
			t.Errorf("%s is there twice", s.Name)
		}
		seen[s.Name] = true
		value, err := s.Read()
		if s.Unit == "%" && (value < 0 || value > 100) {
			t.Errorf("%s is %v %%", s.Name, value)
		}
		t.Logf("%-40s %v %s %v", s.Name, value, s.Unit, err)
		if found, err := (Machine{}).Find(s.Name); err != nil || found.Unit != s.Unit {
			t.Errorf("%s is not found by its name: %v", s.Name, err)
		}
	}
	for _, name := range []string{"cpu.load1", "memory.available", "uptime"} {
		s, err := Machine{}.Find(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if value, err := s.Read(); err != nil || value < 0 || name != "cpu.load1" && value == 0 {
			t.Errorf("%s is %v, %v", name, value, err)
		}
	}
	if _, err := (Machine{}).Find("w1.28-none"); !errors.Is(err, ErrNoSensor) {
		t.Errorf("a sensor that is not there: %v", err)
	}
}
