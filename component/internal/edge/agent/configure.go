package agent

import (
	"errors"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/deployed"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
)

// configure puts another configuration in force. Only what is different is
// touched.
func (a *agent) configure(u deployed.Update) {
	a.ConfigFile = u.File
	a.step(engine.DiskFault{What: configurationFault, Err: u.File})
	if u.Config == nil && u.Err == nil {
		return
	}
	if u.Err != nil {
		a.Logger.Error("configuration refused; the one before stays in force", "error", u.Err)
		a.step(engine.Refused{Reason: "configuration refused: " + firstFault(u.Err)})
		return
	}
	a.Logger.Info("configuration changes", "lines", len(u.Config.Lines), "shadows", len(u.Config.Shadows))
	a.Level.Set(u.Config.LogLevel)
	a.Config = u.Config
	if a.holder != nil {
		a.holder.Want(wanted(u.Config))
	}
	a.step(engine.Configure{Config: u.Config})
	a.refollow()
	a.sample(u.Config.Shadows)
}

// firstFault is enough for a shadow; the log has all.
func firstFault(err error) string {
	if fault, ok := errors.AsType[*config.FieldError](err); ok {
		return fault.Error()
	}
	return err.Error()
}

// wanted are the claims that a configuration has a use for.
func wanted(cfg *config.Config) func(string) bool {
	claims := lines.Claims(engine.Setup(cfg))
	return func(claim string) bool { return claims[claim] != "" }
}
