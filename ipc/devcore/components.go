package devcore

import (
	"slices"
	"strings"

	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// Components are those that the core runs. Its methods may be called from any
// goroutine, and must not wait for what they begin.
type Components interface {
	// List has the components, each behind those that it depends on.
	List() []Component

	// Restart begins to restart a component. It says no if the component was never
	// started.
	Restart(name string) bool
	// Stop begins to stop a component.
	Stop(name string)
	// Pause and Resume freeze and thaw the processes of a component.
	Pause(name string) error
	Resume(name string) error
	// Report is what a component says of its own state: RUNNING or ERRORED. It is
	// ignored where it does not fit the state.
	Report(name string, state model.LifecycleState)
}

// Component is a component that the core runs, as it is now.
type Component struct {
	Name, Version string
	State         model.LifecycleState
	Paused        bool
}

// component finds one that the core runs.
func (c *Core) component(name string) (Component, bool) {
	if c.cfg.Components == nil {
		return Component{}, false
	}
	all := c.cfg.Components.List()
	i := slices.IndexFunc(all, func(o Component) bool { return o.Name == name })
	if i < 0 {
		return Component{}, false
	}
	return all[i], true
}

// registerComponents adds the operations on components that the component
// aws.greengrass.Cli brings (aws-greengrass/aws-greengrass-cli
// server/src/main/java/com/aws/greengrass/cli/CLIEventStreamAgent.java).
func (c *Core) registerComponents(s *server.Server) {
	server.Handle(s, model.GetComponentDetails, c.getComponentDetails)
	server.Handle(s, model.ListComponents, c.listComponents)
	server.Handle(s, model.RestartComponent, c.restartComponent)
	server.Handle(s, model.StopComponent, c.stopComponent)
}

// Who calls these operations without a policy: the command line and the component
// that serves it.
const (
	cliClientPrefix = "greengrass-cli#"
	serviceCLI      = "aws.greengrass.Cli"
)

func (c *Core) authorizeCLI(call *server.Call, resource string) *server.Error {
	if strings.HasPrefix(call.Component, cliClientPrefix) || call.Component == serviceCLI {
		return nil
	}
	return c.authorize(call.Component, serviceCLI, call.Operation, resource)
}

// named finds the component that a request is about.
func (c *Core) named(call *server.Call, name string) (Component, error) {
	if name == "" {
		return Component{}, &server.Error{Code: model.InvalidArguments, Message: "Component name cannot be empty"}
	}
	if err := c.authorizeCLI(call, name); err != nil {
		return Component{}, err
	}
	found, ok := c.component(name)
	if !ok {
		return Component{}, &server.Error{Code: model.ResourceNotFound, Message: "Component with name " + name + " not found in Greengrass"}
	}
	return found, nil
}

func (c *Core) details(of Component) (model.ComponentDetails, error) {
	d := model.ComponentDetails{ComponentName: of.Name, Version: of.Version, State: of.State}
	tree, ok := c.config.get(of.Name)
	if !ok {
		return d, nil
	}
	var err error
	d.Configuration, err = server.Marshal(visible(tree))
	return d, err
}

func (c *Core) getComponentDetails(call *server.Call, req *model.GetComponentDetailsRequest) (resp model.GetComponentDetailsResponse, err error) {
	found, err := c.named(call, req.ComponentName)
	if err != nil {
		return resp, err
	}
	resp.ComponentDetails, err = c.details(found)
	return resp, err
}

func (c *Core) listComponents(call *server.Call, _ *model.ListComponentsRequest) (resp model.ListComponentsResponse, err error) {
	if err := c.authorizeCLI(call, "*"); err != nil {
		return resp, err
	}
	resp.Components = []model.ComponentDetails{}
	if c.cfg.Components == nil {
		return resp, nil
	}
	for _, component := range c.cfg.Components.List() {
		d, err := c.details(component)
		if err != nil {
			return resp, err
		}
		resp.Components = append(resp.Components, d)
	}
	return resp, nil
}

// restartComponent answers when the restart has begun, not when it is done.
func (c *Core) restartComponent(call *server.Call, req *model.RestartComponentRequest) (resp model.RestartComponentResponse, err error) {
	found, err := c.named(call, req.ComponentName)
	if err != nil {
		return resp, err
	}
	resp.RestartStatus = model.RequestFailed
	if c.cfg.Components.Restart(found.Name) {
		resp.RestartStatus = model.RequestSucceeded
	}
	return resp, nil
}

func (c *Core) stopComponent(call *server.Call, req *model.StopComponentRequest) (resp model.StopComponentResponse, err error) {
	found, err := c.named(call, req.ComponentName)
	if err != nil {
		return resp, err
	}
	c.cfg.Components.Stop(found.Name)
	resp.StopStatus = model.RequestSucceeded
	return resp, nil
}
