package gpio_test

import (
	"encoding"
	"strings"
	"testing"

	"github.com/shadowgpio/shadowgpio/gpio"
)

type text interface {
	encoding.TextMarshaler
	String() string
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		values []text
		want   string
	}{
		{values: []text{gpio.AsIs, gpio.Input, gpio.Output}, want: "as-is input output"},
		{values: []text{gpio.BiasAsIs, gpio.BiasDisabled, gpio.BiasPullUp, gpio.BiasPullDown}, want: "as-is disabled pull-up pull-down"},
		{values: []text{gpio.PushPull, gpio.OpenDrain, gpio.OpenSource}, want: "push-pull open-drain open-source"},
		{values: []text{gpio.NoEdges, gpio.RisingEdges, gpio.FallingEdges, gpio.BothEdges}, want: "none rising falling both"},
	} {
		for i, want := range strings.Fields(c.want) {
			got, err := c.values[i].MarshalText()
			if err != nil || string(got) != want || c.values[i].String() != want {
				t.Errorf("%T(%d): got %q, %v, want %q", c.values[i], i, got, err, want)
			}
		}
	}
	if gpio.Rising.String() != "rising" || gpio.Falling.String() != "falling" {
		t.Errorf("edges are %v and %v", gpio.Rising, gpio.Falling)
	}
	for want, value := range map[string]text{"invalid(3)": gpio.Direction(3), "invalid(4)": gpio.Bias(4), "invalid(200)": gpio.Drive(200)} {
		if got := value.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := gpio.Edge(0).String(); got != "invalid(0)" {
		t.Errorf("the zero edge is %q", got)
	}
}

func TestUnmarshalText(t *testing.T) {
	var (
		direction gpio.Direction
		bias      gpio.Bias
		drive     gpio.Drive
		edges     gpio.Edges
	)
	for word, into := range map[string]encoding.TextUnmarshaler{
		"output": &direction, "pull-down": &bias, "open-source": &drive, "both": &edges,
	} {
		if err := into.UnmarshalText([]byte(word)); err != nil {
			t.Error(err)
		}
	}
	if direction != gpio.Output || bias != gpio.BiasPullDown || drive != gpio.OpenSource || edges != gpio.BothEdges {
		t.Errorf("got %v, %v, %v, %v", direction, bias, drive, edges)
	}
	err := direction.UnmarshalText([]byte("Output"))
	if err == nil || !strings.Contains(err.Error(), "as-is, input, output") || direction != gpio.Output {
		t.Errorf("got %v, %v", direction, err)
	}
}
