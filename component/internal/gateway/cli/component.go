package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/control"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
	examination "github.com/shadowgpio/shadowgpio/component/internal/gateway/doctor"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/preflight"
)

// socketVariable names the control socket where --socket does not.
const socketVariable = "SHADOWGPIO_CONTROL"

// socketFlag adds the option that names the running component.
func socketFlag(c *cobra.Command, env Env) *string {
	return c.Flags().String("socket", defaultSocket(env), "control socket of the component, a `PATH`; also "+socketVariable)
}

// defaultSocket is that of a component whose work directory is the present one, or
// that of the deployed component.
func defaultSocket(env Env) string {
	if path := env.Getenv(socketVariable); path != "" {
		return path
	}
	if _, err := os.Lstat(control.SocketName); err == nil {
		return control.SocketName
	}
	return filepath.Join(examination.DefaultRoot, "work", preflight.ComponentName, control.SocketName)
}

// dial connects to the running component, and says why it cannot.
func dial(env Env, name, socket string) (*control.Client, int) {
	client, err := control.Dial(socket)
	if err != nil {
		return nil, failed(env, name, err)
	}
	return client, command.OK
}

// failed says what went wrong, and returns the exit code for it.
func failed(env Env, name string, err error) int {
	printable.Fprintf(env.Stderr, "shadowgpio %s: %v\n", name, err)
	if errors.Is(err, control.ErrNotRunning) {
		return command.NotRunning
	}
	return command.Failure
}

// found is one property of a running component.
type found struct {
	shadow, key string
	engine.PropertyView
}

func (f found) name() string { return f.shadow + "/" + f.key }

// properties are all configured properties, sorted by name.
func properties(s control.Status) []found {
	var all []found
	for _, shadow := range slices.Sorted(maps.Keys(s.Shadows)) {
		for _, key := range slices.Sorted(maps.Keys(s.Shadows[shadow].Properties)) {
			if p := s.Shadows[shadow].Properties[key]; p.Kind != "" {
				all = append(all, found{shadow, key, p})
			}
		}
	}
	return all
}

// find finds the property that is meant by PROPERTY or SHADOW/PROPERTY.
func find(s control.Status, name string) (found, error) {
	var matches []found
	all := properties(s)
	for _, p := range all {
		if p.name() == name || p.key == name {
			matches = append(matches, p)
		}
	}
	var names []string
	switch len(matches) {
	case 1:
		return matches[0], nil
	case 0:
		for _, p := range all {
			names = append(names, p.name())
		}
		return found{}, fmt.Errorf("want one of the properties %s, got %q", cmp.Or(strings.Join(names, ", "), "(there are none)"), name)
	}
	for _, p := range matches {
		names = append(names, p.name())
	}
	return found{}, fmt.Errorf("%q is in several shadows, want one of %s", name, strings.Join(names, ", "))
}

// completeProperty completes the names of the properties of the running component.
func completeProperty(socket *string, suffix string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		directive := cobra.ShellCompDirectiveNoFileComp
		if suffix != "" {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
		client, err := control.Dial(*socket)
		if err != nil {
			return nil, directive
		}
		defer client.Close()
		status, err := client.Status()
		if err != nil {
			return nil, directive
		}
		var names []cobra.Completion
		for _, p := range properties(status) {
			name := p.name()
			byLabel := strings.HasPrefix(name, typed) && !strings.HasPrefix(p.key, typed)
			if f, err := find(status, p.key); err == nil && f.name() == name && !byLabel {
				name = p.key
			}
			if suffix == "" || p.Output || slices.Contains([]string{"count", "setting", "alarm", "schedule"}, p.Kind) {
				names = append(names, cobra.CompletionWithDesc(name+suffix, strings.TrimSuffix(p.Kind+" of "+p.Line, " of ")))
			}
		}
		return names, directive
	}
}

// plain is a value as people and scripts read it: text without quotes.
func plain(value any) string {
	switch value := value.(type) {
	case nil:
		return "-"
	case string:
		return value
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}

// measured is the value of a property with its unit.
func measured(p engine.PropertyView) string {
	if p.Value == nil || p.Unit == "" {
		return plain(p.Value)
	}
	return plain(p.Value) + " " + p.Unit
}

// answer is an ack in short.
func answer(p engine.PropertyView) string {
	if p.Ack == nil {
		return "-"
	}
	text := fmt.Sprintf("%d@%d", p.Ack.Code, p.Ack.Version)
	if p.Ack.Reason != "" {
		text += " (" + p.Ack.Reason + ")"
	}
	return text
}
