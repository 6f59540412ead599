package model

import "encoding/json"

// The operations on components.
var (
	GetComponentDetails = Operation{Name: "GetComponentDetails"}
	ListComponents      = Operation{Name: "ListComponents"}
	RestartComponent    = Operation{Name: "RestartComponent"}
	StopComponent       = Operation{Name: "StopComponent"}
)

// GetComponentDetailsRequest names a component.
type GetComponentDetailsRequest struct {
	ComponentName string `json:"componentName"`
}

// GetComponentDetailsResponse describes the component.
type GetComponentDetailsResponse struct {
	ComponentDetails ComponentDetails `json:"componentDetails"`
}

// ComponentDetails describes a component.
type ComponentDetails struct {
	ComponentName string          `json:"componentName"`
	Version       string          `json:"version"`
	State         LifecycleState  `json:"state"`
	Configuration json.RawMessage `json:"configuration,omitempty"`
}

// ListComponentsRequest is empty.
type ListComponentsRequest struct{}

// ListComponentsResponse describes all components.
type ListComponentsResponse struct {
	Components []ComponentDetails `json:"components,omitzero"`
}

// RequestStatus says whether a restart or stop was begun.
type RequestStatus string

// The statuses of a request.
const (
	RequestSucceeded RequestStatus = "SUCCEEDED"
	RequestFailed    RequestStatus = "FAILED"
)

// RestartComponentRequest names the component to restart.
type RestartComponentRequest struct {
	ComponentName string `json:"componentName"`
}

// RestartComponentResponse says whether the restart was begun.
type RestartComponentResponse struct {
	RestartStatus RequestStatus `json:"restartStatus"`
	Message       string        `json:"message,omitempty"`
}

// StopComponentRequest names the component to stop.
type StopComponentRequest struct {
	ComponentName string `json:"componentName"`
}

// StopComponentResponse says whether the stop was begun.
type StopComponentResponse struct {
	StopStatus RequestStatus `json:"stopStatus"`
	Message    string        `json:"message,omitempty"`
}
