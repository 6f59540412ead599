package doctor

import (
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
)

// TestWithoutTheToken shows what a person without privileges is told: nothing wrong, and
// what was not checked with its reason.
func TestWithoutTheToken(t *testing.T) {
	p := newPatient(t)
	p.remove("/proc/812/environ")
	p.write(workDir+"/configuration.json", `{"lines": {"lamp": {"line": "LAMP", "direction": "output"}}, "shadows": {"main": {"properties": {"lights": {"line": "lamp"}}}}}`)
	report := p.examine()
	skipped := map[string]string{}
	for _, f := range report.Findings {
		if f.Status == NotChecked {
			skipped[f.Check] = f.Found
		}
	}
	if wrong(report) != nil || len(skipped) != 3 {
		t.Fatalf("got\n%v", report)
	}
	for _, check := range []string{"token", "shadows"} {
		if !strings.Contains(skipped[check], "sudo shadowgpio doctor") {
			t.Errorf("%s: want a way to more, got %q", check, skipped[check])
		}
	}
	if skipped["nucleus"] == "" || !strings.Contains(report.String(), "line lamp") {
		t.Errorf("got\n%v", report)
	}
}

// TestOwnEnvironment shows that a component that runs by hand, or a check from its
// own shell, has the environment of this process.
func TestOwnEnvironment(t *testing.T) {
	p := newPatient(t)
	p.remove("/proc/812")
	p.machine.Cwd = workDir
	env := map[string]string{"AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT": "../../ipc.socket", "SVCUID": theToken, "AWS_IOT_THING_NAME": thing, "GGC_VERSION": "2.6.0"}
	p.machine.Getenv = func(name string) string { return env[name] }
	report := p.examine()
	if found := wrong(report); len(found) != 1 || found[0].Kind != ComponentAway || report.Count(NotChecked) != 0 {
		t.Errorf("got\n%v", report)
	}
}

// TestSilentNucleus has a socket that is taken and never answered.
func TestSilentNucleus(t *testing.T) {
	p := newPatient(t)
	now := time.Now() // not that of the bubble
	p.machine.Now = func() time.Time { return now }
	synctest.Test(t, func(t *testing.T) {
		p.machine.Dial = func(context.Context, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go io.Copy(io.Discard, theirs)
			return ours, nil
		}
		report := Examine(t.Context(), p.machine, p.options)
		if found := wrong(report); len(found) != 1 || found[0].Kind != NucleusMute {
			t.Errorf("got\n%v", report)
		}
	})
}

func TestBusyShadowManager(t *testing.T) {
	p := newPatient(t)
	rule, err := faults.ParseRule("UpdateThingShadow throttle")
	p.must(err)
	p.core.Faults().Add(rule)
	report := p.examine()
	if wrong(report) != nil || report.Count(NotChecked) != 2 || !strings.Contains(report.String(), "too many requests just now") {
		t.Errorf("want neither a fault nor silence, got\n%v", report)
	}
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, begin := new(examination), time.Now()
		for range 12 {
			x.pace(t.Context())
		}
		if got := time.Since(begin); got != 2*time.Second {
			t.Errorf("12 requests took %v, want 4 at once and 4 a second", got)
		}
	})
}

// TestConfigurationInForce shows that a deployment that was refused does not keep the
// checks from what is in force instead.
func TestConfigurationInForce(t *testing.T) {
	p := newPatient(t)
	p.write(workDir+"/configuration.json", `{"lines": {"gate": {"line": "DOOR", "direction": "input"}}}`)
	p.configure(with(house, map[string]any{"holdFor": "x", "accessControl": policies(entries)}))
	report := p.examine()
	if found := wrong(report); len(found) != 1 || found[0].Kind != ConfigurationFault || !strings.Contains(report.String(), "line gate") {
		t.Errorf("got\n%v", report)
	}
}

func TestConfigurationOfTheCommandLine(t *testing.T) {
	p := newPatient(t)
	p.process2("run", "--config=own.yaml")
	p.write(workDir+"/own.yaml", "lines: {gate: {line: GATE, direction: input}}")
	report := p.examine()
	if found := wrong(report); len(found) != 1 || found[0].Kind != LineMissing || found[0].Check != "line gate" {
		t.Errorf("got\n%v", report)
	}
}

func TestAnotherComponent(t *testing.T) {
	p := newPatient(t)
	p.process(813, 2, "/greengrass/v2/work/another", "shadowgpio", "run")
	p.process(814, 3, workDir, "shadowgpio", "hold", "--socket", "x")
	if report := p.examine(); wrong(report) != nil || !strings.Contains(report.String(), "process 813 is another component") {
		t.Errorf("got\n%v", report)
	}
}

// process2 has the component run with another command line.
func (p *patient) process2(args ...string) {
	p.write("/proc/812/cmdline", strings.Join(append([]string{"shadowgpio"}, args...), "\x00")+"\x00")
}

func TestIsRun(t *testing.T) {
	dev := []string{"/opt/shadowctl", "run-component"}
	for _, c := range []struct {
		args string
		self []string
		want bool
	}{
		{"/x/shadowgpio-linux-arm64 run", nil, true},
		{"shadowgpio run --config x", nil, true},
		{"shadowgpio hold", nil, false},
		{"shadowgpio", nil, false},
		{"vi shadowgpio run", nil, false},
		{"shadowctl run-component", nil, false},
		{"./shadowctl run-component", dev, true},
		{"./shadowctl run-component run", dev, true},
		{"./shadowctl run-component hold", dev, false},
		{"./shadowctl dev", dev, false},
		{"", nil, false},
	} {
		if got := isRun(strings.Fields(c.args), c.self); got != c.want {
			t.Errorf("%q: got %v, want %v", c.args, got, c.want)
		}
	}
}

func TestRulesOfDirectories(t *testing.T) {
	p := newPatient(t)
	for file, text := range map[string]string{
		"/usr/lib/udev/rules.d/99-com.rules": "SUBSYSTEM==\"gpio\", \\\n  GROUP=\"dialout\", MODE=\"0640\"\n",
		"/etc/udev/rules.d/60-x.rules":       `KERNEL=="gpiochip*", GROUP:="gpio"`,
		"/etc/udev/rules.d/99-z.txt":         `KERNEL=="gpiochip*", GROUP="nobody"`,
	} {
		p.write(file, text)
	}
	x := &examination{Machine: p.machine}
	got, ok := x.udevRule()
	if want := (rule{"/usr/lib/udev/rules.d/99-com.rules", "dialout", "0640"}); !ok || got != want {
		t.Errorf("got %+v, %v, want %+v: the file that udev reads last counts", got, ok, want)
	}
}

func TestColour(t *testing.T) {
	r := Report{[]Finding{{Check: "a", Status: Fault, Kind: ChipNone, Found: "b"}}}
	for _, colour := range []bool{false, true} {
		var b strings.Builder
		r.WriteText(&b, colour)
		if got := strings.Contains(b.String(), "\x1b"); got != colour {
			t.Errorf("colour %v: got %q", colour, b.String())
		}
		if !slices.Equal(strings.Fields(strings.NewReplacer("\x1b[31m", "", "\x1b[0m", "").Replace(b.String()))[:4], []string{"fault", "a", "b", "[chip-none]"}) {
			t.Errorf("got %q", b.String())
		}
	}
}
