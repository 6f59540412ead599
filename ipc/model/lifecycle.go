package model

// The operations on the life of components.
var (
	UpdateState                 = Operation{Name: "UpdateState"}
	SubscribeToComponentUpdates = Operation{Name: "SubscribeToComponentUpdates", Event: "ComponentUpdatePolicyEvents"}
	DeferComponentUpdate        = Operation{Name: "DeferComponentUpdate"}
	PauseComponent              = Operation{Name: "PauseComponent"}
	ResumeComponent             = Operation{Name: "ResumeComponent"}
)

// LifecycleState is the state of a component.
type LifecycleState string

// The states. A component can report only the first two of itself.
const (
	StateRunning   LifecycleState = "RUNNING"
	StateErrored   LifecycleState = "ERRORED"
	StateNew       LifecycleState = "NEW"
	StateFinished  LifecycleState = "FINISHED"
	StateInstalled LifecycleState = "INSTALLED"
	StateBroken    LifecycleState = "BROKEN"
	StateStarting  LifecycleState = "STARTING"
	StateStopping  LifecycleState = "STOPPING"
)

// UpdateStateRequest reports the state of the calling component.
type UpdateStateRequest struct {
	State LifecycleState `json:"state"`
}

// UpdateStateResponse is empty.
type UpdateStateResponse struct{}

// SubscribeToComponentUpdatesRequest is empty.
type SubscribeToComponentUpdatesRequest struct{}

// SubscribeToComponentUpdatesResponse confirms the subscription.
type SubscribeToComponentUpdatesResponse struct{}

// ComponentUpdatePolicyEvents is the event of SubscribeToComponentUpdates, a union.
type ComponentUpdatePolicyEvents struct {
	PreUpdateEvent  *PreComponentUpdateEvent  `json:"preUpdateEvent,omitempty"`
	PostUpdateEvent *PostComponentUpdateEvent `json:"postUpdateEvent,omitempty"`
}

// PreComponentUpdateEvent announces an update. It wants an answer by
// DeferComponentUpdate.
type PreComponentUpdateEvent struct {
	DeploymentID    string `json:"deploymentId"`
	IsGGCRestarting bool   `json:"isGgcRestarting"` // the nucleus itself restarts
}

// PostComponentUpdateEvent says that an update is over.
type PostComponentUpdateEvent struct {
	DeploymentID string `json:"deploymentId"`
}

// DeferComponentUpdateRequest answers a PreComponentUpdateEvent.
type DeferComponentUpdateRequest struct {
	DeploymentID string `json:"deploymentId"`
	Message      string `json:"message,omitempty"`
	// RecheckAfterMs is in milliseconds; 0 lets the update go on at once. It is
	// always sent, because the nucleus ignores an answer without it.
	RecheckAfterMs int64 `json:"recheckAfterMs"`
}

// DeferComponentUpdateResponse is empty.
type DeferComponentUpdateResponse struct{}

// PauseComponentRequest names the component to pause.
type PauseComponentRequest struct {
	ComponentName string `json:"componentName"`
}

// PauseComponentResponse is empty.
type PauseComponentResponse struct{}

// ResumeComponentRequest names the component to resume.
type ResumeComponentRequest struct {
	ComponentName string `json:"componentName"`
}

// ResumeComponentResponse is empty.
type ResumeComponentResponse struct{}
