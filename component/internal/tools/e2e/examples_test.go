package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

const examples = "../../../examples"

// TestExamples plays the README of each example: it starts what the first command
// starts, types the others, and finds what is shown of their output and of that of
// shadowctl dev. … stands for anything.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(examples, "*", "README.md"))
	if err != nil || len(files) == 0 {
		t.Fatal("no examples: ", err)
	}
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p := newPlayer(t, name)
			for _, block := range regexp.MustCompile("(?s)```(console|text)\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
				if block[1] == "text" {
					p.prints(block[2])
				} else {
					p.types(block[2])
				}
			}
			down, restarted, up := p.commands["shadowctl link down"], p.commands["shadowctl component restart"], p.commands["shadowctl link up"]
			if down.IsZero() || !down.Before(restarted) || !restarted.Before(up) {
				t.Error("the component is not restarted while the link is cut")
			}
			if check := exampleChecks[name]; check != nil {
				check(t, p)
			}
		})
	}
}

// exampleChecks are what text cannot tell.
var exampleChecks = map[string]func(*testing.T, *player){
	"coffee-ready": func(t *testing.T, p *player) {
		var document struct {
			State struct{ Reported struct{ ReadyAt time.Time } }
		}
		if err := json.Unmarshal([]byte(p.shell("shadowctl get --json")), &document); err != nil {
			t.Fatal(err)
		}
		// The line is debounced, and the link was cut for 4 s and more.
		if at, pressed := document.State.Reported.ReadyAt, p.commands["shadowctl press done"]; at.After(pressed.Add(2*time.Second)) || at.IsZero() {
			t.Errorf("ready at %v, want about %v, when it was pressed", at, pressed)
		}
	},
}

// player types commands into a shell beside a running shadowctl dev.
type player struct {
	t        *testing.T
	name     string
	dir, bin string
	dev      *process
	commands map[string]time.Time // when each was over, the last time
}

func newPlayer(t *testing.T, name string) *player {
	p := &player{t: t, name: name, dir: shortDir(t), bin: t.TempDir(), commands: map[string]time.Time{}}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Files are named from the top folder of the repository.
	if err := os.Symlink(absolute(t, filepath.Join(examples, "..")), filepath.Join(p.dir, "component")); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\n" + roleVariable + "=shadowctl exec '" + exe + "' \"$@\"\n"
	if err := os.WriteFile(filepath.Join(p.bin, "shadowctl"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return p
}

// types plays a block of commands, each with what it prints below it.
func (p *player) types(block string) {
	p.t.Helper()
	for part := range strings.SplitSeq("\n"+block, "\n$ ") {
		command, want, _ := strings.Cut(strings.TrimRight(part, "\n"), "\n")
		if strings.TrimSpace(command) == "" {
			continue
		}
		if arguments, ok := strings.CutPrefix(command, "shadowctl dev "); ok {
			p.start(arguments)
			continue
		}
		p.play(command, want)
		p.commands[command] = time.Now()
	}
}

// play types one command. What only looks is repeated until it sees what is shown.
func (p *player) play(command, want string) {
	p.t.Helper()
	looks := regexp.MustCompile(`^shadowctl (get|compare|fleet report)\b`).MatchString(command)
	pattern, last := wildcard(want), ""
	seen := func() bool {
		last = p.shell(command)
		return pattern.MatchString(normal(last))
	}
	if !looks && !seen() {
		p.t.Fatalf("%s printed\n%swant\n%s", command, last, want)
	}
	if looks {
		deadline := time.After(patience)
		for !seen() {
			select {
			case <-deadline:
				p.t.Fatalf("%s printed at last\n%swant\n%s", command, last, want)
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}

func (p *player) start(arguments string) {
	p.t.Helper()
	p.dev = startDev(p.t, p.dir, strings.Fields(arguments)...)
	p.t.Cleanup(func() {
		p.dev.signal(syscall.SIGTERM)
		p.dev.ends()
	})
	p.dev.says(" version 1: reported")
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// prints waits until shadowctl dev has printed each line.
func (p *player) prints(block string) {
	p.t.Helper()
	for line := range strings.Lines(block) {
		p.dev.says(strings.Split(strings.TrimSpace(line), "…")...)
	}
}

// shell runs a command and returns what it prints, whatever its exit code.
func (p *player) shell(command string) string {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), "sh", "-c", command)
	cmd.Dir = p.dir
	cmd.Env = append(environ(), "PATH="+p.bin+":"+os.Getenv("PATH"), "SHADOWGPIO_DEV_DIR="+p.dir)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	return string(out)
}

// wildcard matches output in its normal form. A line that is … alone stands for any
// number of lines.
func wildcard(want string) *regexp.Regexp {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(normal(want)), "…", ".*")
	return regexp.MustCompile("^" + strings.ReplaceAll(pattern, "\n.*\n", "\n(?:.*\n)*") + "$")
}

// normal is output without the space that aligns columns.
func normal(output string) string {
	var lines []string
	for line := range strings.Lines(output) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}
