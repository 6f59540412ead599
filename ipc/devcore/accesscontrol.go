package devcore

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
)

// accessControl has the policies of all components. They are read when the
// configuration of a component changes, and take effect at once
// (aws-greengrass/aws-greengrass-nucleus authorization/AuthorizationHandler.java).
type accessControl struct {
	log         *slog.Logger
	interpolate func(resource string) string
	lenient     bool // allows everything to components without policies

	mu     sync.RWMutex
	byName map[string]permissions // by component; of those that have the key
}

// permissions are the resources that a component may use, by service and operation.
type permissions map[string]map[string][]pattern

// policy is one entry of a component's accessControl for one service.
type policy struct{ operations, resources []string }

// known are the operations of the services that have policies.
var known = map[string][]string{
	serviceShadows:   {"GetThingShadow", "UpdateThingShadow", "DeleteThingShadow", "ListNamedShadowsForThing"},
	servicePubSub:    {"PublishToTopic", "SubscribeToTopic"},
	serviceMQTTProxy: {"PublishToIoTCore", "SubscribeToIoTCore"},
	serviceLifecycle: {"PauseComponent", "ResumeComponent"},
	serviceMetrics:   {"PutComponentMetric"},
	serviceCLI: {"GetComponentDetails", "ListComponents", "RestartComponent", "StopComponent", "CreateLocalDeployment",
		"GetLocalDeploymentStatus", "ListLocalDeployments", "CreateDebugPassword"},
	"aws.greengrass.SecretManager": {"GetSecretValue"},
	"aws.greengrass.clientdevices.Auth": {"SubscribeToCertificateUpdates", "VerifyClientDeviceIdentity",
		"GetClientDeviceAuthToken", "AuthorizeClientDeviceAction"},
}

// set reads the key accessControl of a component; ok says whether it is there. One
// mistake in it disables all of it.
func (a *accessControl) set(component string, value any, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !ok {
		delete(a.byName, component)
		return
	}
	log := a.log.With("component", component)
	services, err := parseAccessControl(value)
	if err != nil {
		log.Error("accessControl is wrong: ALL policies of the component are ignored", "err", err)
	}
	p := permissions{}
	for _, service := range slices.Sorted(maps.Keys(services)) {
		p[service] = a.compile(log.With("service", service), service, services[service])
	}
	a.byName[component] = p
}

// compile makes the patterns of a service. What is wrong is logged and left out.
func (a *accessControl) compile(log *slog.Logger, service string, byID map[string]policy) map[string][]pattern {
	operations, ok := known[service]
	if !ok {
		log.Error("accessControl names an unknown service; its policies are ignored")
		return nil
	}
	result := map[string][]pattern{}
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		p, log := byID[id], log.With("policy", id)
		switch {
		case id == "":
			log.Error("policy without a name: all policies of the service are ignored")
			return nil
		case len(p.operations) == 0:
			log.Error("policy without operations is ignored")
			continue
		}
		var patterns []pattern
		for _, resource := range p.resources {
			compiled, err := parsePattern(a.interpolate(resource))
			if err != nil {
				log.Error("resource of a policy is ignored", "err", err)
				continue
			}
			patterns = append(patterns, compiled)
		}
		for _, operation := range p.operations {
			if name := strings.TrimPrefix(operation, operationPrefix); operation != "*" && (name == operation || !slices.Contains(operations, name)) {
				log.Error("policy names an operation that the service does not have", "operation", operation)
			}
			result[operation] = append(result[operation], patterns...)
		}
	}
	return result
}

// operationPrefix is what operations begin with in policies.
const operationPrefix = "aws.greengrass#"

// allowed says whether a component may run an operation on a resource. MQTT
// wildcards count only in policies of the MQTT proxy.
func (a *accessControl) allowed(component, service, operation, resource string) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	p, ok := a.byName[component]
	if !ok {
		return a.lenient
	}
	if resource == "" {
		return false
	}
	matches := func(r pattern) bool { return r.matches(resource, service == serviceMQTTProxy) }
	return slices.ContainsFunc(p[service][operation], matches) || slices.ContainsFunc(p[service]["*"], matches)
}

// parseAccessControl reads the object, or the JSON text of it, by service and name
// of the policy (authorization/AuthorizationPolicyParser.java).
func parseAccessControl(value any) (map[string]map[string]policy, error) {
	if text, ok := value.(string); ok {
		tree, err := decodeTree([]byte(text))
		if err != nil {
			return nil, err
		}
		value = tree
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var services map[string]map[string]map[string]any
	if err := json.Unmarshal(text, &services); err != nil {
		return nil, err
	}
	result := map[string]map[string]policy{}
	for service, byID := range services {
		result[service] = map[string]policy{}
		for id, members := range byID {
			if result[service][id], err = parsePolicy(members); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", service, id, err)
			}
		}
	}
	return result, nil
}

func parsePolicy(members map[string]any) (p policy, err error) {
	for name, value := range members {
		switch strings.ToLower(name) {
		case "operations":
			p.operations, err = texts(value)
		case "resources":
			p.resources, err = texts(value)
		case "policydescription":
			if value == nil {
				err = errors.New("policyDescription is null")
			}
		default:
			err = fmt.Errorf("unknown property %q", name)
		}
		if err != nil {
			return p, err
		}
	}
	return p, nil
}

func texts(value any) ([]string, error) {
	list, ok := value.([]any)
	if !ok {
		return nil, fmt.Errorf("want a list, got %v", value)
	}
	var result []string
	for _, v := range list {
		text, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("want a text, got %v", v)
		}
		result = append(result, text)
	}
	return result, nil
}
