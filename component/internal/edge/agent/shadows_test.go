package agent

import (
	"errors"
	"fmt"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

func TestOutcome(t *testing.T) {
	service := func(code model.ErrorCode, message string) error {
		return fmt.Errorf("wrapped: %w", &ipc.ServiceError{Code: code, Message: message})
	}
	for _, c := range []struct {
		err  error
		want engine.Outcome
	}{
		{nil, engine.OK},
		{fmt.Errorf("call: %w", ipc.ErrNotSent), engine.NotSent},
		{fmt.Errorf("call: %w", ipc.ErrOutcomeUnknown), engine.Unknown},
		{errors.New("a reply that is no JSON"), engine.Unknown},
		{service(model.ResourceNotFound, "No shadow found"), engine.Missing},
		{service(model.Unauthorized, ""), engine.Unauthorized},
		{service(model.InvalidArguments, "Invalid JSON: state: is missing but it is required"), engine.Invalid},
		{service(model.InvalidArguments, "The payload exceeds the maximum size allowed"), engine.TooLarge},
		{service(model.InvalidArguments, "Invalid version"), engine.Conflict},
		{service(model.ServiceFailure, "Too Many Requests"), engine.Throttled},
		{service(model.ServiceFailure, "Database pool not initialized."), engine.Unknown},
		{service(model.ServiceFailure, ""), engine.Unknown},
		{service(model.Conflict, "Version conflict"), engine.Conflict},
		{service("SomethingNew", ""), engine.Unknown},
	} {
		if got := outcome(c.err); got != c.want {
			t.Errorf("%v: got %d, want %d", c.err, got, c.want)
		}
	}
}
