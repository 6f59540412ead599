package environment

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/shadowgpio/shadowgpio/component/internal/app/devenv"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/board"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
)

// ReadConfig reads the component's configuration in an environment's directory.
func ReadConfig(dir devenv.Dir, thing string) (*config.Config, error) {
	_, cfg, err := readConfig(dir.Config(), thing)
	return cfg, err
}

func readConfig(file, thing string) (text []byte, cfg *config.Config, err error) {
	if text, err = os.ReadFile(file); err != nil {
		return nil, nil, err
	}
	if cfg, err = config.Parse(text, thing); err != nil {
		return nil, nil, fmt.Errorf("%s:\n%w", file, err)
	}
	return text, cfg, nil
}

// configure puts the configuration in place, and checks it: the file of the options,
// that in the directory, or the ready-made one.
func (e *Environment) configure() error {
	ready := board.Config
	if e.Chip != "" {
		ready = board.WiredConfig(e.Chip, e.Lamp, e.Door)
		os.Remove(e.Dir.Config()) // that of another chip
	}
	if e.ConfigFile != "" {
		text, _, err := readConfig(e.ConfigFile, e.Thing)
		if err != nil {
			return err
		}
		return os.WriteFile(e.Dir.Config(), text, 0o600)
	}
	if err := create(e.Dir.Config(), ready); err != nil {
		return err
	}
	_, err := ReadConfig(e.Dir, e.Thing)
	return err
}

// create writes a file unless there is one.
func create(name string, text []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
