package model

// PutComponentMetric emits metrics; only components named aws.… may call it.
var PutComponentMetric = Operation{Name: "PutComponentMetric"}

// MetricUnit is the unit of a metric.
type MetricUnit string

// The units.
const (
	UnitBytes          MetricUnit = "BYTES"
	UnitBytesPerSecond MetricUnit = "BYTES_PER_SECOND"
	UnitCount          MetricUnit = "COUNT"
	UnitCountPerSecond MetricUnit = "COUNT_PER_SECOND"
	UnitMegabytes      MetricUnit = "MEGABYTES"
	UnitSeconds        MetricUnit = "SECONDS"
)

// Metric is one value.
type Metric struct {
	Name  string     `json:"name"` // at most 32 bytes
	Unit  MetricUnit `json:"unit"`
	Value float64    `json:"value"` // not negative
}

// PutComponentMetricRequest carries metrics.
type PutComponentMetricRequest struct {
	Metrics []Metric `json:"metrics,omitzero"`
}

// PutComponentMetricResponse is empty.
type PutComponentMetricResponse struct{}
