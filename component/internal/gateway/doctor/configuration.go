package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// goodFile keeps the last configuration without faults, in the work directory.
const goodFile = "configuration.json"

// configuration reads the configuration that is, or should be, in force.
func (x *examination) configuration(ctx context.Context) {
	good := path.Join(x.workDir(), goodFile)
	switch {
	case x.file != "":
		text, err := x.read(x.file)
		x.judge(x.file, text, err)
	case x.conn != nil:
		response, err := x.conn.GetConfiguration(ctx, model.GetConfigurationRequest{})
		if response.ComponentName != "" {
			x.name = response.ComponentName
		}
		x.policies(response.Value)
		if !x.judge("the deployment", response.Value, err) {
			x.fallBack(good)
		}
	default:
		if text, err := x.read(good); err == nil {
			x.judge(good, text, nil)
			return
		}
		x.skip("configuration", "%s, and there is no %s that can be read; name one: --config FILE", x.why, good)
	}
}

// judge takes a configuration, or reports its faults.
func (x *examination) judge(from string, text []byte, err error) (good bool) {
	var cfg *config.Config
	if err == nil {
		// Without the nucleus nobody names the core device; any name shows the same faults.
		cfg, err = config.Parse(text, cmp.Or(x.thing, "core-device"))
	}
	if err == nil {
		x.config = cfg
		x.ok("configuration", "that of %s has %d lines and %d shadows", from, len(cfg.Lines), len(cfg.Shadows))
		return true
	}
	for _, fault := range each(unwrapTo(err)) {
		x.report("configuration", ConfigurationFault, fmt.Sprintf("that of %s: %v", from, fault), "a configuration without faults; this one is refused as a whole",
			"shadowgpio check --config FILE # before it is deployed")
	}
	return false
}

// unwrapTo finds the errors that config.Parse joined, or returns err.
func unwrapTo(err error) error {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if _, ok := e.(interface{ Unwrap() []error }); ok {
			return e
		}
	}
	return err
}

// fallBack judges lines and shadows by what is in force instead.
func (x *examination) fallBack(good string) {
	text, err := x.read(good)
	if err != nil {
		return
	}
	if cfg, err := config.Parse(text, cmp.Or(x.thing, "core-device")); err == nil {
		x.config = cfg
		x.ok("configuration", "that of %s stays in force meanwhile", good)
	}
}

// accessControl is the part of a configuration that the nucleus reads itself.
type accessControl map[string]map[string]map[string]any

// policies finds what makes the nucleus drop policies without a word to the
// component: a mistake in one drops all (aws-greengrass/aws-greengrass-nucleus
// authorization/AuthorizationPolicyParser.java).
func (x *examination) policies(configuration json.RawMessage) {
	var tree struct {
		AccessControl json.RawMessage `json:"accessControl"`
	}
	if json.Unmarshal(configuration, &tree) != nil || tree.AccessControl == nil {
		return // each entry that is missing shows by itself
	}
	text := tree.AccessControl
	var inner string
	if json.Unmarshal(text, &inner) == nil {
		text = json.RawMessage(inner)
	}
	x.policyText = string(text)
	var all accessControl
	if err := json.Unmarshal(text, &all); err != nil {
		x.malformed(err.Error())
		return
	}
	for service, byID := range all {
		for id, members := range byID {
			if mistake := policyMistake(members); mistake != "" {
				x.malformed(service + ": " + id + ": " + mistake)
				return
			}
		}
	}
}

func (x *examination) malformed(mistake string) {
	x.report("accessControl", AccessMalformed, mistake+"; the nucleus ignores the whole accessControl",
		"services, in them policies, in them policyDescription, operations and resources only",
		script("# in the deployment, before the merge:", fmt.Sprintf("# %q: {\"configurationUpdate\": {\"reset\": [\"/accessControl\"]}}", x.name)))
}

func policyMistake(members map[string]any) string {
	for key, value := range members {
		switch strings.ToLower(key) {
		case "operations", "resources":
			if _, ok := value.([]any); !ok {
				return fmt.Sprintf("%s: want a list, got %v", key, value)
			}
		case "policydescription":
			if value == nil {
				return key + " is null"
			}
		default:
			return fmt.Sprintf("unknown property %q", key)
		}
	}
	return ""
}
