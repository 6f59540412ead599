package cli

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/app/devenv"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/control"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable/printabletest"
)

// hostileDocument is a shadow whose keys, values and answers are hostile.
func hostileDocument(extra map[string]any) []byte {
	reported := map[string]any{
		printabletest.Hostile: printabletest.Hostile, "formula": printabletest.Formula,
		"ack": map[string]any{
			printabletest.Hostile: map[string]any{"code": 400, "version": 1, "reason": printabletest.Hostile},
			"formula":             map[string]any{"code": 400, "version": 1, "reason": printabletest.Formula},
		},
	}
	desired := map[string]any{printabletest.Hostile: []any{printabletest.Hostile}, "formula": "-2+3"}
	for key, value := range extra {
		desired[key] = value
	}
	text, err := json.Marshal(map[string]any{"version": 5, "state": map[string]any{"desired": desired, "reported": reported}})
	if err != nil {
		panic(err)
	}
	return text
}

// hostileCloud answers every request as a hostile service of shadows does: it fails
// where the path has "fail".
func hostileCloud(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	refuse := func() {
		w.Header().Set("X-Amzn-ErrorType", "InvalidRequestException")
		w.WriteHeader(http.StatusBadRequest)
		json.NewEncoder(w).Encode(map[string]string{"message": printabletest.Hostile})
	}
	switch {
	case strings.Contains(r.URL.String(), "fail"):
		refuse()
	case strings.Contains(r.URL.Path, "ListNamedShadows"):
		json.NewEncoder(w).Encode(map[string]any{"results": []string{printabletest.Hostile}})
	case strings.HasPrefix(r.URL.Path, "/thing-groups"):
		json.NewEncoder(w).Encode(map[string]any{"things": []string{printabletest.Formula, printabletest.Hostile}})
	default:
		w.Write(hostileDocument(nil))
	}
}

// hostileEnvironment answers as a development environment in which everything that has
// a name has a hostile one.
func hostileEnvironment(fails bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var answer any
		switch {
		case fails:
			w.WriteHeader(http.StatusBadRequest)
			answer = map[string]string{"error": printabletest.Hostile}
		case r.URL.Path == "/compare":
			all := make([]control.Sides, 1)
			printabletest.Fill(&all)
			all[0].Device, all[0].Cloud = hostileDocument(nil), hostileDocument(map[string]any{"\x1b": 1})
			answer = all
		case r.URL.Path == "/components":
			answer = new([]control.Component)
		case r.URL.Path == "/deployments":
			answer = new(control.Synchronized)
		case r.URL.Path == "/configuration":
			answer = map[string]any{"lines": map[string]any{printabletest.Hostile: 1}}
		case r.URL.Path == "/faults" && r.Method == http.MethodGet:
			answer = new(control.Faults)
		case r.URL.Path == "/faults" && r.Method == http.MethodPost:
			answer = new(control.Rule)
		default:
			answer = map[string]any{"up": true, "cleared": 1}
		}
		switch answer.(type) {
		case *[]control.Component, *control.Synchronized, *control.Faults, *control.Rule:
			printabletest.Fill(answer)
		}
		json.NewEncoder(w).Encode(answer)
	}
}

func newHostileDir(t *testing.T, fails bool) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "h") // short, for its sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	cloud := httptest.NewServer(http.HandlerFunc(hostileCloud))
	t.Cleanup(cloud.Close)
	at := devenv.Dir(dir)
	listener, err := net.Listen("unix", at.Control())
	if err != nil {
		t.Fatal(err)
	}
	environment := &http.Server{Handler: hostileEnvironment(fails)}
	served := make(chan error, 1)
	go func() { served <- environment.Serve(listener) }()
	t.Cleanup(func() { environment.Close(); <-served })
	err = at.Write(devenv.Contact{
		Socket: filepath.Join(dir, "none"), Chips: filepath.Join(dir, printabletest.Hostile), ThingName: printabletest.Hostile, PID: os.Getpid(),
		Cloud: devenv.Cloud{
			HTTP: strings.TrimPrefix(cloud.URL, "http://"), HTTPS: printabletest.Hostile, MQTT: printabletest.Hostile, CA: printabletest.Hostile,
			Region: "local", AccessKeyID: "a", SecretAccessKey: "b",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// typed runs a command of shadowctl.
func typed(t *testing.T, dir string, args ...string) (stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	Run(ctx, Env{
		Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs,
		Getenv: func(name string) string { return map[string]string{devenv.DirVariable: dir}[name] },
	})
	return out.String(), errs.String()
}

// TestHostileText types every command where everything that others name, and every
// message of a peer, is hostile.
func TestHostileText(t *testing.T) {
	t.Parallel()
	well, failing := newHostileDir(t, false), newHostileDir(t, true)
	hostile := printabletest.Hostile
	file := func(name, text string) string {
		path := filepath.Join(well, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	text, _ := json.Marshal(hostile)
	things := file("things.txt", printabletest.Formula+"\nplain\n")
	configuration := file("config.json", `{"lines":{`+string(text)+`:1}}`)
	broken := file("broken.yaml", "a: [\x1b[2J\n\u009b")
	connector := file("connector.json", `{"Parameters":{`+string(text)+`:`+string(text)+`,"InputGpios":`+string(text)+`}}`)
	journal := filepath.Join(well, "journal.jsonl")
	used := map[string]bool{}
	for _, args := range [][]string{
		{"get"}, {"get", "--json"}, {"get", "--thing", "fail"}, {"get", "--shadow", hostile}, {"get", "--core"}, {"get", "--mqtt"},
		{"set", "a=" + hostile}, {"set", hostile + "=1", "--wait", "1ms"}, {"set", hostile}, {"set", hostile + "=1", "--wait", "1ms", "--json"}, {"set", "a=1", "--thing", "fail"},
		{"list"}, {"list", "--json"}, {"list", "--thing", "fail"}, {"delete"}, {"delete", "--json"}, {"delete", "--thing", "fail"},
		{"watch"}, {"watch", "--show", hostile}, {"interactive"}, {"interactive", "--thing", hostile},
		{"fleet", "set", "a=" + hostile, "--file", things, "--dry-run"}, {"fleet", "set", "a=" + hostile, "--file", things, "--dry-run", "--json"},
		{"fleet", "set", hostile + "=1", "--group", "g", "--wait", "1ms"},
		{"fleet", "set", hostile + "=1", "--group", "g", "--wait", "1ms", "--yes", "--journal", journal},
		{"fleet", "show", journal}, {"fleet", "show", journal, "--json"}, {"fleet", "show", hostile},
		{"fleet", "resume", journal, "--wait", "1ms", "--retry", "unanswered"}, {"fleet", "resume", journal, "--retry", hostile},
		{"fleet", "undo", journal, "--yes", "--wait", "1ms", "--journal", journal + ".undo"}, {"fleet", "undo", hostile},
		{"fleet", "report", "--group", "g"}, {"fleet", "report", "--group", "g", "--json"}, {"fleet", "report", "--group", "g", "--format", "csv"},
		{"fleet", "report", "--group", "fail"}, {"fleet", "report", "--things", "fail"}, {"fleet", "report", "--format", hostile}, {"fleet", hostile},
		{"migrate", connector}, {"migrate", broken}, {"migrate", hostile},
		{"press", hostile}, {"release", hostile}, {"hold", hostile, hostile}, {"bounce", hostile},
		{"component", "list"}, {"component", "list", "--json"}, {"component", "restart", hostile},
		{"deploy", configuration, "--component", hostile}, {"deploy", broken}, {"deploy", hostile},
		{"compare"}, {"certificate", hostile}, {"certificate", "name"}, {"link", "status"}, {"link", "slow", hostile},
		{"core", "restart", "--away", hostile}, {"core", "restart"},
		{"fault", "list"}, {"fault", "list", "--json"}, {"fault", "add", hostile}, {"fault", "add", "*", "drop"}, {"fault", "clear", hostile}, {"fault", "clear"},
		{"dev", "--config", hostile}, {"dev", "--faults", broken}, {"dev", "--chip", hostile}, {"run-component", hostile},
		{"help"}, {"help", hostile}, {hostile}, {"get", "--" + hostile}, {"completion", "bash"}, {"__complete", "fleet", ""}, {"--dir", hostile, "get"},
	} {
		for _, dir := range []string{well, failing} {
			used[args[0]] = true
			out, errs := typed(t, dir, args...)
			if out+errs == "" && args[0] != "link" {
				t.Errorf("%q printed nothing", args)
			}
			if raw := printabletest.Raw(out); raw != "" && args[0] != "completion" {
				t.Errorf("%q printed %s:\n%q", args, raw, out)
			}
			if raw := printabletest.Raw(errs); raw != "" {
				t.Errorf("%q printed %s on standard error:\n%q", args, raw, errs)
			}
			if slices.Contains(args, "--json") && out != "" && !json.Valid([]byte(out)) {
				t.Errorf("%q printed no JSON:\n%s", args, out)
			}
			if slices.Contains(args, "csv") {
				rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
				if err != nil || len(rows) != 5 {
					t.Errorf("%q printed %d rows, %v:\n%s", args, len(rows), err, out)
				}
				for _, cell := range slices.Concat(rows...) {
					if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
						t.Errorf("%q printed the formula %q", args, cell)
					}
				}
			}
		}
	}
	if out, _ := typed(t, well, "get", "--json"); !strings.Contains(out, `x\u001b[2J`) {
		t.Errorf("JSON lacks the real name:\n%s", out)
	}
	help, _ := typed(t, well, "--help")
	for _, c := range regexp.MustCompile(`(?m)^  ([a-z]+) {2,}[a-z]`).FindAllStringSubmatch(help, -1) {
		if !used[c[1]] {
			t.Errorf("no command of this test is %s", c[1])
		}
	}
}
