// Package deployed follows the configuration that deployments give the component:
// it reads it from the nucleus, reads it again when it changes, answers the
// nucleus's question whether a new one is good, and keeps the last good one on
// disk, so that lines work before there is a nucleus.
package deployed

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"reflect"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/durable"
	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// retryPause is the pause after a configuration could not be read.
const retryPause = time.Second

// Update is a configuration that takes the place of the one before, or the reason
// why one does not.
type Update struct {
	Config *config.Config // nil when Err is not
	Err    error          // of config.Parse; the configuration before stays in force
}

// Source is where configurations come from.
type Source struct {
	Session   *ipc.Session
	ThingName string
	File      string // keeps the last good configuration
	Logger    *slog.Logger

	present *config.Config
	refused string // the text of the last refusal, to tell each once
}

// Follow sends the last good configuration of an earlier run, if there is one, and
// then each that differs from the one before. It returns when ctx is done.
func (s *Source) Follow(ctx context.Context, updates chan<- Update) {
	if text, err := os.ReadFile(s.File); err == nil {
		s.start(ctx, text, updates)
	} else if !errors.Is(err, fs.ErrNotExist) {
		s.Logger.Warn("last good configuration not read", "error", err)
	}
	changes := s.Session.ConfigurationUpdates(model.SubscribeToConfigurationUpdateRequest{})
	questions := s.Session.ConfigurationValidations()
	defer changes.Close()
	defer questions.Close()
	for {
		status, connection := s.Session.Watch()
		var again <-chan time.Time
		if status.State == ipc.Connected && !s.read(ctx, updates) {
			again = time.After(retryPause)
		}
		if !s.wait(ctx, connection, again, changes, questions) {
			return
		}
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
		case <-connection:
			return true
		case <-again:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// start takes the last good configuration of an earlier run.
func (s *Source) start(ctx context.Context, text []byte, updates chan<- Update) {
	cfg, err := config.Parse(text, s.ThingName)
	if err != nil {
		s.Logger.Warn("last good configuration is none for this version", "file", s.File, "error", err)
		return
	}
	s.present = cfg
	send(ctx, updates, Update{Config: cfg})
}

// read reads the configuration. It is false if that has to be tried again.
func (s *Source) read(ctx context.Context, updates chan<- Update) bool {
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
			send(ctx, updates, Update{Err: err})
		}
	case s.present != nil && reflect.DeepEqual(cfg, s.present):
		if s.refused != "" {
			s.refused = ""
			send(ctx, updates, Update{Config: cfg}) // it is the right one after all
		}
	default:
		s.present, s.refused = cfg, ""
		if err := durable.Write(s.File, response.Value); err != nil {
			s.Logger.Warn("configuration not kept for the next start", "error", err)
		}
		send(ctx, updates, Update{Config: cfg})
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

func send(ctx context.Context, updates chan<- Update, u Update) {
	select {
	case updates <- u:
	case <-ctx.Done():
	}
}
