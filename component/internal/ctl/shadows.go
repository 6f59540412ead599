package ctl

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/command"
	"github.com/shadowgpio/shadowgpio/component/internal/shadow"
	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// target is the shadow that a command is about, and a connection to the core.
type target struct {
	conn *ipc.Conn
	id   shadow.ID
}

// shadowOptions adds the options that name a shadow.
func shadowOptions(o *options) *shadow.ID {
	id := new(shadow.ID)
	o.StringVar(&id.Name, "shadow", "", "`NAME` of a named shadow; the classic shadow without it")
	o.StringVar(&id.Thing, "thing", "", "thing `NAME`; the core device without it")
	return id
}

// reach connects to the development core.
func reach(ctx context.Context, o *options, id shadow.ID) (*target, error) {
	c, err := place{o.dir}.read()
	if err != nil {
		return nil, err
	}
	id.Thing = cmp.Or(id.Thing, c.ThingName)
	conn, err := ipc.Dial(ctx, c.ipc())
	if err != nil {
		return nil, fmt.Errorf("development core out of reach; does shadowctl dev still run? %w", err)
	}
	return &target{conn, id}, nil
}

func get(ctx context.Context, env Env) int {
	o := newOptions(env, "get", "shadowctl get shows a shadow: what is desired, what is reported, and the answers.")
	id := shadowOptions(o)
	raw := o.Bool("json", false, "print the whole document as JSON")
	if code, done := o.parse(env.Args, 0, 0); done {
		return code
	}
	t, err := reach(ctx, o, *id)
	if err != nil {
		return fail(env, err)
	}
	defer t.conn.Close()
	payload, doc, err := t.get(ctx)
	if err != nil {
		return fail(env, err)
	}
	if *raw {
		var indented bytes.Buffer
		if err := json.Indent(&indented, payload, "", "  "); err != nil {
			return fail(env, err)
		}
		fmt.Fprintln(env.Stdout, indented.String())
		return command.OK
	}
	fmt.Fprintf(env.Stdout, "shadow %v, version %d\n", t.id, doc.Version)
	w := tabwriter.NewWriter(env.Stdout, 2, 0, 3, ' ', 0)
	fmt.Fprintln(w, "PROPERTY\tDESIRED\tREPORTED\tANSWER")
	for _, key := range properties(doc) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", key, show(doc.Desired, key), show(doc.Reported, key), showAck(doc, key))
	}
	w.Flush()
	return command.OK
}

func (t *target) get(ctx context.Context) (payload []byte, doc shadow.Document, err error) {
	var response model.GetThingShadowResponse
	err = patiently(ctx, func() (err error) {
		response, err = t.conn.GetThingShadow(ctx, model.GetThingShadowRequest{ThingName: t.id.Thing, ShadowName: t.id.Name})
		return err
	})
	if err != nil {
		return nil, doc, err
	}
	doc, err = shadow.ParseDocument(response.Payload)
	return response.Payload, doc, err
}

// patiently repeats a request while the shadow manager, which takes 20 a second
// for one thing, is busy.
func patiently(ctx context.Context, request func() error) error {
	for {
		err := request()
		var service *ipc.ServiceError
		if !errors.As(err, &service) || service.Code != model.ServiceFailure || service.Message != "Too Many Requests" {
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return err
		}
	}
}

func properties(doc shadow.Document) []string {
	keys := map[string]bool{}
	for key := range doc.Desired {
		keys[key] = true
	}
	for key := range doc.Reported {
		keys[key] = key != shadow.AckKey
	}
	maps.DeleteFunc(keys, func(_ string, show bool) bool { return !show })
	return slices.Sorted(maps.Keys(keys))
}

func show(section map[string]any, key string) string {
	value, ok := section[key]
	if !ok {
		return "-"
	}
	return showValue(value)
}

// showValue prints words as they are typed, everything else as JSON.
func showValue(value any) string {
	if s, ok := value.(string); ok && parseValue(s) == any(s) {
		return s
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}

func ackOf(doc shadow.Document, key string) (shadow.Ack, bool) {
	acks, _ := doc.Reported[shadow.AckKey].(map[string]any)
	return shadow.ParseAck(acks[key])
}

func showAck(doc shadow.Document, key string) string {
	ack, ok := ackOf(doc, key)
	if !ok {
		return "-"
	}
	text := fmt.Sprintf("%d at version %d", ack.Code, ack.Version)
	if ack.Reason != "" {
		text += ": " + ack.Reason
	}
	return text
}

func deleteShadow(ctx context.Context, env Env) int {
	o := newOptions(env, "delete", "shadowctl delete deletes a shadow. The component creates it again with the present state.")
	id := shadowOptions(o)
	if code, done := o.parse(env.Args, 0, 0); done {
		return code
	}
	t, err := reach(ctx, o, *id)
	if err != nil {
		return fail(env, err)
	}
	defer t.conn.Close()
	err = patiently(ctx, func() error {
		_, err := t.conn.DeleteThingShadow(ctx, model.DeleteThingShadowRequest{ThingName: t.id.Thing, ShadowName: t.id.Name})
		return err
	})
	if err != nil {
		return fail(env, err)
	}
	fmt.Fprintf(env.Stdout, "shadow %v deleted\n", t.id)
	return command.OK
}

func set(ctx context.Context, env Env) int {
	o := newOptions(env, "set", `shadowctl set KEY=VALUE… desires values in a shadow. A VALUE that is JSON is
taken as such (true, 5, {"r":1}), null deletes the key, anything else is text.
With --wait it returns when the device has answered: 0 done, 1 refused, 3 time-out.`)
	id := shadowOptions(o)
	wait := o.Duration("wait", 0, "how long to wait for the device's answer, such as 5s")
	if code, done := o.parse(env.Args, 1, -1); done {
		return code
	}
	desired := map[string]any{}
	for _, arg := range o.args {
		key, value, ok := strings.Cut(arg, "=")
		if !ok || key == "" {
			fmt.Fprintf(env.Stderr, "shadowctl set: want KEY=VALUE, got %q\n", arg)
			return command.Usage
		}
		desired[key] = parseValue(value)
	}
	t, err := reach(ctx, o, *id)
	if err != nil {
		return fail(env, err)
	}
	defer t.conn.Close()
	return t.set(ctx, env, desired, *wait)
}

// parseValue takes a value as JSON where it is, as text otherwise.
func parseValue(text string) any {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil || decoder.More() {
		return text
	}
	return value
}

func (t *target) set(ctx context.Context, env Env, desired map[string]any, wait time.Duration) int {
	var changes *ipc.Stream[model.SubscriptionResponseMessage]
	if wait > 0 {
		// Subscribe first: the answer may be quicker than we are.
		var err error
		changes, err = t.conn.SubscribeToTopic(ctx, model.SubscribeToTopicRequest{Topic: t.id.Topic("/update/accepted"), ReceiveMode: model.ReceiveAll})
		if err != nil {
			return fail(env, err)
		}
		defer changes.Close()
	}
	payload, err := json.Marshal(map[string]any{"state": map[string]any{"desired": desired}})
	if err != nil {
		return fail(env, err)
	}
	var response model.UpdateThingShadowResponse
	err = patiently(ctx, func() (err error) {
		response, err = t.conn.UpdateThingShadow(ctx, model.UpdateThingShadowRequest{ThingName: t.id.Thing, ShadowName: t.id.Name, Payload: payload})
		return err
	})
	if err != nil {
		return fail(env, err)
	}
	version, err := shadow.ParseVersion(response.Payload)
	if err != nil {
		return fail(env, err)
	}
	fmt.Fprintf(env.Stdout, "desired in shadow %v, version %d\n", t.id, version)
	if wait <= 0 {
		return command.OK
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return t.await(ctx, env, changes, desired, version)
}

// await follows the shadow until every value is answered.
func (t *target) await(ctx context.Context, env Env, changes *ipc.Stream[model.SubscriptionResponseMessage], desired map[string]any, version int64) int {
	var last shadow.Document
	for {
		_, doc, err := t.get(ctx)
		switch {
		case err == nil:
			last = doc
		case ctx.Err() == nil:
			return fail(env, err)
		}
		if code, done := answered(env, doc, desired, version); done {
			return code
		}
		select {
		case <-ctx.Done():
			fmt.Fprintln(env.Stderr, "shadowctl: the device has not answered in time")
			for _, key := range slices.Sorted(maps.Keys(desired)) {
				if ack, ok := ackOf(last, key); ok && ack.Version >= version {
					fmt.Fprintf(env.Stderr, "  %s: %s\n", key, showAck(last, key)) // in progress
				}
			}
			return exitTimeout
		case _, ok := <-changes.Events():
			if !ok {
				return fail(env, changes.Err())
			}
		}
	}
}

// answered prints the answers once all are there.
func answered(env Env, doc shadow.Document, desired map[string]any, version int64) (code int, done bool) {
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(desired)) {
		ack, ok := ackOf(doc, key)
		switch {
		case desired[key] == nil: // deleted: there is nothing to answer
		case ok && ack.Version >= version && ack.Code != shadow.InProgress:
			lines = append(lines, fmt.Sprintf("%s: %s", key, showAck(doc, key)))
			if ack.Code != shadow.Done {
				code = command.Failure
			}
		case doc.Reported[shadow.AckKey] == nil && shadow.Equal(doc.Reported[key], desired[key]):
			// A device that has answered nothing yet may be one that never does.
			lines = append(lines, key+": as desired already")
		default:
			return command.OK, false
		}
	}
	for _, line := range lines {
		fmt.Fprintln(env.Stdout, line)
	}
	return code, true
}
