package cli

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

// help is what --help prints of a command.
func help(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	env := Env{Args: append(args, "--help"), Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }}
	if code := Run(t.Context(), env); code != command.OK {
		t.Fatalf("exit code %d:\n%s", code, out.String())
	}
	return out.String()
}

// commands are the names in the section of a help text.
func commands(t *testing.T, text, section string) (names []string) {
	t.Helper()
	_, list, found := strings.Cut(text, section)
	list, _, _ = strings.Cut(list, "\n\n")
	for _, c := range regexp.MustCompile(`(?m)^  ([a-z]+) `).FindAllStringSubmatch(list, -1) {
		names = append(names, c[1])
	}
	if !found || len(names) == 0 {
		t.Fatalf("no commands under %q in\n%s", section, text)
	}
	return names
}

// TestCommandsAreDescribed holds the documents to the commands and exit codes that there
// are.
func TestCommandsAreDescribed(t *testing.T) {
	text, err := os.ReadFile("../../../docs/use/APPLICATION.md")
	if err != nil {
		t.Fatal(err)
	}
	application := string(text)
	for _, name := range commands(t, help(t), "Device shadows, in the cloud or in shadowctl dev:") {
		if !strings.Contains(application, "| [`"+name+"`](#"+name+") |") || !regexp.MustCompile("\n###? "+name+"\n").MatchString(application) {
			t.Errorf("APPLICATION.md does not describe %s", name)
		}
	}
	for _, name := range commands(t, help(t, "fleet"), "Available Commands:") {
		if !strings.Contains(application, "| `fleet "+name+"` |") {
			t.Errorf("APPLICATION.md does not describe fleet %s", name)
		}
	}
	for _, code := range []int{command.OK, command.Failure, command.Usage, command.Timeout, command.Refused, command.Stopped} {
		if !strings.Contains(application, fmt.Sprintf("\n| %d | ", code)) {
			t.Errorf("APPLICATION.md does not describe exit code %d", code)
		}
	}
	development, err := os.ReadFile("../../../docs/develop/DEVELOPMENT.md")
	if err != nil {
		t.Fatal(err)
	}
	deployment, err := os.ReadFile("../../../docs/operate/DEPLOYMENT.md") // the way from the V1 connector
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Concat(commands(t, help(t), "Development, with shadowctl dev:"), commands(t, help(t), "Configurations:")) {
		if !regexp.MustCompile("(ctl|shadowctl) " + name + `\b`).Match(append(development, deployment...)) {
			t.Errorf("DEVELOPMENT.md does not mention %s", name)
		}
	}
}
