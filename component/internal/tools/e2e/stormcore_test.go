package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// The development core as a process of its own, which takes orders on its
// standard input and answers, and tells what it observes, on its standard output:
// one JSON value a line.

// coreVariable has the coreSetup of a process in the role "core".
const coreVariable = "SHADOWGPIO_E2E_CORE"

type coreSetup struct{ Dir, Socket, Config, Token string }

type order struct {
	ID     int
	Do     string // update, delete, forget, row, fault, heal, notReady or deploy
	Shadow string
	Body   json.RawMessage // an update, or a configuration
	Text   string          // a fault rule, or a duration
}

type answer struct {
	ID    int
	Error string
	Body  json.RawMessage
	Event *devcore.Event // and nothing else
}

// coreMain is the process.
func coreMain(ctx context.Context, setup string, in io.Reader, out io.Writer) error {
	var s coreSetup
	if err := json.Unmarshal([]byte(setup), &s); err != nil {
		return err
	}
	var mu sync.Mutex
	lines := json.NewEncoder(out)
	say := func(a answer) {
		mu.Lock()
		defer mu.Unlock()
		lines.Encode(a)
	}
	core, err := devcore.New(devcore.Config{Dir: s.Dir, ThingName: thing, Observe: func(e devcore.Event) { say(answer{Event: &e}) }})
	if err != nil {
		return err
	}
	core.SetToken(componentName, s.Token)
	if err := core.LoadConfiguration(componentName, s.Config); err != nil {
		return err
	}
	l, err := server.Listen(s.Socket)
	if err != nil {
		return err
	}
	go func() {
		orders := json.NewDecoder(in)
		for {
			var o order
			if orders.Decode(&o) != nil {
				return
			}
			go func() {
				body, err := obey(ctx, core, o)
				a := answer{ID: o.ID, Body: body}
				if err != nil {
					a.Error = err.Error()
				}
				say(a)
			}()
		}
	}()
	return core.Serve(ctx, l)
}

func obey(ctx context.Context, core *devcore.Core, o order) (json.RawMessage, error) {
	switch o.Do {
	case "update":
		return core.Shadows().Update(thing, o.Shadow, o.Body)
	case "delete":
		return nil, core.Shadows().Delete(thing, o.Shadow)
	case "forget":
		return nil, core.Shadows().DeleteFromCloud(thing, o.Shadow)
	case "row":
		row, _ := core.Shadows().Row(thing, o.Shadow)
		return json.Marshal(row)
	case "fault":
		rule, err := faults.ParseRule(o.Text)
		if err == nil {
			core.Faults().Add(rule)
		}
		return nil, err
	case "heal":
		core.Faults().Clear()
		core.Shadows().NotReady(0)
		return nil, nil
	case "notReady":
		d, err := time.ParseDuration(o.Text)
		core.Shadows().NotReady(d)
		return nil, err
	case "deploy":
		return nil, core.Deploy(ctx, devcore.Deployment{
			Configurations:    map[string]devcore.ConfigurationChange{componentName: {Full: o.Body}},
			Notify:            true,
			NotifyTimeout:     2 * time.Second,
			ValidationTimeout: 2 * time.Second,
		})
	}
	return nil, fmt.Errorf("want an order, got %q", o.Do)
}

// coreProcess is the other end.
type coreProcess struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	log  *log
	done chan struct{} // closed when it is gone and all it said was read

	mu      sync.Mutex
	lastID  int
	waiting map[int]chan answer
}

// errCoreGone says that nobody knows whether the order was carried out.
var errCoreGone = errors.New("the core has ended")

// startCore runs a core, and tells observe what it observes, in order.
func startCore(t *testing.T, setup coreSetup, observe func(devcore.Event)) *coreProcess {
	t.Helper()
	text, err := json.Marshal(setup)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &coreProcess{cmd: exec.Command(exe), log: newLog(), done: make(chan struct{}), waiting: map[int]chan answer{}}
	c.cmd.Env = append(environ(), roleVariable+"=core", coreVariable+"="+string(text))
	var out, errs io.ReadCloser
	if c.in, err = c.cmd.StdinPipe(); err == nil {
		out, err = c.cmd.StdoutPipe()
	}
	if err == nil {
		errs, err = c.cmd.StderrPipe()
	}
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	logged := make(chan struct{})
	go func() { c.log.read(errs); close(logged) }()
	go func() {
		defer close(c.done)
		c.listen(out, observe)
		<-logged
		c.cmd.Wait()
	}()
	t.Cleanup(func() {
		c.kill()
		if t.Failed() {
			t.Logf("core printed:\n%s", c.log)
		}
	})
	return c
}

func (c *coreProcess) listen(out io.Reader, observe func(devcore.Event)) {
	answers := json.NewDecoder(bufio.NewReader(out))
	for {
		var a answer
		if answers.Decode(&a) != nil { // also a line that the kill has cut
			return
		}
		if a.Event != nil {
			observe(*a.Event)
			continue
		}
		c.mu.Lock()
		w := c.waiting[a.ID]
		delete(c.waiting, a.ID)
		c.mu.Unlock()
		w <- a
	}
}

// call has an order carried out. It is errCoreGone if the core ends before.
func (c *coreProcess) call(o order) (json.RawMessage, error) {
	w := make(chan answer, 1)
	c.mu.Lock()
	c.lastID++
	o.ID = c.lastID
	c.waiting[o.ID] = w
	err := json.NewEncoder(c.in).Encode(o)
	c.mu.Unlock()
	if err != nil {
		return nil, errCoreGone
	}
	select {
	case a := <-w:
		if a.Error != "" {
			return nil, errors.New(a.Error)
		}
		return a.Body, nil
	case <-c.done:
		return nil, errCoreGone
	}
}

func (c *coreProcess) kill() {
	c.cmd.Process.Kill()
	<-c.done
}
