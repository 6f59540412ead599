package model

import "encoding/json"

// The operations on local deployments.
var (
	CreateLocalDeployment    = Operation{Name: "CreateLocalDeployment"}
	CancelLocalDeployment    = Operation{Name: "CancelLocalDeployment"}
	GetLocalDeploymentStatus = Operation{Name: "GetLocalDeploymentStatus"}
	ListLocalDeployments     = Operation{Name: "ListLocalDeployments"}
)

// FailureHandlingPolicy says what happens when a deployment fails.
type FailureHandlingPolicy string

// The policies.
const (
	Rollback  FailureHandlingPolicy = "ROLLBACK"
	DoNothing FailureHandlingPolicy = "DO_NOTHING"
)

// CreateLocalDeploymentRequest describes a deployment. At least one member is set.
type CreateLocalDeploymentRequest struct {
	GroupName                  string                     `json:"groupName,omitempty"`
	RootComponentVersionsToAdd map[string]string          `json:"rootComponentVersionsToAdd,omitempty"` // versions by name
	RootComponentsToRemove     []string                   `json:"rootComponentsToRemove,omitempty"`
	ComponentToConfiguration   map[string]json.RawMessage `json:"componentToConfiguration,omitempty"`
	ComponentToRunWithInfo     map[string]RunWithInfo     `json:"componentToRunWithInfo,omitempty"`
	RecipeDirectoryPath        string                     `json:"recipeDirectoryPath,omitempty"`
	ArtifactsDirectoryPath     string                     `json:"artifactsDirectoryPath,omitempty"`
	FailureHandlingPolicy      FailureHandlingPolicy      `json:"failureHandlingPolicy,omitempty"`
}

// RunWithInfo says as whom and within which limits a component runs.
type RunWithInfo struct {
	PosixUser            string                `json:"posixUser,omitempty"`
	WindowsUser          string                `json:"windowsUser,omitempty"`
	SystemResourceLimits *SystemResourceLimits `json:"systemResourceLimits,omitempty"`
}

// SystemResourceLimits bound a component; 0 is no bound.
type SystemResourceLimits struct {
	Memory int64   `json:"memory,omitempty"` // kilobytes
	CPUs   float64 `json:"cpus,omitempty"`
}

// CreateLocalDeploymentResponse names the deployment.
type CreateLocalDeploymentResponse struct {
	DeploymentID string `json:"deploymentId,omitempty"`
}

// CancelLocalDeploymentRequest names the deployment to cancel.
type CancelLocalDeploymentRequest struct {
	DeploymentID string `json:"deploymentId,omitempty"`
}

// CancelLocalDeploymentResponse is for people.
type CancelLocalDeploymentResponse struct {
	Message string `json:"message,omitempty"`
}

// GetLocalDeploymentStatusRequest names a deployment.
type GetLocalDeploymentStatusRequest struct {
	DeploymentID string `json:"deploymentId"`
}

// GetLocalDeploymentStatusResponse describes the deployment.
type GetLocalDeploymentStatusResponse struct {
	Deployment LocalDeployment `json:"deployment"`
}

// DeploymentStatus is where a deployment is.
type DeploymentStatus string

// The statuses of a deployment.
const (
	DeploymentQueued     DeploymentStatus = "QUEUED"
	DeploymentInProgress DeploymentStatus = "IN_PROGRESS"
	DeploymentSucceeded  DeploymentStatus = "SUCCEEDED"
	DeploymentFailed     DeploymentStatus = "FAILED"
	DeploymentCanceled   DeploymentStatus = "CANCELED"
)

// LocalDeployment describes a deployment.
type LocalDeployment struct {
	DeploymentID            string                   `json:"deploymentId"`
	Status                  DeploymentStatus         `json:"status"`
	CreatedOn               string                   `json:"createdOn,omitempty"` // e.g. "31-12-2023 23:59:59 UTC"
	DeploymentStatusDetails *DeploymentStatusDetails `json:"deploymentStatusDetails,omitempty"`
}

// DetailedDeploymentStatus is how a deployment ended.
type DetailedDeploymentStatus string

// The ends of a deployment.
const (
	DetailedSuccessful                 DetailedDeploymentStatus = "SUCCESSFUL"
	DetailedFailedNoStateChange        DetailedDeploymentStatus = "FAILED_NO_STATE_CHANGE"
	DetailedFailedRollbackNotRequested DetailedDeploymentStatus = "FAILED_ROLLBACK_NOT_REQUESTED"
	DetailedFailedRollbackComplete     DetailedDeploymentStatus = "FAILED_ROLLBACK_COMPLETE"
	DetailedRejected                   DetailedDeploymentStatus = "REJECTED"
)

// DeploymentStatusDetails says how and why a deployment ended.
type DeploymentStatusDetails struct {
	DetailedDeploymentStatus DetailedDeploymentStatus `json:"detailedDeploymentStatus"`
	DeploymentErrorStack     []string                 `json:"deploymentErrorStack,omitempty"`
	DeploymentErrorTypes     []string                 `json:"deploymentErrorTypes,omitempty"`
	DeploymentFailureCause   string                   `json:"deploymentFailureCause,omitempty"`
}

// ListLocalDeploymentsRequest is empty.
type ListLocalDeploymentsRequest struct{}

// ListLocalDeploymentsResponse describes the latest deployments.
type ListLocalDeploymentsResponse struct {
	LocalDeployments []LocalDeployment `json:"localDeployments,omitzero"`
}
