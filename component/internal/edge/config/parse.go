package config

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/shadowgpio/shadowgpio/internal/yamltree"
)

// Parse reads a configuration from YAML or JSON text. thingName is the core
// device's, used where the configuration names no thing. The error joins one
// *[FieldError] for every fault.
func Parse(text []byte, thingName string) (*Config, error) {
	f := &faults{}
	tree, err := yamltree.Read(text)
	for _, fault := range yamltree.Faults(err) {
		f.add(fault.Path, fault.Want, fault.Got, "")
	}
	if err != nil && len(f.list) == 0 {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	p := parser{device: thingName, faults: f, config: &Config{
		Lines:      map[string]Line{},
		Interlocks: map[string]Interlock{},
		Controls:   map[string]Control{},
		Alarms:     map[string]Alarm{},
		Shadows:    map[string]Shadow{},
	}, interlocked: map[string]string{}, outputs: map[string]owner{}}
	rootObject.read(&p, node{value: tree, faults: f}, &p)
	p.checkReferences()
	if err := f.err(); err != nil {
		return nil, err
	}
	return p.config, nil
}

type parser struct {
	config      *Config
	device      string // thing name of the core device
	thingName   string // as it is configured
	faults      *faults
	interlocked map[string]string // path of its interlock, by the output's label
	outputs     map[string]owner  // the property that drives an output, by the output's label
	flags       []node            // labels of alarms that properties name
	scheduled   []node            // labels of outputs that schedules drive
}

// owner is a property and where it stands.
type owner struct {
	path string
	Property
}

// rootObject is the whole. Each section looks at those before it.
var rootObject = declare("configuration", "The whole configuration.",
	field("logLevel", anyCase(oneOf(level(slog.LevelDebug), level(slog.LevelInfo), level(slog.LevelWarn), level(slog.LevelError))),
		func(p *parser) *level { return (*level)(&p.config.LogLevel) }, "What is logged: this and what is worse.").or("info"),
	field("thingName", thing, func(p *parser) *string { return &p.thingName },
		"The thing whose shadows are meant where a shadow names none; `\"\"` is the core device.").or(""),
	field("transport", oneOf(Auto, ShadowManager, IoTCore), func(p *parser) *Transport { return &p.config.Transport },
		"The way to the shadows: `shadowManager` on this device, or `iotCore`, the shadow topics over the nucleus's MQTT connection; `auto` is `iotCore` on nucleus lite.").or(Auto),
	field("holdFor", span(0, MaxTime), func(p *parser) *time.Duration { return &p.config.HoldFor },
		"How long outputs are held after the component is gone; `0s` is not at all.").or(DefaultHoldFor),
	section("lines", labelled(&lineObject.Object), (*parser).lines, "GPIO lines."),
	section("interlocks", labelled(&interlockObject.Object), (*parser).interlocks, "Groups of outputs of which one at most is on."),
	section("shadows", labelled(&shadowObject.Object), (*parser).shadows, "Device shadows and their properties."),
	section("controls", labelled(&controlObject.Object), (*parser).controls, "Inputs that drive outputs, with or without a link."),
	section("alarms", labelled(&alarmObject.Object), (*parser).alarms, "Inputs and values that are watched, with or without a link."),
	section("accessControl", ignore, func(*parser, node) {}, "The component's policies, which the nucleus keeps beside its configuration. Not read."),
)

// section declares a part of the configuration.
func section(name string, shape Shape, read func(*parser, node), doc string) *key[parser] {
	return part(name, shape, func(p *parser, n node, _ *parser) { read(p, n) }, doc)
}

// level is slog.Level with the names that are configured.
type level slog.Level

func (l level) String() string { return strings.ToLower(slog.Level(l).String()) }
