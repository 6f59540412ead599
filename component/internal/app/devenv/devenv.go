// Package devenv finds the development environment that shadowctl dev runs on this
// machine: the directory with its sockets and state, and the contact file that tells
// other commands how to reach its cloud and its core device.
package devenv

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"

	"github.com/shadowgpio/shadowgpio/ipc"
)

// Dir is the directory of one development environment.
type Dir string

// DirVariable is the environment variable that names another directory than the default.
const DirVariable = "SHADOWGPIO_DEV_DIR"

// DefaultDir is the directory of this user's development environment.
func DefaultDir(getenv func(string) string) Dir {
	if dir := getenv(DirVariable); dir != "" {
		return Dir(dir)
	}
	base := getenv("XDG_STATE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			home = os.TempDir()
		}
		base = filepath.Join(home, ".local", "state")
	}
	return Dir(filepath.Join(base, "shadowgpio", "dev"))
}

func (d Dir) in(name string) string { return filepath.Join(string(d), name) }

// Socket is the IPC socket of the core device.
func (d Dir) Socket() string { return d.in("ipc.socket") }

// Chips is the socket of the simulated chip.
func (d Dir) Chips() string { return d.in("chips.socket") }

// Control is the socket on which shadowctl's commands reach the environment.
func (d Dir) Control() string { return d.in("control.socket") }

// Core is the directory of the core device's state.
func (d Dir) Core() string { return d.in("core") }

// Cloud is the directory of the cloud's state.
func (d Dir) Cloud() string { return d.in("cloud") }

// Work is the component's work directory.
func (d Dir) Work() string { return d.in("work") }

// Config is the file with the component's configuration.
func (d Dir) Config() string { return d.in("config.yaml") }

// Lock is the file that the running environment holds locked.
func (d Dir) Lock() string { return d.in("lock") }

// ContactFile is the file with the [Contact] of the running environment.
func (d Dir) ContactFile() string { return d.in("contact.json") }

// ComponentName is how shadowctl's own commands appear to the core device.
const ComponentName = "shadowctl"

// Contact tells how a running development environment is reached.
type Contact struct {
	Socket    string `json:"socket"` // IPC of the core device
	Token     string `json:"token"`  // shadowctl's own, for that socket
	ThingName string `json:"thingName"`
	Chips     string `json:"chips"`             // socket of the simulated chip; "" with a real chip
	Sensors   string `json:"sensors,omitempty"` // directory that readings are taken from; "" is this machine
	PID       int    `json:"pid"`

	Cloud Cloud `json:"cloud"`
}

// Cloud tells how the cloud of a development environment is reached.
type Cloud struct {
	MQTT  string `json:"mqtt"`  // host:port, TLS with client certificates
	HTTPS string `json:"https"` // host:port of the data plane, and of MQTT over WebSocket
	HTTP  string `json:"http"`  // host:port of the same without TLS
	CA    string `json:"ca"`    // file of the certificate that clients trust

	Region          string `json:"region"`
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
}

// IPC is the client's configuration for the core device.
func (c Contact) IPC() ipc.Config {
	return ipc.Config{Socket: c.Socket, Token: ipc.Token(c.Token)}
}

// Write leaves the contact for other commands of this user.
func (d Dir) Write(c Contact) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(d.ContactFile(), append(text, '\n'), 0o600)
}

// ErrNotRunning is the end of the error where no development environment runs.
var ErrNotRunning = errors.New("start one with shadowctl dev")

// Contact finds the running development environment.
func (d Dir) Contact() (Contact, error) {
	var c Contact
	text, err := os.ReadFile(d.ContactFile())
	none := fmt.Errorf("no development core runs in %s; %w", d, ErrNotRunning)
	if errors.Is(err, fs.ErrNotExist) {
		return c, none
	}
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("%s: %w", d.ContactFile(), err)
	}
	if errors.Is(syscall.Kill(c.PID, 0), syscall.ESRCH) {
		return c, none // it was killed
	}
	return c, nil
}
