package ipc_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/ipctest"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// wire has for each operation a request, and a response or an event, as they are
// on the wire when every member is set.
var wire = map[string][2]string{
	"AuthorizeClientDeviceAction":             {`{"clientDeviceAuthToken":"t","operation":"mqtt:connect","resource":"mqtt:clientId:a"}`, `{"isAuthorized":true}`},
	"CancelLocalDeployment":                   {`{"deploymentId":"d"}`, `{"message":"m"}`},
	"CreateDebugPassword":                     {`{}`, `{"password":"p","username":"debug","passwordExpiration":1627935591.123,"certificateSHA256Hash":"a","certificateSHA1Hash":"b"}`},
	"CreateLocalDeployment":                   {`{"groupName":"g","rootComponentVersionsToAdd":{"c":"1.0.0"},"rootComponentsToRemove":["o"],"componentToConfiguration":{"c":{"MERGE":{"a":null}}},"componentToRunWithInfo":{"c":{"posixUser":"u:g","windowsUser":"w","systemResourceLimits":{"memory":1024,"cpus":1.5}}},"recipeDirectoryPath":"/r","artifactsDirectoryPath":"/a","failureHandlingPolicy":"DO_NOTHING"}`, `{"deploymentId":"d"}`},
	"DeferComponentUpdate":                    {`{"deploymentId":"d","message":"m","recheckAfterMs":0}`, `{}`},
	"DeleteThingShadow":                       {`{"thingName":"t","shadowName":"s"}`, `{"payload":""}`},
	"GetClientDeviceAuthToken":                {`{"credential":{"mqttCredential":{"clientId":"c","certificatePem":"p","username":"u","password":"w"}}}`, `{"clientDeviceAuthToken":"t"}`},
	"GetComponentDetails":                     {`{"componentName":"c"}`, `{"componentDetails":{"componentName":"c","version":"1.0.0","state":"RUNNING","configuration":{"a":[1,null]}}}`},
	"GetConfiguration":                        {`{"componentName":"c","keyPath":["a.b"]}`, `{"componentName":"c","value":{"a":null}}`},
	"GetLocalDeploymentStatus":                {`{"deploymentId":"d"}`, `{"deployment":{"deploymentId":"d","status":"FAILED","createdOn":"31-12-2023 23:59:59 UTC","deploymentStatusDetails":{"detailedDeploymentStatus":"REJECTED","deploymentErrorStack":["A"],"deploymentErrorTypes":["B"],"deploymentFailureCause":"c"}}}`},
	"GetSecretValue":                          {`{"secretId":"s","versionId":"v","versionStage":"AWSCURRENT","refresh":true}`, `{"secretId":"arn","versionId":"v","versionStage":["AWSCURRENT"],"secretValue":{"secretBinary":"AAE="}}`},
	"GetThingShadow":                          {`{"thingName":"t","shadowName":"s"}`, `{"payload":"e30="}`},
	"ListComponents":                          {`{}`, `{"components":[{"componentName":"c","version":"1.0.0","state":"FINISHED"}]}`},
	"ListLocalDeployments":                    {`{}`, `{"localDeployments":[{"deploymentId":"d","status":"QUEUED"}]}`},
	"ListNamedShadowsForThing":                {`{"thingName":"t","nextToken":"n","pageSize":1}`, `{"results":["a"],"timestamp":1627935591.000,"nextToken":"n"}`},
	"PauseComponent":                          {`{"componentName":"c"}`, `{}`},
	"PublishToIoTCore":                        {`{"topicName":"a/b","qos":"1","payload":"AA==","retain":true,"userProperties":[{"key":"k","value":"v"}],"messageExpiryIntervalSeconds":0,"correlationData":"","responseTopic":"r","payloadFormat":"1","contentType":"text/plain"}`, `{}`},
	"PublishToTopic":                          {`{"topic":"a/b","publishMessage":{"jsonMessage":{"message":{"n":1.0}}}}`, `{}`},
	"PutComponentMetric":                      {`{"metrics":[{"name":"n","unit":"BYTES_PER_SECOND","value":0.5}]}`, `{}`},
	"RestartComponent":                        {`{"componentName":"c"}`, `{"restartStatus":"SUCCEEDED","message":"m"}`},
	"ResumeComponent":                         {`{"componentName":"c"}`, `{}`},
	"SendConfigurationValidityReport":         {`{"configurationValidityReport":{"status":"REJECTED","deploymentId":"d","message":"m"}}`, `{}`},
	"StopComponent":                           {`{"componentName":"c"}`, `{"stopStatus":"FAILED","message":"m"}`},
	"SubscribeToCertificateUpdates":           {`{"certificateOptions":{"certificateType":"SERVER"}}`, `{"certificateUpdate":{"privateKey":"k","publicKey":"p","certificate":"c","caCertificates":["a"]}}`},
	"SubscribeToComponentUpdates":             {`{}`, `{"preUpdateEvent":{"deploymentId":"d","isGgcRestarting":false}}`},
	"SubscribeToConfigurationUpdate":          {`{"componentName":"c","keyPath":["a"]}`, `{"configurationUpdateEvent":{"componentName":"c","keyPath":["a","b"]}}`},
	"SubscribeToIoTCore":                      {`{"topicName":"a/#","qos":"0"}`, `{"message":{"topicName":"a/b","payload":"","retain":true,"userProperties":[{"key":"k","value":"v"}],"messageExpiryIntervalSeconds":0,"correlationData":"AA==","responseTopic":"r","payloadFormat":"0","contentType":"c"}}`},
	"SubscribeToIoTCoreConnectionStatus":      {`{}`, `{"connectionStatusEvent":{"status":"DISCONNECTED"}}`},
	"SubscribeToTopic":                        {`{"topic":"a","receiveMode":"RECEIVE_ALL_MESSAGES"}`, `{"binaryMessage":{"message":"","context":{"topic":"a"}}}`},
	"SubscribeToValidateConfigurationUpdates": {`{}`, `{"validateConfigurationUpdateEvent":{"configuration":{"a":1.0},"deploymentId":"d"}}`},
	"UpdateConfiguration":                     {`{"keyPath":["a"],"timestamp":1627935591.000,"valueToMerge":{"b":1.0}}`, `{}`},
	"UpdateState":                             {`{"state":"RUNNING"}`, `{}`},
	"UpdateThingShadow":                       {`{"thingName":"t","shadowName":"s","payload":"e30="}`, `{"payload":"e30="}`},
	"ValidateAuthorizationToken":              {`{"token":"t"}`, `{"isValid":false}`},
	"VerifyClientDeviceIdentity":              {`{"credential":{"clientDeviceCertificate":"p"}}`, `{"isValidClientDevice":true}`},
}

// invoke calls the method that is named as the operation.
func invoke(t *testing.T, client any, op model.Operation, request string) (reflect.Value, error) {
	t.Helper()
	method := reflect.ValueOf(client).MethodByName(op.Name)
	if !method.IsValid() {
		t.Fatalf("%T has no method %s", client, op.Name)
	}
	r := reflect.New(method.Type().In(1))
	if err := json.Unmarshal([]byte(request), r.Interface()); err != nil {
		t.Fatal(err)
	}
	out := method.Call([]reflect.Value{reflect.ValueOf(context.Background()), r.Elem()})
	err, _ := out[1].Interface().(error)
	return out[0], err
}

// answers are the forms in which nuclei answer.
var answers = []struct {
	name     string
	response func(int32, model.Operation, string) *eventstream.Message
	refusal  string // payload of an error that no operation declares
}{
	{"classic", ipctest.Response, `{"message":"m","_service":"aws.greengrass#GreengrassCoreIPC","_message":"m","_errorCode":"FutureError"}`},
	{"lite", ipctest.LiteResponse, `{"_message":"m","_errorCode":"FutureError"}`},
}

func TestEveryOperation(t *testing.T) {
	if len(model.Operations) != 35 || len(wire) != 35 {
		t.Fatalf("%d operations, %d in the table, want 35", len(model.Operations), len(wire))
	}
	for _, op := range model.Operations {
		for _, form := range answers {
			t.Run(op.Name+"/"+form.name, func(t *testing.T) {
				request, answer := wire[op.Name][0], wire[op.Name][1]
				conn := dialScript(t, func(p *ipctest.Peer) {
					p.Accept()
					m := p.Read()
					if m.Operation != op.ID() || m.ModelType != op.RequestType() || string(m.Payload) != request {
						t.Errorf("request %s, %s, %s, want %s", m.Operation, m.ModelType, m.Payload, request)
					}
					if op.Event == "" {
						p.Send(form.response(m.StreamID, op, answer))
					} else {
						p.Send(form.response(m.StreamID, op, `{}`))
						p.Send(ipctest.Event(m.StreamID, op, answer))
					}
					for m = p.Read(); m.Operation == ""; m = p.Read() { // ends of streams
					}
					p.Send(&eventstream.Message{Type: eventstream.ApplicationError, Flags: eventstream.TerminateStream,
						StreamID: m.StreamID, ContentType: eventstream.ContentJSON, Payload: []byte(form.refusal)})
					for ok := true; ok; _, ok = p.Next() {
					}
				})
				out, err := invoke(t, conn, op, request)
				if err != nil {
					t.Fatal(err)
				}
				if op.Event != "" {
					out, _ = out.MethodByName("Events").Call(nil)[0].Recv()
				}
				if got, err := json.Marshal(out.Interface()); err != nil || string(got) != answer {
					t.Errorf("got %s, %v, want %s", got, err, answer)
				}
				var refused *ipc.ServiceError
				if _, err := invoke(t, conn, op, request); !errors.As(err, &refused) || refused.Code != "FutureError" || refused.Message != "m" || refused.Op != op.Name {
					t.Errorf("got %v, want the refusal", err)
				}
				if _, err := invoke(t, ipc.NewSession(ipc.SessionConfig{}), op, request); !errors.Is(err, ipc.ErrNotSent) {
					t.Errorf("session without connection: %v, want not sent", err)
				}
			})
		}
	}
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

func TestRequestLimit(t *testing.T) {
	cfg := ipc.Config{Token: ipctest.Token, RequestLimit: eventstream.MaxLiteMessage, Dial: ipctest.Dialer(t, func(p *ipctest.Peer) {
		p.Accept()
		m := p.Read() // the first stream, although a call came before
		p.Send(ipctest.Response(m.StreamID, model.UpdateThingShadow, `{}`))
		p.ExpectClosed()
	})}
	conn, err := ipc.Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	large := model.UpdateThingShadowRequest{ThingName: "t", Payload: make([]byte, 8000)}
	if _, err := conn.UpdateThingShadow(t.Context(), large); !errors.Is(err, ipc.ErrNotSent) || !errors.Is(err, ipc.ErrTooLarge) {
		t.Errorf("got %v, want not sent because too large", err)
	}
	large.Payload = large.Payload[:7000]
	if _, err := conn.UpdateThingShadow(t.Context(), large); err != nil {
		t.Error(err)
	}
}

// TestNilPayload: null is no blob.
func TestNilPayload(t *testing.T) {
	conn := dialScript(t, func(p *ipctest.Peer) {
		p.Accept()
		for range 2 {
			m := p.Read()
			if strings.Contains(string(m.Payload), "null") || !strings.Contains(string(m.Payload), `""`) {
				t.Errorf("request %s, want an empty blob", m.Payload)
			}
			op := model.Operation{Name: strings.TrimPrefix(m.Operation, model.Namespace)}
			p.Send(ipctest.Response(m.StreamID, op, `{}`))
		}
		p.ExpectClosed()
	})
	_, err := conn.PublishToIoTCore(t.Context(), model.PublishToIoTCoreRequest{TopicName: "t", QOS: model.AtMostOnce})
	_, err2 := conn.PublishToTopic(t.Context(), model.PublishToTopicRequest{Topic: "t", PublishMessage: model.PublishMessage{BinaryMessage: &model.BinaryMessage{}}})
	if err := errors.Join(err, err2); err != nil {
		t.Error(err)
	}
}

// TestUnboundedCalls: these outlive the time-out of calls.
func TestUnboundedCalls(t *testing.T) {
	for _, op := range []model.Operation{model.SubscribeToIoTCore, model.DeferComponentUpdate} {
		synctest.Test(t, func(t *testing.T) {
			conn := dialScript(t, func(p *ipctest.Peer) {
				p.Accept()
				m := p.Read()
				time.Sleep(time.Hour)
				p.Send(ipctest.LiteResponse(m.StreamID, op, `{}`))
				for ok := true; ok; _, ok = p.Next() {
				}
			})
			if _, err := invoke(t, conn, op, wire[op.Name][0]); err != nil {
				t.Errorf("%s: %v", op.Name, err)
			}
			_ = conn.Close()
		})
	}
}

func TestEverySubscription(t *testing.T) {
	for _, test := range []struct {
		op   model.Operation
		open func(*ipc.Session) *ipc.Subscription
	}{
		{model.SubscribeToIoTCore, func(s *ipc.Session) *ipc.Subscription {
			return s.IoTCore(model.SubscribeToIoTCoreRequest{TopicName: "a", QOS: model.AtMostOnce})
		}},
		{model.SubscribeToIoTCoreConnectionStatus, (*ipc.Session).IoTCoreConnectionStatus},
		{model.SubscribeToConfigurationUpdate, func(s *ipc.Session) *ipc.Subscription {
			return s.ConfigurationUpdates(model.SubscribeToConfigurationUpdateRequest{})
		}},
		{model.SubscribeToValidateConfigurationUpdates, (*ipc.Session).ConfigurationValidations},
		{model.SubscribeToComponentUpdates, (*ipc.Session).ComponentUpdates},
	} {
		t.Run(test.op.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				answer := wire[test.op.Name][1]
				serve := func(p *ipctest.Peer) {
					p.Accept()
					m := p.Read()
					p.Send(ipctest.Response(m.StreamID, test.op, `{}`))
					p.Send(ipctest.Event(m.StreamID, test.op, answer))
					time.Sleep(time.Second)
				}
				s := runSession(t, ipc.SessionConfig{}, serve, serve)
				sub := test.open(s.Session)
				defer func() { _ = sub.Close() }()
				for range 2 {
					if u, ok := (<-sub.Updates()).(ipc.Live); !ok {
						t.Errorf("got %T, want Live", u)
					}
					event := reflect.ValueOf(<-sub.Updates()).FieldByName("Value")
					if got, err := json.Marshal(event.Interface()); err != nil || string(got) != answer {
						t.Errorf("got %s, %v, want %s", got, err, answer)
					}
					if u, ok := (<-sub.Updates()).(ipc.Lost); !ok || !errors.Is(u.Err, ipc.ErrDisconnected) {
						t.Errorf("got %v, want Lost", u)
					}
				}
			})
		})
	}
}

// TestUnsupportedSubscription: one attempt for each connection.
func TestUnsupportedSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refuse := func(p *ipctest.Peer) {
			p.Accept()
			p.Send(ipctest.Failure(p.Read().StreamID, model.ServiceFailure, ""))
			time.Sleep(time.Hour)
		}
		s := runSession(t, ipc.SessionConfig{}, refuse, refuse)
		sub := s.IoTCoreConnectionStatus()
		defer func() { _ = sub.Close() }()
		start := time.Now()
		for range 2 {
			if u, ok := (<-sub.Updates()).(ipc.Lost); !ok || !errors.Is(u.Err, ipc.ErrUnsupported) {
				t.Errorf("got %v, want unsupported", u)
			}
		}
		if time.Since(start) < time.Hour {
			t.Error("tried again on the same connection")
		}
	})
}
