package ctl

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/pki"
	"github.com/shadowgpio/shadowgpio/ipc"
)

// place is the directory of one development core: its sockets, its state, and
// the file that tells other commands how to reach it.
type place struct{ dir string }

func (p place) socket() string  { return filepath.Join(p.dir, "ipc.socket") }
func (p place) chips() string   { return filepath.Join(p.dir, "chips.socket") }
func (p place) control() string { return filepath.Join(p.dir, "control.socket") }
func (p place) core() string    { return filepath.Join(p.dir, "core") }
func (p place) cloud() string   { return filepath.Join(p.dir, "cloud") }
func (p place) work() string    { return filepath.Join(p.dir, "work") }
func (p place) config() string  { return filepath.Join(p.dir, "config.yaml") }
func (p place) contact() string { return filepath.Join(p.dir, "contact.json") }
func (p place) lock() string    { return filepath.Join(p.dir, "lock") }

// authority is that of the development cloud, which need not run.
func (p place) authority() (*pki.Authority, error) {
	return pki.Open(filepath.Join(p.cloud(), cloud.CertificatesDir))
}

// contact tells how a running development core is reached.
type contact struct {
	Socket    string `json:"socket"`
	Token     string `json:"token"` // of shadowctl itself
	ThingName string `json:"thingName"`
	Chips     string `json:"chips"`             // socket of the simulated chip; "" with a real one
	Sensors   string `json:"sensors,omitempty"` // directory that readings are of; "" is this machine
	PID       int    `json:"pid"`

	Cloud cloudContact `json:"cloud"`
}

// write leaves the contact for other commands of this user.
func (p place) write(c contact) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(p.contact(), append(text, '\n'), 0o600)
}

// errNotRunning is the end of the error where no development core runs.
var errNotRunning = errors.New("start one with shadowctl dev")

// read finds the running development core.
func (p place) read() (contact, error) {
	var c contact
	text, err := os.ReadFile(p.contact())
	none := fmt.Errorf("no development core runs in %s; %w", p.dir, errNotRunning)
	if errors.Is(err, fs.ErrNotExist) {
		return c, none
	}
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("%s: %w", p.contact(), err)
	}
	if errors.Is(syscall.Kill(c.PID, 0), syscall.ESRCH) {
		return c, none // it was killed
	}
	return c, nil
}

// ipc is the client's configuration for that core.
func (c contact) ipc() ipc.Config {
	return ipc.Config{Socket: c.Socket, Token: ipc.Token(c.Token)}
}
