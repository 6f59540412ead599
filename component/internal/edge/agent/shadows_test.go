package agent

import (
	"errors"
	"fmt"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

func TestOutcome(t *testing.T) {
	service := func(code model.ErrorCode, message string) error {
		return fmt.Errorf("wrapped: %w", &ipc.ServiceError{Code: code, Message: message})
	}
	for _, c := range []struct {
		err  error
		want replica.Outcome
	}{
		{nil, replica.OK},
		{fmt.Errorf("call: %w", ipc.ErrNotSent), replica.NotSent},
		{fmt.Errorf("call: %w", ipc.ErrOutcomeUnknown), replica.Unknown},
		{errors.New("a reply that is no JSON"), replica.Unknown},
		{service(model.ResourceNotFound, "No shadow found"), replica.Missing},
		{service(model.Unauthorized, ""), replica.Unauthorized},
		{service(model.InvalidArguments, "Invalid JSON: state: is missing but it is required"), replica.Invalid},
		{service(model.InvalidArguments, "The payload exceeds the maximum size allowed"), replica.TooLarge},
		{service(model.InvalidArguments, "Invalid version"), replica.Conflict},
		{service(model.ServiceFailure, "Too Many Requests"), replica.Throttled},
		{service(model.ServiceFailure, "Database pool not initialized."), replica.Unknown},
		{service(model.ServiceFailure, ""), replica.Unknown},
		{service(model.Conflict, "Version conflict"), replica.Conflict},
		{service("SomethingNew", ""), replica.Unknown},
	} {
		if got := outcome(c.err); got != c.want {
			t.Errorf("%v: got %d, want %d", c.err, got, c.want)
		}
	}
}
