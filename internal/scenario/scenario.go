// Package scenario runs files of shadow scenarios against a development core.
//
// A file is a JSON array of cases. Each says what is stored, which request is
// made over the socket, and what must come of it: the response or error, all
// messages on the topics in their order, and what is stored then. The place of a
// value that nobody can know holds "<timestamp>", "<token>" or "<any>". A timestamp
// is the present time in whole seconds, but in lists of names any number.
package scenario

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
	"github.com/shadowgpio/shadowgpio/ipc/server/servertest"
)

// EnvFile names an environment variable with further files to run, separated
// like the elements of PATH.
const EnvFile = "SHADOWGPIO_SCENARIOS"

// Case is one scenario.
type Case struct {
	Name   string
	Note   string
	Given  Given
	Quirk  bool
	Expect struct {
		Response json.RawMessage
		Error    *struct {
			Type, Message, ResourceType string
		}
		Topics []Message
	}
	Request     Request
	StoredAfter json.RawMessage `json:"stored_after"`
}

// Given is what a case begins with.
type Given struct {
	Stored    []devcore.Row
	SizeLimit int   `json:"shadowDocumentSizeLimitBytes"`
	Authorize *bool `json:"authorized"`
	Caller    string
	Requests  map[string]int `json:"requests_in_current_window"`
}

// Request is the request of a case.
type Request struct {
	Operation   string
	ThingName   *string
	ShadowName  *string
	Topic       string
	Payload     json.RawMessage
	PayloadText *string
	PageSize    *int
	NextToken   *string
}

// Message is what is published on a topic.
type Message struct {
	Topic   string
	Payload json.RawMessage
}

// Files returns the file and those that the environment names.
func Files(file string) []string {
	files := []string{file}
	for _, f := range filepath.SplitList(os.Getenv(EnvFile)) {
		if f != "" {
			files = append(files, f)
		}
	}
	return files
}

// Load reads a file of cases.
func Load(file string) ([]Case, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var cases []Case
	if err := json.Unmarshal(text, &cases); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("%s: no cases", file)
	}
	return cases, nil
}

// Run runs each case of a file as a test of its own, against a new core over a
// Unix socket, and returns how many there are.
func Run(t *testing.T, file string) int {
	cases, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, c.run)
	}
	return len(cases)
}

// bench is a running core with a component and a watcher connected to it.
type bench struct {
	dir       string // of the core
	core      *devcore.Core
	component *servertest.Client
	watcher   *servertest.Client
}

const (
	defaultCaller = "com.example.ShadowGpio"
	everything    = "$aws/things/+/shadow/#"
	// endMark is a topic that the watcher gets, and that asks for nothing.
	endMark = "$aws/things/scenario/shadow/end"
)

func (c *Case) start(t *testing.T) *bench {
	dir, err := os.MkdirTemp("", "scenario") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	core, err := devcore.New(devcore.Config{
		Dir:                     dir,
		ShadowDocumentSizeLimit: c.Given.SizeLimit,
		Authorize: func(_, service, _, _ string) bool {
			return c.Given.Authorize == nil || *c.Given.Authorize || service != "aws.greengrass.ShadowManager"
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range c.Given.Stored {
		if err := core.Shadows().Put(row); err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(dir, "ipc.socket")
	listener, err := server.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- core.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if err := core.Close(); err != nil {
			t.Error(err)
		}
	})
	caller := c.Given.Caller
	if caller == "" {
		caller = defaultCaller
	}
	b := &bench{
		dir:       dir,
		core:      core,
		component: servertest.Dial(t, socket).Login(core.IssueToken(caller)),
		watcher:   servertest.Dial(t, socket).Login(core.IssueToken("scenario.Watcher")),
	}
	subscribe := model.SubscribeToTopicRequest{Topic: everything, ReceiveMode: model.ReceiveAll}
	if e, err := b.watcher.Answer(model.SubscribeToTopic, subscribe, &struct{}{}); e != nil || err != nil {
		t.Fatal(e, err)
	}
	return b
}

func (c *Case) run(t *testing.T) {
	b := c.start(t)
	request := c.request(t, b)
	for thing, n := range c.Given.Requests {
		b.core.Shadows().HoldRate(thing, n, time.Minute)
	}
	var response json.RawMessage
	failure, err := b.component.Answer(model.Operation{Name: c.Request.Operation}, request, &response)
	if err != nil {
		t.Fatal(err)
	}
	c.checkAnswer(t, response, failure)
	c.checkTopics(t, b.published(t, c.Request.Topic))
	c.checkStored(t, b)
}

// request composes the request as a component would, absent members left out.
func (c *Case) request(t *testing.T, b *bench) map[string]any {
	r := c.Request
	payload := []byte(r.Payload)
	if r.PayloadText != nil {
		payload = []byte(*r.PayloadText)
	}
	switch r.Operation {
	case model.PublishToTopic.Name:
		return map[string]any{
			"topic":          r.Topic,
			"publishMessage": map[string]any{"binaryMessage": map[string]any{"message": payload}},
		}
	case model.ListNamedShadowsForThing.Name:
		request := map[string]any{"thingName": r.ThingName}
		if r.PageSize != nil {
			request["pageSize"] = *r.PageSize
		}
		if r.NextToken != nil {
			request["nextToken"] = c.token(t, b, *r.NextToken)
		}
		return request
	}
	request := map[string]any{"thingName": r.ThingName}
	if r.ShadowName != nil {
		request["shadowName"] = *r.ShadowName
	}
	if payload != nil {
		request["payload"] = payload
	}
	return request
}

// token is the one in the case, or that of the page before the one asked for.
func (c *Case) token(t *testing.T, b *bench, token string) string {
	if token != "<token>" {
		return token
	}
	size := 2
	if c.Request.PageSize != nil {
		size = *c.Request.PageSize
	}
	first := model.ListNamedShadowsForThingRequest{ThingName: c.Given.Stored[0].Thing, PageSize: &size}
	var page model.ListNamedShadowsForThingResponse
	if e, err := b.component.Answer(model.ListNamedShadowsForThing, first, &page); e != nil || err != nil || page.NextToken == "" {
		t.Fatalf("first page: %+v, %+v, %v", page, e, err)
	}
	return page.NextToken
}

// published returns what the watcher got up to now, without the request itself.
func (b *bench) published(t *testing.T, request string) []Message {
	end := map[string]any{
		"topic":          endMark,
		"publishMessage": map[string]any{"binaryMessage": map[string]any{"message": []byte{}}},
	}
	b.watcher.Send(b.watcher.Request(model.PublishToTopic, end))
	var got []Message
	for {
		event := b.watcher.Event()
		switch {
		case event.Topic() == endMark:
			return got
		case event.Topic() == request:
			request = ""
			continue
		case event.BinaryMessage == nil:
			t.Errorf("%s: not a binary message", event.Topic())
		}
		got = append(got, Message{event.Topic(), event.Payload()})
	}
}

func (c *Case) checkAnswer(t *testing.T, response json.RawMessage, failure *model.ErrorPayload) {
	want := c.Expect.Error
	if want == nil {
		if failure != nil {
			t.Fatalf("got error %s %q", failure.Code, failure.LiteMessage)
		}
		want, got := c.wantResponse(t), unwrap(t, response)
		if c.Request.Operation == model.ListNamedShadowsForThing.Name {
			compareBy(t, "response", want, got, anyNumber)
			return
		}
		compare(t, "response", want, got)
		return
	}
	if failure == nil {
		t.Fatalf("got response %s, want %s %q", response, want.Type, want.Message)
	}
	if string(failure.Code) != want.Type {
		t.Errorf("got error %s, want %s", failure.Code, want.Type)
	}
	if want.Message != "<any>" && failure.LiteMessage != want.Message {
		t.Errorf("got message %q, want %q", failure.LiteMessage, want.Message)
	}
	if failure.ResourceType != want.ResourceType {
		t.Errorf("got resource type %q, want %q", failure.ResourceType, want.ResourceType)
	}
}

// wantResponse gives an empty payload the form that unwrap has for it.
func (c *Case) wantResponse(t *testing.T) shadowdoc.Value {
	want := parse(t, c.Expect.Response).(*shadowdoc.Object)
	if text, ok := want.Get("payloadText"); ok {
		want.Delete("payloadText")
		want.Set("payload", text)
	}
	return want
}

// unwrap replaces the bytes of a payload by the JSON in them.
func unwrap(t *testing.T, response json.RawMessage) shadowdoc.Value {
	o := parse(t, response).(*shadowdoc.Object)
	var payload struct{ Payload []byte }
	if err := json.Unmarshal(response, &payload); err != nil {
		t.Fatal(err)
	}
	if len(payload.Payload) > 0 {
		o.Set("payload", parse(t, payload.Payload))
	}
	return o
}

func (c *Case) checkTopics(t *testing.T, got []Message) {
	topics := func(messages []Message) (names []string) {
		for _, m := range messages {
			names = append(names, m.Topic)
		}
		return names
	}
	if g, w := topics(got), topics(c.Expect.Topics); !slices.Equal(g, w) {
		t.Errorf("published\n\t%s\nwant\n\t%s", strings.Join(g, "\n\t"), strings.Join(w, "\n\t"))
		return
	}
	for i, want := range c.Expect.Topics {
		compare(t, want.Topic, parse(t, want.Payload), parse(t, got[i].Payload))
	}
}

func (c *Case) checkStored(t *testing.T, b *bench) {
	if bytes.Equal(c.StoredAfter, []byte(`"unchanged"`)) {
		for _, want := range c.Given.Stored {
			checkRow(t, b, want.Thing, want.Shadow, storedForm(t, want, true))
		}
		if n := countRows(t, b.dir); n != len(c.Given.Stored) {
			t.Errorf("%d shadows are stored, want %d", n, len(c.Given.Stored))
		}
		return
	}
	thing, shadow := c.subject()
	checkRow(t, b, thing, shadow, parse(t, c.StoredAfter))
}

// subject is the shadow that the case is about.
func (c *Case) subject() (thing, shadow string) {
	if c.Request.Topic != "" {
		rest := strings.TrimPrefix(c.Request.Topic, "$aws/things/")
		parts := strings.Split(rest, "/")
		if len(parts) >= 5 && parts[2] == "name" {
			return parts[0], parts[3]
		}
		return parts[0], ""
	}
	if c.Request.ThingName != nil {
		thing = *c.Request.ThingName
	}
	if c.Request.ShadowName != nil {
		shadow = *c.Request.ShadowName
	}
	return thing, shadow
}

func checkRow(t *testing.T, b *bench, thing, shadow string, want shadowdoc.Value) {
	row, ok := b.core.Shadows().Row(thing, shadow)
	compare(t, "stored "+thing+"/"+shadow, want, storedForm(t, row, ok))
}

// countRows counts the files of shadows, deleted ones among them.
func countRows(t *testing.T, dir string) (n int) {
	err := filepath.WalkDir(filepath.Join(dir, "shadows"), func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return n
}

// storedForm is a row as "stored_after" writes it.
func storedForm(t *testing.T, r devcore.Row, ok bool) shadowdoc.Value {
	if !ok {
		return nil
	}
	o := shadowdoc.NewObject()
	o.Set("version", shadowdoc.Number(fmt.Sprint(r.Version)))
	if r.Deleted {
		o.Set("deleted", true)
		return o
	}
	o.Set("state", parse(t, r.State))
	o.Set("metadata", parse(t, r.Metadata))
	return o
}

func parse(t *testing.T, text []byte) shadowdoc.Value {
	t.Helper()
	v, err := shadowdoc.Parse(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return v
}

func compare(t *testing.T, what string, want, got shadowdoc.Value) {
	t.Helper()
	compareBy(t, what, want, got, present)
}

func compareBy(t *testing.T, what string, want, got shadowdoc.Value, isTime func(shadowdoc.Number) bool) {
	t.Helper()
	if !agrees(want, got, isTime) {
		t.Errorf("%s:\n\tgot  %s\n\twant %s", what, shadowdoc.Append(nil, got), shadowdoc.Append(nil, want))
	}
}

// present says whether a number is a time of this run of the test, in whole seconds.
func present(n shadowdoc.Number) bool {
	seconds, err := strconv.ParseInt(string(n), 10, 64)
	return err == nil && time.Since(time.Unix(seconds, 0)).Abs() < time.Minute
}

func anyNumber(shadowdoc.Number) bool { return true }

// agrees compares with regard to placeholders.
func agrees(want, got shadowdoc.Value, isTime func(shadowdoc.Number) bool) bool {
	switch w := want.(type) {
	case string:
		switch w {
		case "<any>":
			return true
		case "<timestamp>":
			n, ok := got.(shadowdoc.Number)
			return ok && isTime(n)
		case "<token>":
			s, ok := got.(string)
			return ok && s != ""
		}
	case shadowdoc.Array:
		g, ok := got.(shadowdoc.Array)
		return ok && slices.EqualFunc(w, g, func(w, g shadowdoc.Value) bool { return agrees(w, g, isTime) })
	case *shadowdoc.Object:
		g, ok := got.(*shadowdoc.Object)
		if !ok || g.Len() != w.Len() {
			return false
		}
		for key, v := range w.All() {
			if e, ok := g.Get(key); !ok || !agrees(v, e, isTime) {
				return false
			}
		}
		return true
	}
	return shadowdoc.Equal(want, got)
}
