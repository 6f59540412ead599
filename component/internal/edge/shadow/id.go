// Package shadow holds what the component knows of device shadows: documents,
// deltas, the comparison of values, the version gate and the update document.
// All of it is pure: no goroutines, no I/O, no clock.
package shadow

import "github.com/shadowgpio/shadowgpio/ipc/model"

// ID names a shadow.
type ID struct {
	Thing string
	Name  string // "" is the classic shadow
}

func (id ID) String() string {
	if id.Name == "" {
		return id.Thing + " (classic)"
	}
	return id.Thing + "/" + id.Name
}

// Topic returns the shadow's topic with that suffix, such as "/update/delta".
func (id ID) Topic(suffix string) string {
	return model.ShadowTopic(id.Thing, id.Name) + suffix
}
