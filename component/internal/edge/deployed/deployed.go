// Package deployed follows the configuration that deployments give the component:
// it reads it from the nucleus, reads it again when it changes, answers the
// nucleus's question whether a new one is good, and keeps the last good one on
// disk, so that lines work before there is a nucleus.
package deployed

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// retryPause is the pause after a configuration could not be read.
const retryPause = time.Second

// Update is a configuration that takes the place of the one before, or the reason
// why one does not, or neither: then only File has changed.
type Update struct {
	Config *config.Config // the new one, or nil
	Err    error          // of config.Parse; the configuration before stays in force
	File   error          // why the last good configuration is not kept for the next start; nil if it is
}

// Source is where configurations come from.
type Source struct {
	Session   *ipc.Session
	ThingName string
	File      string // keeps the last good configuration
	Logger    *slog.Logger

	updates chan<- Update
	present *config.Config
	refused string // the text of the last refusal, to tell each once
	keeper  *keeper
	file    error // what is wrong with File
}

// Follow sends the last good configuration of an earlier run, if there is one, and
// then each that differs from the one before. It returns when ctx is done.
func (s *Source) Follow(ctx context.Context, updates chan<- Update) {
	s.updates, s.keeper = updates, newKeeper(s.File, s.Logger)
	keeping := make(chan struct{})
	go func() { s.keeper.run(ctx); close(keeping) }()
	defer func() {
		select {
		case <-keeping:
		case <-time.After(endPatience):
		}
	}()
	s.start(ctx)
	changes := s.Session.ConfigurationUpdates(model.SubscribeToConfigurationUpdateRequest{})
	questions := s.Session.ConfigurationValidations()
	defer changes.Close()
	defer questions.Close()
	for {
		status, connection := s.Session.Watch()
		var again <-chan time.Time
		if status.State == ipc.Connected && !s.read(ctx) {
			again = time.After(retryPause)
		}
		if !s.wait(ctx, connection, again, changes, questions) {
			return
		}
	}
}

// start takes the last good configuration of an earlier run. It does not wait for a
// disk that fails or hangs: the nucleus may have the configuration.
func (s *Source) start(ctx context.Context) {
	late := time.NewTimer(diskWait)
	defer late.Stop()
	select {
	case text := <-s.keeper.found:
		s.take(ctx, text)
	case s.file = <-s.keeper.faults:
		s.send(ctx, Update{})
	case <-late.C:
	case <-ctx.Done():
	}
}

// wait answers questions until there may be something new to read. It is false at
// the end of ctx.
func (s *Source) wait(ctx context.Context, connection <-chan struct{}, again <-chan time.Time, changes, questions *ipc.Subscription) bool {
	for {
		select {
		case u := <-questions.Updates():
			if e, ok := u.(ipc.Event[model.ValidateConfigurationUpdateEvents]); ok && e.Value.ValidateConfigurationUpdateEvent != nil {
				s.answer(ctx, *e.Value.ValidateConfigurationUpdateEvent)
			}
		case u := <-changes.Updates():
			if lost, ok := u.(ipc.Lost); ok {
				s.Logger.Debug("changes of configuration are not followed", "error", lost.Err)
				continue
			}
			return true
		case text := <-s.keeper.found:
			if s.present == nil {
				s.take(ctx, text)
			}
		case s.file = <-s.keeper.faults:
			s.send(ctx, Update{})
		case <-connection:
			return true
		case <-again:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// take puts the text of the file in force, if it is a configuration.
func (s *Source) take(ctx context.Context, text []byte) {
	if text == nil {
		return
	}
	cfg, err := config.Parse(text, s.ThingName)
	if err != nil {
		s.Logger.Warn("last good configuration is none for this version", "file", s.File, "error", err)
		return
	}
	s.present = cfg
	s.send(ctx, Update{Config: cfg})
}

// read reads the configuration. It is false if that has to be tried again.
func (s *Source) read(ctx context.Context) bool {
	response, err := s.Session.GetConfiguration(ctx, model.GetConfigurationRequest{})
	if err != nil {
		if ctx.Err() == nil {
			s.Logger.Warn("configuration not read; retrying", "error", err)
		}
		return false
	}
	cfg, err := config.Parse(response.Value, s.ThingName)
	switch {
	case err != nil:
		if err.Error() != s.refused {
			s.refused = err.Error()
			s.send(ctx, Update{Err: err})
		}
	case s.present != nil && reflect.DeepEqual(cfg, s.present):
		if s.refused != "" {
			s.refused = ""
			s.send(ctx, Update{Config: cfg}) // it is the right one after all
		}
	default:
		s.present, s.refused = cfg, ""
		s.keeper.keep(ctx, response.Value)
		s.send(ctx, Update{Config: cfg})
	}
	return true
}

// answer tells the nucleus whether a configuration is good; if not, the deployment
// fails.
func (s *Source) answer(ctx context.Context, question model.ValidateConfigurationUpdateEvent) {
	report := model.ConfigurationValidityReport{Status: model.ConfigurationAccepted, DeploymentID: question.DeploymentID}
	if _, err := config.Parse(question.Configuration, s.ThingName); err != nil {
		report.Status, report.Message = model.ConfigurationRejected, fmt.Sprintf("configuration refused: %v", err)
		s.Logger.Error("deployment refused", "deployment", question.DeploymentID, "fault", err)
	}
	_, err := s.Session.SendConfigurationValidityReport(ctx, model.SendConfigurationValidityReportRequest{ConfigurationValidityReport: report})
	if err != nil {
		s.Logger.Warn("nucleus not told whether a configuration is good", "error", err)
	}
}

func (s *Source) send(ctx context.Context, u Update) {
	u.File = s.file
	select {
	case s.updates <- u:
	case <-ctx.Done():
	}
}
