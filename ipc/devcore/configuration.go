package devcore

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// configurations holds the configuration of each component. What is in the map
// is never changed, only replaced.
type configurations struct {
	dir     string // "" stores nothing
	log     *slog.Logger
	changed func(component string, accessControl any, ok bool) // called with mu held

	mu       sync.Mutex
	byName   map[string]map[string]any
	defaults map[string]map[string]any // what the embedder set
	base     map[string]time.Time      // when it did
	set      map[string][]leaf         // what was set over IPC and by deployments since
	watches  []*configurationWatch
}

func (c *configurations) get(component string) (map[string]any, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	value, ok := c.byName[component]
	return value, ok
}

// SetConfiguration sets the configuration of a component: a map, JSON text as a
// [json.RawMessage] or []byte, or anything else that is an object in JSON. It
// replaces the one that was set before. Only the first call for a component in the
// life of a core keeps what that component and deployments changed in an earlier run.
func (c *Core) SetConfiguration(component string, value any) error {
	text, ok := value.([]byte)
	if !ok {
		var err error
		if text, err = json.Marshal(value); err != nil {
			return fmt.Errorf("configuration of %s: %w", component, err)
		}
	}
	tree, err := decodeObject(text)
	if err != nil {
		return fmt.Errorf("configuration of %s: %w", component, err)
	}
	if err := c.config.setBase(component, tree); err != nil {
		return fmt.Errorf("configuration of %s: %w", component, err)
	}
	return nil
}

// Configuration returns the configuration of a component that is in force, as a JSON
// object: what [Core.SetConfiguration] set, with the changes of deployments and of the
// component since. It returns nil for a component without a configuration.
func (c *Core) Configuration(component string) json.RawMessage {
	tree, ok := c.config.get(component)
	if !ok {
		return nil
	}
	text, err := json.Marshal(tree)
	if err != nil {
		panic("devcore: configuration of " + component + " cannot be encoded: " + err.Error()) // it was decoded from JSON
	}
	return text
}

// LoadConfiguration sets the configuration of a component from a file: JSON if
// its name ends in ".json", YAML otherwise.
func (c *Core) LoadConfiguration(component, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("configuration of %s: %w", component, err)
	}
	if filepath.Ext(file) == ".json" {
		return c.SetConfiguration(component, text)
	}
	tree := map[string]any{}
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return fmt.Errorf("configuration of %s: %s: %w", component, file, err)
	}
	return c.SetConfiguration(component, tree)
}

func (c *Core) registerConfiguration(s *server.Server) {
	server.Handle(s, model.GetConfiguration, c.getConfiguration)
	server.Handle(s, model.UpdateConfiguration, c.updateConfiguration)
	server.HandleStream(s, model.SubscribeToConfigurationUpdate, c.subscribeToConfigurationUpdate)
}

func (c *Core) getConfiguration(call *server.Call, req *model.GetConfigurationRequest) (model.GetConfigurationResponse, error) {
	component := req.ComponentName
	if component == "" {
		component = call.Component
	}
	response := model.GetConfigurationResponse{ComponentName: component}
	value, err := c.configurationAt(component, req.KeyPath)
	if err != nil {
		return response, err
	}
	response.Value, err = server.Marshal(value)
	return response, err
}

func (c *Core) configurationAt(component string, path []string) (any, error) {
	notFound := &server.Error{Code: model.ResourceNotFound, Message: "Key not found"}
	tree, ok := c.config.get(component)
	if !ok {
		if len(path) == 0 && c.tokens.known(component) {
			return map[string]any{}, nil
		}
		return nil, notFound
	}
	for i, key := range path {
		name, value, ok := lookUp(tree, key)
		if !ok {
			return nil, notFound
		}
		inner, isMap := value.(map[string]any)
		switch {
		case isMap:
			tree = inner
		case i == len(path)-1:
			return map[string]any{name: value}, nil
		default:
			return nil, notFound
		}
	}
	return visible(tree), nil
}

// lookUp finds a key ignoring case, but prefers the one that is spelled the same.
func lookUp(tree map[string]any, key string) (name string, value any, ok bool) {
	if value, ok := tree[key]; ok {
		return key, value, true
	}
	for name, value := range tree {
		if strings.EqualFold(name, key) {
			return name, value, true
		}
	}
	return "", nil, false
}

// visible leaves out the keys that begin with an underscore.
func visible(tree map[string]any) map[string]any {
	result := make(map[string]any, len(tree))
	for key, value := range tree {
		if strings.HasPrefix(key, "_") {
			continue
		}
		if inner, ok := value.(map[string]any); ok {
			value = visible(inner)
		}
		result[key] = value
	}
	return result
}
