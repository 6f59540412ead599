package devcore

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// Names of components that may do more than others.
const (
	prefixMetrics = "aws."
	streamManager = "aws.greengrass.StreamManager"
)

// maxMetricName is in bytes.
const maxMetricName = 32

// metricUnits are the units of telemetry, as they are compared: only letters and
// digits, in lower case.
var metricUnits = map[string]bool{
	"bytes": true, "bytespersecond": true, "count": true, "countpersecond": true,
	"megabytes": true, "none": true, "percent": true, "seconds": true,
}

var notAlphanumeric = regexp.MustCompile("[^A-Za-z0-9]")

// putComponentMetric takes metrics of components named aws.…; they go to the
// observer (aws-greengrass/aws-greengrass-nucleus
// builtin/services/telemetry/ComponentMetricIPCEventStreamAgent.java).
func (c *Core) putComponentMetric(call *server.Call, req *model.PutComponentMetricRequest) (resp model.PutComponentMetricResponse, err error) {
	invalid := func(text string) error { return &server.Error{Code: model.InvalidArguments, Message: text} }
	if !strings.HasPrefix(call.Component, prefixMetrics) {
		return resp, &server.Error{Code: model.Unauthorized, Message: fmt.Sprintf("Principal %s is not authorized to perform %s:%s ",
			call.Component, serviceMetrics, call.Operation.ID())}
	}
	if len(req.Metrics) == 0 {
		return resp, invalid("Null or Empty list of metrics found in PutComponentMetricRequest")
	}
	for _, m := range req.Metrics {
		if m.Name == "" || len(m.Name) > maxMetricName || m.Unit == "" || m.Value < 0 {
			return resp, invalid("Invalid argument found in PutComponentMetricRequest")
		}
		if call.Component == streamManager {
			continue
		}
		if err := c.authorize(call.Component, serviceMetrics, call.Operation, m.Name); err != nil {
			return resp, err
		}
	}
	for _, m := range req.Metrics {
		if !metricUnits[strings.ToLower(notAlphanumeric.ReplaceAllString(string(m.Unit), ""))] {
			return resp, invalid("Invalid telemetry unit: No matching TelemetryUnit type found")
		}
		c.observe(Event{Kind: MetricPut, Component: call.Component, Metric: m})
	}
	return resp, nil
}
