package devcore_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server/servertest"
)

func TestPutComponentMetric(t *testing.T) {
	var seen recorder
	core, socket := serve(t, devcore.Config{EnforceAccessControl: true, Observe: seen.observe})
	configure(t, core, "aws.x", `{"accessControl":{"aws.greengrass.ipc.componentmetric":{"p":{"operations":["aws.greengrass#PutComponentMetric"],"resources":["ok*"]}}}}`)
	request := func(name, unit string, value float64) string {
		text, _ := json.Marshal(map[string]any{"metrics": []any{map[string]any{"name": name, "unit": unit, "value": value}}})
		return string(text)
	}
	good := request("ok", "COUNT", 1)
	for _, test := range []struct{ component, request, want string }{
		{"com.example", good, "UnauthorizedError Principal com.example is not authorized to perform aws.greengrass.ipc.componentmetric:aws.greengrass#PutComponentMetric "},
		{"aws.x", `{}`, "InvalidArgumentsError Null or Empty list of metrics found in PutComponentMetricRequest"},
		{"aws.x", `{"metrics":[]}`, "InvalidArgumentsError Null or Empty list of metrics found in PutComponentMetricRequest"},
		{"aws.x", request("", "COUNT", 1), "InvalidArgumentsError Invalid argument found in PutComponentMetricRequest"},
		{"aws.x", request(strings.Repeat("é", 17), "COUNT", 1), "InvalidArgumentsError Invalid argument found in PutComponentMetricRequest"},
		{"aws.x", request("ok", "", 1), "InvalidArgumentsError Invalid argument found in PutComponentMetricRequest"},
		{"aws.x", request("ok", "COUNT", -1), "InvalidArgumentsError Invalid argument found in PutComponentMetricRequest"},
		{"aws.x", request("ok", "FURLONGS", 1), "InvalidArgumentsError Invalid telemetry unit: No matching TelemetryUnit type found"},
		{"aws.x", request("no", "COUNT", 1), "UnauthorizedError Principal aws.x is not authorized to perform aws.greengrass.ipc.componentmetric:aws.greengrass#PutComponentMetric on resource no"},
		{"aws.x", request("ok2", "bytes per second", 0), ""},
		{"aws.greengrass.StreamManager", request("any", "COUNT", 1), ""},
	} {
		c := servertest.Dial(t, socket).Login(core.IssueToken(test.component))
		if test.want == "" {
			answer(t, c, model.PutComponentMetric, test.request, &struct{}{})
		} else if got := refusal(t, c, model.PutComponentMetric, test.request); got != strings.TrimSpace(test.want) {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
	var names []string
	for _, e := range seen.all() {
		if e.Kind == devcore.MetricPut {
			names = append(names, e.Component+" "+e.Metric.Name)
		}
	}
	if got := strings.Join(names, ", "); got != "aws.x ok2, aws.greengrass.StreamManager any" {
		t.Errorf("observed %s", got)
	}
}

func TestValidateAuthorizationToken(t *testing.T) {
	core, socket := serve(t, devcore.Config{})
	token := core.IssueToken("a")
	other := servertest.Dial(t, socket).Login(token)
	if got := refusal(t, other, model.ValidateAuthorizationToken, model.ValidateAuthorizationTokenRequest{Token: token}); got != "UnauthorizedError a is not authorized to perform aws.greengrass#ValidateAuthorizationToken" {
		t.Error(got)
	}
	manager := servertest.Dial(t, socket).Login(core.IssueToken("aws.greengrass.StreamManager"))
	var valid model.ValidateAuthorizationTokenResponse
	if answer(t, manager, model.ValidateAuthorizationToken, model.ValidateAuthorizationTokenRequest{Token: token}, &valid); !valid.IsValid {
		t.Error("the token is not valid")
	}
	for request, want := range map[string]string{
		`{}`: "InvalidTokenError Invalid authentication token", `{"token":""}`: "InvalidTokenError Authentication token not found",
		`{"token":"WRONG"}`: "InvalidTokenError Authentication token not found",
	} {
		if got := refusal(t, manager, model.ValidateAuthorizationToken, request); got != want {
			t.Errorf("%s: got %s", request, got)
		}
	}
}
