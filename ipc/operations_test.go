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

// anyone is a script that answers every request, and refuses each second one with
// an error that no operation declares.
func anyone(t *testing.T, op model.Operation, request, answer string) ipctest.Script {
	return func(p *ipctest.Peer) {
		r := p.Expect(op)
		if string(r.Payload) != request {
			t.Errorf("request %s, want %s", r.Payload, request)
		}
		if op.Event == "" {
			p.Send(ipctest.Response(r.ID, op, answer))
		} else {
			p.Send(ipctest.Response(r.ID, op, `{}`))
			p.Send(ipctest.Event(r.ID, op, answer))
		}
		r = p.Expect(op)
		p.Send(ipctest.Failure(r.ID, "FutureError", "m"))
		for ok := true; ok; _, ok = p.Next() {
		}
	}
}

// first is the answer of a call, or the first event of a stream.
func first(op model.Operation, out reflect.Value) any {
	if op.Event != "" {
		out, _ = out.MethodByName("Events").Call(nil)[0].Recv()
	}
	return out.Interface()
}

// TestEveryOperation has request, answer or event, and refusal of every operation,
// from each kind of nucleus, as it is and with members of a later version.
func TestEveryOperation(t *testing.T) {
	if len(model.Operations) != 35 || len(wire) != 35 {
		t.Fatalf("%d operations, %d in the table, want 35", len(model.Operations), len(wire))
	}
	for _, op := range model.Operations {
		request, answer := wire[op.Name][0], wire[op.Name][1]
		for version, sent := range map[string]string{"present": answer, "future": withFuture(t, answer)} {
			t.Run(op.Name+"/"+version, func(t *testing.T) {
				conversation(t, anyone(t, op, request, sent), func(t *testing.T, conn *ipc.Conn) {
					out, err := invoke(t, conn, op, request)
					if err != nil {
						t.Fatal(err)
					}
					got, err := json.Marshal(first(op, out))
					if text := withoutFuture(t, string(got)); err != nil || text != withoutFuture(t, answer) {
						t.Errorf("got %s, %v, want %s", got, err, answer)
					}
					synctest.Wait()
					var refused *ipc.ServiceError
					if _, err := invoke(t, conn, op, request); !errors.As(err, &refused) || refused.Message != "m" || refused.Op != op.Name {
						t.Errorf("got %v, want the refusal", err)
					} else if !errors.Is(err, model.ErrorCode("FutureError")) || errors.Is(err, model.Conflict) {
						t.Errorf("%v is not its code alone", err)
					}
				})
			})
		}
		if _, err := invoke(t, idleSession(t), op, request); !errors.Is(err, ipc.ErrNotSent) {
			t.Errorf("%s on a session without connection: %v, want not sent", op.Name, err)
		}
	}
}

const future = "memberOfTheFuture"

// withFuture adds a member to every object.
func withFuture(t *testing.T, text string) string {
	return rewrite(t, text, func(object map[string]any) { object[future] = []any{nil, map[string]any{"a": 1}} })
}

// withoutFuture takes it away; documents keep what they do not know.
func withoutFuture(t *testing.T, text string) string {
	return rewrite(t, text, func(object map[string]any) { delete(object, future) })
}

func rewrite(t *testing.T, text string, change func(map[string]any)) string {
	t.Helper()
	var v any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
			change(v)
		}
	}
	walk(v)
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestNothingIsNull: what is not set is left out of every request, response and
// event, because a null breaks AWS's Python client and nucleus lite.
func TestNothingIsNull(t *testing.T) {
	for _, op := range model.Operations {
		method, ok := reflect.TypeFor[*ipc.Conn]().MethodByName(op.Name)
		if !ok {
			t.Fatalf("no method %s", op.Name)
		}
		shapes := []reflect.Type{method.Type.In(2), method.Type.Out(0)}
		if op.Event != "" {
			events, _ := shapes[1].MethodByName("Events")
			shapes[1] = events.Type.Out(0).Elem()
		}
		for _, shape := range shapes {
			zero := reflect.New(shape).Elem()
			for i := range zero.NumField() { // the members of unions, too
				if f := zero.Field(i); f.Kind() == reflect.Pointer {
					f.Set(reflect.New(f.Type().Elem()))
				}
			}
			if text, err := json.Marshal(zero.Interface()); err != nil || strings.Contains(string(text), "null") {
				t.Errorf("%v: %s, %v", shape, text, err)
			}
		}
	}
}

func TestEverySubscription(t *testing.T) {
	tests := []struct {
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
		{model.SubscribeToCertificateUpdates, func(s *ipc.Session) *ipc.Subscription {
			return s.CertificateUpdates(model.SubscribeToCertificateUpdatesRequest{})
		}},
	}
	streaming := 1 // SubscribeToTopic, see TestResubscribe
	for _, op := range model.Operations {
		if op.Event != "" && op != model.SubscribeToTopic {
			streaming++
		}
	}
	if len(tests)+1 != streaming {
		t.Errorf("%d subscriptions, want %d", len(tests)+1, streaming)
	}
	for _, test := range tests {
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
