package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/control"
)

const readingsConfig = `
lines:
  lamp: {line: LAMP, direction: output}
shadows:
  main:
    status: true
    properties:
      lights:      {line: lamp}
      temperature: {reading: hwmon.pump.temp1, interval: 100ms}
      depth:       {reading: hwmon.pump.temp1, interval: 100ms, scale: 2, unit: m}
      pressure:    {reading: hwmon.tank.temp1, interval: 100ms}
`

// chipFile makes a file of a hwmon chip, and its directory.
func chipFile(t *testing.T, root, chip, name, text string) string {
	t.Helper()
	path := filepath.Join(root, "sys/class/hwmon", chip, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if text != "" {
		if err := os.WriteFile(path, []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// A sensor that hangs in its driver is its reading's fault: lines and other readings
// go on, and it is read again when the driver comes back.
func TestSensorThatHangsDelaysNothing(t *testing.T) {
	r := newRig(t, readingsConfig)
	r.simulate()
	r.serve()
	root := t.TempDir()
	chipFile(t, root, "hwmon0", "name", "pump")
	chipFile(t, root, "hwmon1", "name", "tank")
	temperature := chipFile(t, root, "hwmon0", "temp1_input", "20000")
	pipe := chipFile(t, root, "hwmon1", "temp1_input", "")
	if err := syscall.Mkfifo(pipe, 0o644); err != nil { // whoever opens it waits for a writer
		t.Fatal(err)
	}
	p := r.start(sensorsVariable + "=" + root)
	r.reported("", `{"lights":false,"temperature":20}`)
	watch := run(t, r.work(), r.environment(), "watch", "--socket", filepath.Join(r.work(), control.SocketName))
	watch.says("property   main/temperature", "is 20 °C")
	for i, on := range []bool{true, false, true} {
		v := r.desire("", fmt.Sprintf(`{"lights":%v}`, on))
		r.answered("", v, fmt.Sprintf(`{"lights":%v,"ack":{"lights":{"code":200,"version":%d}}}`, on, v))
		if err := os.WriteFile(temperature, fmt.Appendf(nil, "%d\n", 21000+1000*i), 0o644); err != nil {
			t.Fatal(err)
		}
		r.reported("", fmt.Sprintf(`{"temperature":%d}`, 21+i))
	}
	p.says("sensor not read; retrying", "property=pressure", "does not answer")
	watch.says("main/pressure", "is -, sensor", "does not answer")
	watch.says("main/depth", "is 46 m")
	status := run(t, r.work(), r.environment(), "status", "--socket", filepath.Join(r.work(), control.SocketName))
	status.says("main/pressure", "fault: sensor", "does not answer")
	status.says("main/temperature", "23 °C")
	e := r.reported("", `{"status":{"faults":{"reading main/pressure":"sensor \"hwmon.tank.temp1\" does not answer"}}}`)
	if _, shown := section(t, e, "reported")["pressure"]; shown {
		t.Errorf("a sensor that hangs shows a value: %s", e.Document)
	}
	writer, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(writer, "5500")
	writer.Close()
	r.reported("", `{"pressure":5.5}`)
	p.says("sensor is read again", "property=pressure")
	watch.says("main/pressure", "is 5.5 °C, well again")
	// It hangs again now, which must not keep the component from ending.
	p.signal(syscall.SIGTERM)
	if code := p.ends(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if log := p.log.String(); strings.Contains(log, "stopped before everything was reported") {
		t.Error(log)
	}
}

func TestDeploymentChangesReadings(t *testing.T) {
	r := newRig(t, readingsConfig)
	r.simulate()
	r.serve()
	root := t.TempDir()
	chipFile(t, root, "hwmon0", "name", "pump")
	chipFile(t, root, "hwmon1", "name", "tank")
	chipFile(t, root, "hwmon0", "temp1_input", "20000")
	chipFile(t, root, "hwmon1", "temp1_input", "30000")
	r.start(sensorsVariable + "=" + root)
	r.reported("", `{"temperature":20,"pressure":30}`)
	if err := r.deploy(strings.Replace(strings.Replace(readingsConfig, "hwmon.pump", "hwmon.tank", 1), "      pressure:    {reading: hwmon.tank.temp1, interval: 100ms}", "", 1)); err != nil {
		t.Fatal(err)
	}
	r.reported("", `{"temperature":30}`)
	awaitTrue(t, "an end of pressure", func() bool {

		doc, err := r.core.Shadows().Get(thing, "")
		return err == nil && !strings.Contains(string(doc), "pressure")
	})
}
