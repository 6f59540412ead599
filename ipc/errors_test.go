package ipc_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/ipctest"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

func TestServiceErrors(t *testing.T) {
	v := golden(t)
	op := model.GetThingShadow
	fail := func(model, contentType, payload string) *eventstream.Message {
		return &eventstream.Message{
			Type: eventstream.ApplicationError, Flags: eventstream.TerminateStream, StreamID: 1,
			ContentType: contentType, ModelType: model, Payload: []byte(payload),
		}
	}
	decode := func(name string) *eventstream.Message {
		m, err := eventstream.NewReader(bytes.NewReader(v[name]), 0).Read()
		if err != nil {
			t.Fatal(err)
		}
		m.StreamID = 1
		return m
	}
	const json, text = eventstream.ContentJSON, eventstream.ContentText
	for _, test := range []struct {
		name string
		m    *eventstream.Message
		want ipc.ServiceError
		says string
	}{
		{"V8 classic", decode("V8"), ipc.ServiceError{Code: model.Conflict, Message: "Version conflict"},
			"GetThingShadow: ConflictError: Version conflict"},
		{"V9 lite", decode("V9"), ipc.ServiceError{Code: model.Unauthorized, Message: "IPC Operation not authorized."},
			"GetThingShadow: UnauthorizedError: IPC Operation not authorized."},
		{"V10 text", decode("V10"), ipc.ServiceError{Code: ipc.CodeUnknown, Message: "InternalServerError"},
			"GetThingShadow: Unknown: InternalServerError"},
		{"unknown operation, classic", fail("", json, `{ "error": "Unsupported Operation", "message": "aws.greengrass#X is an unsupported operation." }`),
			ipc.ServiceError{Code: "Unsupported Operation", Message: "aws.greengrass#X is an unsupported operation."},
			"GetThingShadow: Unsupported Operation: aws.greengrass#X is an unsupported operation."},
		{"unknown operation, lite", fail("aws.greengrass#ServiceError", json, `{"_message":"","_errorCode":"ServiceError"}`),
			ipc.ServiceError{Code: model.ServiceFailure}, "GetThingShadow: ServiceError"},
		{"resource", fail("aws.greengrass#ResourceNotFoundError", json,
			`{"message":"No shadow found","resourceType":"shadow","resourceName":"r","_service":"aws.greengrass#GreengrassCoreIPC","_message":"No shadow found","_errorCode":"ResourceNotFoundError"}`),
			ipc.ServiceError{Code: model.ResourceNotFound, Message: "No shadow found", ResourceType: "shadow", ResourceName: "r"},
			"GetThingShadow: ResourceNotFoundError: No shadow found"},
		{"context", fail("aws.greengrass#ServiceError", json, `{"context":{"reasonCode":135},"_message":"m","_errorCode":"ServiceError"}`),
			ipc.ServiceError{Code: model.ServiceFailure, Message: "m", Context: []byte(`{"reasonCode":135}`)}, "GetThingShadow: ServiceError: m"},
		{"two texts", fail("aws.greengrass#ServiceError", json, `{"_message":"lite","message":"classic","_errorCode":"ServiceError"}`),
			ipc.ServiceError{Code: model.ServiceFailure, Message: "classic"}, "GetThingShadow: ServiceError: classic"},
		{"code from the model type", fail("aws.greengrass#ConflictError", json, `{}`), ipc.ServiceError{Code: model.Conflict}, "GetThingShadow: ConflictError"},
		{"code with namespace", fail("", json, `{"_errorCode":"aws#AccessDenied"}`), ipc.ServiceError{Code: "AccessDenied"}, "GetThingShadow: AccessDenied"},
		{"members of wrong types", fail("aws.greengrass#ServiceError", json, `{"message":1,"_message":"m","_errorCode":null}`),
			ipc.ServiceError{Code: model.ServiceFailure, Message: "m"}, "GetThingShadow: ServiceError: m"},
		{"an array", fail("aws.greengrass#ServiceError", json, `[1]`), ipc.ServiceError{Code: model.ServiceFailure, Message: "[1]"}, "GetThingShadow: ServiceError: [1]"},
		{"not JSON, and says so", fail("", text, `{"_errorCode":"X"}`), ipc.ServiceError{Code: ipc.CodeUnknown, Message: `{"_errorCode":"X"}`}, `GetThingShadow: Unknown: {"_errorCode":"X"}`},
		{"not JSON", fail("", json, `oops;`), ipc.ServiceError{Code: ipc.CodeUnknown, Message: "oops;"}, "GetThingShadow: Unknown: oops;"},
		{"content type in other form", fail("", "Application/JSON; charset=utf-8", `{"_errorCode":"X"}`), ipc.ServiceError{Code: "X"}, "GetThingShadow: X"},
		{"empty", fail("", "", ``), ipc.ServiceError{Code: ipc.CodeUnknown}, "GetThingShadow: Unknown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			converse(t, ipctest.Classic, func(p *ipctest.Peer) {
				p.Expect(op)
				p.Send(test.m)
				hangUntilClosed(p)
			}, func(t *testing.T, conn *ipc.Conn) {
				_, err := conn.GetThingShadow(t.Context(), getShadow)
				var got *ipc.ServiceError
				if !errors.As(err, &got) {
					t.Fatalf("got %v, want a service error", err)
				}
				test.want.Op = op.Name
				if fmt.Sprintf("%+v", *got) != fmt.Sprintf("%+v", test.want) || err.Error() != test.says {
					t.Errorf("got %+v %q, want %+v %q", *got, err, test.want, test.says)
				}
				if errors.Is(err, ipc.ErrNotSent) || errors.Is(err, ipc.ErrOutcomeUnknown) {
					t.Errorf("a refusal counts as %v", err)
				}
			})
		})
	}
}

// TestErrorWithoutTerminate: the stream is over by an error, and the client says
// so when the peer did not.
func TestErrorWithoutTerminate(t *testing.T) {
	conversation(t, func(p *ipctest.Peer) {
		r := p.Expect(model.GetThingShadow)
		m := ipctest.Failure(r.ID, model.ServiceFailure, "")
		m.Flags = 0
		p.Send(m)
		p.ExpectTerminate(r.ID)
		hangUntilClosed(p)
	}, func(t *testing.T, conn *ipc.Conn) {
		var refused *ipc.ServiceError
		if _, err := conn.GetThingShadow(t.Context(), getShadow); !errors.As(err, &refused) {
			t.Errorf("got %v, want a service error", err)
		}
		synctest.Wait()
	})
}

func isA[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// TestModelledErrors: every error of the service model, in both forms, is the
// value of package model and no other.
func TestModelledErrors(t *testing.T) {
	all := []model.ErrorCode{
		model.Unauthorized, model.ServiceFailure, model.ResourceNotFound, model.InvalidArguments, model.Conflict, model.ComponentNotFound,
		model.FailedUpdateConditionCheck, model.InvalidArtifactsDirectoryPath, model.InvalidClientDeviceAuthToken,
		model.InvalidCredential, model.InvalidRecipeDirectoryPath, model.InvalidToken,
	}
	conversation(t, func(p *ipctest.Peer) {
		for _, code := range all {
			p.Send(ipctest.Failure(p.Request().ID, code, "m"))
		}
		hangUntilClosed(p)
	}, func(t *testing.T, conn *ipc.Conn) {
		for _, code := range all {
			_, err := conn.GetThingShadow(t.Context(), getShadow)
			for _, other := range all {
				if got, want := errors.Is(err, other), other == code; got != want {
					t.Errorf("%v is %v: %v, want %v", err, other, got, want)
				}
			}
		}
	})
}

// TestNoSuchOperation: each nucleus has its own way to say so, which for lite is
// the same as for a request that it cannot read.
func TestNoSuchOperation(t *testing.T) {
	conversation(t, func(p *ipctest.Peer) {
		p.Unsupported(p.Request())
		p.Unreadable(p.Request())
		hangUntilClosed(p)
	}, func(t *testing.T, conn *ipc.Conn) {
		for _, wantUnsupported := range []bool{true, strings.HasSuffix(t.Name(), ipctest.Lite.String())} {
			_, err := conn.GetThingShadow(t.Context(), getShadow)
			if !isA[*ipc.ServiceError](err) || errors.Is(err, ipc.ErrUnsupported) != wantUnsupported {
				t.Errorf("got %v, want a refusal that is unsupported: %v", err, wantUnsupported)
			}
		}
	})
}

func TestUnsupported(t *testing.T) {
	status, topic := model.SubscribeToIoTCoreConnectionStatus.Name, model.SubscribeToTopic.Name
	for _, test := range []struct {
		err  ipc.ServiceError
		want bool
	}{
		{ipc.ServiceError{Op: status, Code: "Unsupported Operation", Message: "m"}, true},
		{ipc.ServiceError{Op: status, Code: model.ServiceFailure}, true},
		{ipc.ServiceError{Op: model.GetSecretValue.Name, Code: model.ServiceFailure, Message: "The operation aws.greengrass#GetSecretValue is not supported by Greengrass"}, true},
		{ipc.ServiceError{Op: status, Code: model.ServiceFailure, Message: "broken"}, false},
		{ipc.ServiceError{Op: topic, Code: model.ServiceFailure}, false},
		{ipc.ServiceError{Op: status, Code: model.Unauthorized}, false},
	} {
		if got := errors.Is(&test.err, ipc.ErrUnsupported); got != test.want {
			t.Errorf("%v: unsupported %v, want %v", &test.err, got, test.want)
		}
	}
	if errors.Is(&ipc.ServiceError{Code: "Unsupported Operation"}, ipc.ErrClosed) {
		t.Error("a ServiceError is ErrClosed")
	}
}
