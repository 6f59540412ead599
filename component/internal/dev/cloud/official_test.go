package cloud

import (
	"bufio"
	"bytes"
	"cmp"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

func python(t *testing.T) string {
	t.Helper()
	path := os.Getenv("SHADOWGPIO_PYTHON")
	if path == "" {
		t.Skip("SHADOWGPIO_PYTHON names no Python with awsiotsdk and boto3; scripts/python.sh makes one")
	}
	return path
}

// role is a program on AWS's device SDK: the device or the application.
type role struct {
	*exec.Cmd
	input  io.WriteCloser
	says   chan string
	stderr bytes.Buffer
}

func play(t *testing.T, c *Cloud, name string, of shadow.ID) *role {
	t.Helper()
	pair, err := c.PKI.Client(name)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(c.MQTT)
	r := &role{says: make(chan string, 64)}
	r.Cmd = exec.CommandContext(t.Context(), python(t), "testdata/role.py", name, "localhost", port,
		c.PKI.CAFile(), pair.Certificate, pair.Key, of.Thing, of.Name)
	r.Stderr = &r.stderr
	if r.input, err = r.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	output, err := r.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for lines := bufio.NewScanner(output); lines.Scan(); {
			r.says <- lines.Text()
		}
		close(r.says)
	}()
	return r
}

func (r *role) hears(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		if got, ok := <-r.says; got != w {
			if !ok {
				r.Wait()
			}
			t.Fatalf("got  %s\nwant %s\n%s", got, w, r.stderr.String())
		}
	}
}

func (r *role) does(t *testing.T, change string) {
	t.Helper()
	if _, err := io.WriteString(r.input, change+"\n"); err != nil {
		t.Fatal(err)
	}
}

// ends closes the input and expects the last words.
func (r *role) ends(t *testing.T, local string) {
	t.Helper()
	r.input.Close()
	r.hears(t, "local "+local)
	if err := r.Wait(); err != nil {
		t.Errorf("%v\n%s", err, r.stderr.String())
	}
}

// TestTheFoundingConversations plays the device and the application of the founding
// document on AWS's device SDK, over mutual TLS.
func TestTheFoundingConversations(t *testing.T) {
	python(t)
	for _, of := range []shadow.ID{{Thing: "lamp"}, {Thing: "lamp", Name: "room"}} {
		t.Run(of.String(), func(t *testing.T) { converse(t, of) })
	}
}

func converse(t *testing.T, of shadow.ID) {
	c := start(t)
	none := `get-rejected [404, "No shadow exists with name: '` + cmp.Or(of.Name, of.Thing) + `'"]`
	application := play(t, c, "application", of)
	application.hears(t, none)
	device := play(t, c, "device", of)
	const defaults = `{"level": 5, "lights": "off", "locked": true}`
	device.hears(t, none, `accepted [1, `+defaults+`, `+defaults+`]`)
	application.hears(t, `documents `+defaults)

	// The application wants a change, the device obeys.
	application.does(t, `lights="on"`)
	device.hears(t, `delta {"lights": "on"}`, `accepted [3, null, {"lights": "on"}]`)
	application.hears(t, `documents `+defaults, `accepted [2, {"lights": "on"}, null]`, `documents {"level": 5, "lights": "on", "locked": true}`)

	// A change at the device leaves no delta that would undo it.
	device.does(t, `locked=false`)
	device.hears(t, `accepted [4, {"locked": false}, {"locked": false}]`)
	application.hears(t, `documents {"level": 5, "lights": "on", "locked": false}`)

	// What was wanted while the device was away it does when it is back.
	device.ends(t, `{"level": 5, "lights": "on", "locked": false}`)
	application.does(t, `level=0`)
	application.hears(t, `documents {"level": 5, "lights": "on", "locked": false}`, `accepted [5, {"level": 0}, null]`)
	device = play(t, c, "device", of)
	device.hears(t, `got-delta {"level": 0}`, `accepted [6, null, {"level": 0}]`)
	application.hears(t, `documents {"level": 0, "lights": "on", "locked": false}`)

	// null takes a property away.
	application.does(t, `level=null`)
	application.hears(t, `documents {"level": 0, "lights": "on", "locked": false}`, `accepted [7, {"level": null}, null]`)
	// Too much is refused.
	application.does(t, `text="`+strings.Repeat("x", 9000)+`"`)
	application.hears(t, `rejected [413, "The payload exceeds the maximum size allowed"]`)
	device.ends(t, `{"level": 0}`)
	application.input.Close()
	application.hears(t, `local {"level": 0, "lights": "on", "locked": false, "text": "`+strings.Repeat("x", 9000)+`"}`)
	application.Wait()

	// An application that comes later takes what is reported, under what is still desired.
	application = play(t, c, "application", of)
	application.hears(t, `got-reported {"level": 0, "lights": "on", "locked": false}`)
	application.does(t, `lights="off"`)
	application.hears(t, `documents {"level": 0, "lights": "on", "locked": false}`, `accepted [8, {"lights": "off"}, null]`)
	application.ends(t, `{"level": 0, "lights": "on", "locked": false}`)
	application = play(t, c, "application", of)
	application.hears(t, `got-delta {"lights": "off"}`)

	// A document that is there and holds nothing gets the defaults.
	if _, err := c.Shadows.Update(of, []byte(`{"state":null}`)); err != nil {
		t.Fatal(err)
	}
	application.hears(t, `documents null`)
	device = play(t, c, "device", of)
	device.hears(t, `got-empty null`, `accepted [10, `+defaults+`, `+defaults+`]`)
	application.hears(t, `documents `+defaults)

	// One that is deleted comes again, and its versions go on.
	device.ends(t, defaults)
	if _, err := c.Shadows.Delete(of, nil); err != nil {
		t.Fatal(err)
	}
	device = play(t, c, "device", of)
	device.hears(t, none, `accepted [12, `+defaults+`, `+defaults+`]`)
	application.hears(t, `documents `+defaults)
	device.ends(t, defaults)
	application.ends(t, defaults)
}

// TestRequestsAndTheirAnswers pairs them by client token, over MQTT 5 and mutual TLS.
func TestRequestsAndTheirAnswers(t *testing.T) {
	interpreter := python(t)
	c := start(t)
	pair, err := c.PKI.Client("requests")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(c.MQTT)
	for _, of := range []shadow.ID{{Thing: "lamp"}, {Thing: "lamp", Name: "room"}} {
		t.Run(of.String(), func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), interpreter, "testdata/requests.py", "localhost", port,
				c.PKI.CAFile(), pair.Certificate, pair.Key, of.Thing, of.Name)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			got, err := cmd.Output()
			none := `[404, "No shadow exists with name: '` + cmp.Or(of.Name, of.Thing) + `'"]`
			want := `get ` + none + `
update [1, {"lights": "on"}, {"lights": "off"}]
delta [1, {"lights": "on"}]
documents [null, 1, {"lights": "off"}]
get [1, {"lights": "on"}, {"lights": "off"}, {"lights": "on"}]
update [409, "Version conflict"]
update [2, null, {"lights": "on"}]
documents [{"lights": "off"}, {"lights": "on"}]
update [400, "Invalid JSON"]
get [2, {"lights": "on"}, {"lights": "on"}, null]
delete [2]
delete ` + none + "\n"
			if err != nil || string(got) != want {
				t.Errorf("%v; got\n%s\nwant\n%s\n%s", err, got, want, stderr.String())
			}
		})
	}
}

func TestBoto3AgainstTheDataPlane(t *testing.T) {
	c := start(t)
	run := func(secret string) (string, error) {
		cmd := exec.CommandContext(t.Context(), python(t), "testdata/dataplane.py", "http://"+c.HTTP, AccessKeyID, secret)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		return string(out) + stderr.String(), err
	}
	got, err := run(SecretAccessKey)
	want := strings.TrimLeft(`
get_thing_shadow ["ResourceNotFoundException", "No shadow exists with name: 'lamp'", 404]
update_thing_shadow [1, {"desired": {"on": true}}]
update_thing_shadow [2, {"reported": {"on": false}}]
update_thing_shadow ["ConflictException", "Version conflict", 409]
update_thing_shadow ["InvalidRequestException", "State contains an invalid node: 'wanted'", 400]
update_thing_shadow ["RequestEntityTooLargeException", "The payload exceeds the maximum size allowed", 413]
get_thing_shadow [2, {"delta": {"on": true}, "desired": {"on": true}, "reported": {"on": false}}]
update_thing_shadow [1, {}]
update_thing_shadow [1, {}]
update_thing_shadow [1, {}]
pages [["$a", "b"], ["c"]]
delete_thing_shadow [2, null]
get_thing_shadow ["ResourceNotFoundException", "No shadow exists with name: 'lamp'", 404]
publish 200
get_retained_message ["a/b c", "hello", 1]
list_retained_messages [["a/b c", 5]]
get_retained_message ["ResourceNotFoundException", "No retained message found for topic: nothing", 404]
`, "\n")
	if err != nil || got != want {
		t.Errorf("%v; got\n%s\nwant\n%s", err, got, want)
	}
	if got, _ := run("guessed"); !strings.HasPrefix(got, `get_thing_shadow ["ForbiddenException", "the request signature we calculated`) {
		t.Errorf("with a wrong secret: %.300s", got)
	}
}
