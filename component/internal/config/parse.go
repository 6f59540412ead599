package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Parse reads a configuration from YAML or JSON text. thingName is the core
// device's, used where the configuration names no thing. The error joins one
// *[FieldError] for every fault.
func Parse(text []byte, thingName string) (*Config, error) {
	var tree any
	// JSON is YAML, so one reader serves files and deployments alike.
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&tree); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("configuration is neither YAML nor JSON: %w", err)
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("configuration: want one document, got more after it")
	}
	f := &faults{}
	p := parser{thingName: thingName, faults: f, config: &Config{
		HoldFor:    DefaultHoldFor,
		Lines:      map[string]Line{},
		Interlocks: map[string]Interlock{},
		Controls:   map[string]Control{},
		Shadows:    map[string]Shadow{},
	}, outputs: map[string]owner{}}
	p.root(node{value: tree, faults: f})
	if err := f.err(); err != nil {
		return nil, err
	}
	return p.config, nil
}

type parser struct {
	config    *Config
	thingName string
	faults    *faults
	outputs   map[string]owner // the property that drives an output, by the output's label
}

// owner is a property and where it stands.
type owner struct {
	path string
	Property
}

func (p *parser) root(n node) {
	var lines, interlocks, controls, shadows node
	keep := func(dst *node) func(node) { return func(n node) { *dst = n } }
	n.fields(map[string]func(node){
		"logLevel":   func(n node) { n.decode((*level)(&p.config.LogLevel)) },
		"thingName":  func(n node) { p.thing(n, &p.thingName) },
		"holdFor":    func(n node) { p.config.HoldFor = n.duration(0, MaxTime) },
		"lines":      keep(&lines),
		"interlocks": keep(&interlocks),
		"controls":   keep(&controls),
		"shadows":    keep(&shadows),
		// The nucleus keeps the component's policies beside its configuration.
		"accessControl": func(node) {},
	})
	// Each looks at those before it.
	p.lines(lines)
	p.interlocks(interlocks)
	p.shadows(shadows)
	p.controls(controls)
}

// level is slog.Level with the names that are configured.
type level slog.Level

func (l *level) UnmarshalText(text []byte) error {
	for _, known := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if strings.EqualFold(known.String(), string(text)) {
			*l = level(known)
			return nil
		}
	}
	return errors.New("want one of debug, info, warn, error")
}
