package interop_test

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

const (
	component = "test.Official"
	token     = "INTEROPINTEROP01"
)

//go:embed testdata/conversations.json
var conversationsFile []byte

func TestOfficialPythonClient(t *testing.T) {
	python := environment(t, "SHADOWGPIO_PYTHON", "scripts/python.sh")
	hold(t, "want", python, "testdata/client.py")
}

func TestOfficialNodeClient(t *testing.T) {
	environment(t, "SHADOWGPIO_NODE", "scripts/node.sh")
	hold(t, "wantNode", "node", "testdata/client.mjs")
}

func TestOfficialJavaClient(t *testing.T) {
	classpath := environment(t, "SHADOWGPIO_JAVA", "scripts/java.sh")
	hold(t, "want", "java", "-cp", classpath, "testdata/Client.java")
}

func environment(t *testing.T, name, script string) string {
	value := os.Getenv(name)
	if value == "" {
		t.Skipf("%s is unset; %s prints its value", name, script)
	}
	return value
}

type conversation struct {
	Name  string           `json:"name"`
	Steps []map[string]any `json:"steps"`
}

// outcome is a line of a program: of a conversation, or a wish.
type outcome struct {
	Ask     string
	Name    string
	Got     []any
	Failure string
}

// hold runs a program and compares what it got with what was wanted: the member
// of a step of that name, or "want".
func hold(t *testing.T, want, program string, args ...string) {
	var conversations []conversation
	if err := json.Unmarshal(conversationsFile, &conversations); err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT="+r.socket, "SVCUID="+token)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	request, err := json.Marshal(requests(conversations))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(in, "%s\n", request)

	outcomes := map[string]outcome{}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var o outcome
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			t.Errorf("%v: %s", err, lines.Text())
			continue
		}
		switch o.Ask {
		case "":
			outcomes[o.Name] = o
		default:
			fmt.Fprintln(in, r.do(o.Ask))
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, stderr.Bytes())
	}
	for _, c := range conversations {
		t.Run(c.Name, func(t *testing.T) {
			o, ok := outcomes[c.Name]
			if !ok || o.Failure != "" || len(o.Got) != len(c.Steps) {
				t.Fatalf("not held: %d of %d steps, %s\n%s", len(o.Got), len(c.Steps), o.Failure, stderr.Bytes())
			}
			for i, step := range c.Steps {
				wanted, ok := step[want]
				if !ok {
					wanted = step["want"]
				}
				got := readable("", o.Got[i])
				if difference := compare("", got, wanted); difference != "" {
					t.Errorf("step %d: %s\ngot %s", i, difference, text(got))
				}
			}
		})
	}
}

// requests are the conversations as the programs get them.
func requests(conversations []conversation) []conversation {
	result := make([]conversation, 0, len(conversations))
	for _, c := range conversations {
		sent := conversation{Name: c.Name}
		for _, step := range c.Steps {
			sent.Steps = append(sent.Steps, encode(step).(map[string]any))
		}
		result = append(result, sent)
	}
	return result
}

func encode(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if blob, ok := v["$blob"]; ok {
			content, isText := blob.(string)
			if !isText {
				content = text(blob)
			}
			return base64.StdEncoding.EncodeToString([]byte(content))
		}
		result := make(map[string]any, len(v))
		for key, inner := range v {
			if key != "want" && key != "wantNode" {
				result[key] = encode(inner)
			}
		}
		return result
	case []any:
		result := make([]any, len(v))
		for i, inner := range v {
			result[i] = encode(inner)
		}
		return result
	}
	return v
}

// readable has the blobs that are text or JSON as what they are.
func readable(key string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for inner := range v {
			below := inner
			if key == "binaryMessage" && inner == "message" {
				below = "payload"
			}
			v[inner] = readable(below, v[inner])
		}
	case []any:
		for i := range v {
			v[i] = readable("", v[i])
		}
	case string:
		content, err := base64.StdEncoding.DecodeString(v)
		if key != "payload" || err != nil || !utf8.Valid(content) {
			return v
		}
		var document any
		if json.Unmarshal(content, &document) == nil {
			return document
		}
		return string(content)
	}
	return v
}

// compare returns where got lacks something that is wanted, or is another.
func compare(path string, got, want any) string {
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s is %s, want an object", path, text(got))
		}
		for key, inner := range want {
			if difference := compare(path+"/"+key, object[key], inner); difference != "" {
				return difference
			}
		}
		return ""
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(want) {
			return fmt.Sprintf("%s is %s, want %d elements", path, text(got), len(want))
		}
		for i, inner := range want {
			if difference := compare(fmt.Sprintf("%s/%d", path, i), list[i], inner); difference != "" {
				return difference
			}
		}
		return ""
	}
	if got != want {
		return fmt.Sprintf("%s is %s, want %s", path, text(got), text(want))
	}
	return ""
}

func text(v any) string {
	t, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(t)
}

// rig is a core that can be restarted: with its directory, socket and token, but
// nothing else of the one before.
type rig struct {
	t           *testing.T
	dir, socket string
	core        *devcore.Core
	outcome     chan string // of the deployment under way
	stop        func()
}

// do is the core's side of a conversation, in the words of its steps.
func (r *rig) do(what string) (answer string) {
	switch what {
	case "restart":
		r.stop()
		r.start()
		return "restarted"
	case "link down", "link up":
		r.core.SetLink(what == "link up")
		return strings.TrimPrefix(what, "link ")
	case "deploy":
		change := devcore.ConfigurationChange{Merge: json.RawMessage(`{"logLevel": "debug"}`)}
		return r.deploy(devcore.Deployment{Configurations: map[string]devcore.ConfigurationChange{component: change}})
	case "update":
		return r.deploy(devcore.Deployment{Notify: true})
	case "outcome":
		return <-r.outcome
	}
	r.t.Errorf("the program asks for %q", what)
	return "no such thing"
}

// deploy begins a deployment, which the component has its part in.
func (r *rig) deploy(d devcore.Deployment) string {
	d.ID = "interop"
	r.outcome = make(chan string, 1)
	go func() {
		err := r.core.Deploy(r.t.Context(), d)
		switch refused, ok := errors.AsType[*devcore.InvalidConfigurationError](err); {
		case ok:
			r.outcome <- "refused: " + refused.Error()
		case err != nil:
			r.outcome <- err.Error()
		default:
			r.outcome <- "done"
		}
	}()
	return "begun"
}

// crew is what a core runs, in words only.
type crew struct{ devcore.Component }

func (c *crew) List() []devcore.Component           { return []devcore.Component{c.Component} }
func (c *crew) Restart(string) bool                 { return true }
func (c *crew) Stop(string)                         {}
func (c *crew) Pause(string) error                  { c.Paused = true; return nil }
func (c *crew) Resume(string) error                 { c.Paused = false; return nil }
func (c *crew) Report(string, model.LifecycleState) {}

func newRig(t *testing.T) *rig {
	dir, err := os.MkdirTemp("", "interop") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &rig{t: t, dir: dir, socket: filepath.Join(dir, "ipc.socket")}
	r.start()
	t.Cleanup(func() { r.stop() })
	return r
}

func (r *rig) start() {
	core, err := devcore.New(devcore.Config{
		Dir:        filepath.Join(r.dir, "state"),
		ThingName:  "gateway",
		RateLimits: devcore.RateLimits{Total: 1000, PerThing: 60},
		Components: &crew{devcore.Component{Name: component, Version: "1.2.3", State: model.StateRunning}},
		Authorize:  func(_, _, _, resource string) bool { return resource != "$aws/things/forbidden/shadow" },
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.core = core
	core.SetToken(component, token)
	configuration := `{"logLevel": "info", "lines": {"lamp": {"line": "GPIO17"}}}`
	if err := core.SetConfiguration(component, json.RawMessage(configuration)); err != nil {
		r.t.Fatal(err)
	}
	var l net.Listener
	if l, err = server.Listen(r.socket); err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- core.Serve(ctx, l) }()
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-served; err != nil {
			r.t.Error(err)
		}
		if err := core.Close(); err != nil {
			r.t.Error(err)
		}
	}
}
