package model

// ErrorCode is the name of a modelled error, without the namespace. It is an error
// itself, which is what errors.Is finds in a refusal:
//
//	errors.Is(err, model.Conflict)
type ErrorCode string

// The errors of the service model, all that it declares.
const (
	Unauthorized      ErrorCode = "UnauthorizedError"
	ServiceFailure    ErrorCode = "ServiceError"
	ResourceNotFound  ErrorCode = "ResourceNotFoundError"
	InvalidArguments  ErrorCode = "InvalidArgumentsError"
	Conflict          ErrorCode = "ConflictError"
	ComponentNotFound ErrorCode = "ComponentNotFoundError"

	FailedUpdateConditionCheck    ErrorCode = "FailedUpdateConditionCheckError"
	InvalidArtifactsDirectoryPath ErrorCode = "InvalidArtifactsDirectoryPathError"
	InvalidClientDeviceAuthToken  ErrorCode = "InvalidClientDeviceAuthTokenError"
	InvalidCredential             ErrorCode = "InvalidCredentialError"
	InvalidRecipeDirectoryPath    ErrorCode = "InvalidRecipeDirectoryPathError"
	InvalidToken                  ErrorCode = "InvalidTokenError"
)

func (c ErrorCode) Error() string { return string(c) }

// ErrorType is the "service-model-type" of the error.
func (c ErrorCode) ErrorType() string { return Namespace + string(c) }

// ErrorPayload is the JSON form of an error. The classic nucleus sends all
// members that apply, lite only the two that begin with an underscore and have
// no Service.
type ErrorPayload struct {
	Message      *string   `json:"message,omitempty"`
	Context      any       `json:"context,omitempty"`
	ResourceType string    `json:"resourceType,omitempty"`
	ResourceName string    `json:"resourceName,omitempty"`
	Service      string    `json:"_service,omitempty"`
	LiteMessage  string    `json:"_message"`
	Code         ErrorCode `json:"_errorCode,omitempty"`

	// Error is the only name that the classic nucleus gives an operation it does
	// not know: {"error": "Unsupported Operation", "message": …}.
	Error string `json:"error,omitempty"`
}
