package sim

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// FuzzAnswer feeds a client any answers. An error that arrives says the same when
// it is sent on.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"event":{"Offset":1,"Edge":1,"Time":"2024-01-02T03:04:05.6Z","Clock":7,"Seqno":1,"LineSeqno":1}}`,
		`{"error":{"op":"request","chip":"gpiochip0","line":"LAMP","holder":"led","text":"device or resource busy","errno":16}}`,
		`{"error":{"op":"find","text":"no such line","states":["no-line","odd"]}}`,
		`{"infos":[{"direction":"input","bias":"pull-up","edges":"both"}],"values":[true,false],"high":true}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var a answer
		if err := newReader(bytes.NewReader(line)).read(&a); err != nil {
			return
		}
		if a.Error == nil {
			return
		}
		err := a.Error.err()
		again := newFailure(err).err()
		if err.Error() != again.Error() {
			t.Errorf("got %q, then %q", err, again)
		}
		for _, state := range states {
			if errors.Is(err, state) != errors.Is(again, state) {
				t.Errorf("%v is only once %v", err, state)
			}
		}
		here, _ := errors.AsType[*gpio.OpError](err)
		there, _ := errors.AsType[*gpio.OpError](again)
		if here != nil && (there == nil || here.Holder != there.Holder) {
			t.Errorf("got %+v, then %+v", here, there)
		}
	})
}

// TestProtocolIsComplete has every field of the public types survive the wire.
func TestProtocolIsComplete(t *testing.T) {
	sent := command{Config: &Chip{}, Lines: []gpio.LineConfig{{}}}
	fill(t, reflect.ValueOf(&sent).Elem())
	got := answer{}
	received := answer{Infos: []gpio.LineInfo{{}}, Chips: []gpio.ChipInfo{{}}, Event: &gpio.Event{}}
	fill(t, reflect.ValueOf(&received).Elem())
	var back command
	for _, c := range []struct{ from, to any }{{&sent, &back}, {&received, &got}} {
		var wire bytes.Buffer
		if err := write(&wire, c.from); err != nil {
			t.Fatal(err)
		}
		if err := newReader(&wire).read(c.to); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(c.from, c.to) {
			t.Errorf("sent %+v, got %+v", c.from, c.to)
		}
	}
}

// fill sets every field to something that is not its zero value.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(t, v.Field(i))
			}
		}
	case reflect.Pointer:
		if !v.IsNil() {
			fill(t, v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint8, reflect.Uint32:
		v.SetUint(1)
	case reflect.Map: // of no use here: encoding/json has its own tests
	default:
		t.Fatalf("no value for a %v", v.Type())
	}
}
