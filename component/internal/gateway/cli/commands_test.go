package cli

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

// TestCommandsAreDescribed holds COMMANDS.md to the commands, exit codes and causes
// that there are.
func TestCommandsAreDescribed(t *testing.T) {
	text, err := os.ReadFile("../../../docs/operate/COMMANDS.md")
	if err != nil {
		t.Fatal(err)
	}
	var help bytes.Buffer
	if code := Run(t.Context(), Env{Args: []string{"--help"}, Stdout: &help, Stderr: &help, Getenv: func(string) string { return "" }}); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, help.String())
	}
	_, list, _ := strings.Cut(help.String(), "Available Commands:")
	list, _, _ = strings.Cut(list, "Flags:")
	commands := regexp.MustCompile(`(?m)^  ([a-z]+) `).FindAllStringSubmatch(list, -1)
	if len(commands) < 10 {
		t.Fatalf("commands %v in\n%s", commands, help.String())
	}
	for _, c := range commands {
		if name := c[1]; name != "help" && (!strings.Contains(string(text), "| [`"+name+"`](#"+name+") |") || !strings.Contains(string(text), "\n### "+name+"\n")) {
			t.Errorf("%s is not described", name)
		}
	}
	for _, code := range []int{command.OK, command.Failure, command.Usage, command.Timeout, command.Refused, command.NotRunning} {
		if !strings.Contains(string(text), fmt.Sprintf("\n| %d | ", code)) {
			t.Errorf("exit code %d is not described", code)
		}
	}
	for _, kind := range []string{
		lines.ByDesired, lines.ByControl, lines.ByAlarm, lines.BySchedule, lines.ByLocal, lines.ByPulseEnd, lines.ByMaxOn, lines.ByInterlock,
		lines.ByFailsafe, lines.ByStart, lines.ByStop, lines.ByHolder, lines.ByNobody,
	} {
		if !regexp.MustCompile("(?m)^\\|.*`" + regexp.QuoteMeta(kind) + "[ a-z0-9@/]*`").Match(text) {
			t.Errorf("cause %q is not described", kind)
		}
	}
}
