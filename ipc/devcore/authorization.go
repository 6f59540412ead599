package devcore

import (
	"fmt"

	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// validateAuthorizationToken lets the stream manager ask whether a token is one of a
// component (aws-greengrass/aws-greengrass-nucleus
// authorization/AuthorizationIPCAgent.java, ipc/AuthenticationHandler.java).
func (c *Core) validateAuthorizationToken(call *server.Call, req *tokenRequest) (resp model.ValidateAuthorizationTokenResponse, err error) {
	if call.Component != streamManager {
		return resp, &server.Error{Code: model.Unauthorized, Message: fmt.Sprintf("%s is not authorized to perform %s", call.Component, call.Operation.ID())}
	}
	if req.Token == nil {
		return resp, &server.Error{Code: model.InvalidToken, Message: "Invalid authentication token"}
	}
	if _, ok := c.tokens.component(*req.Token); !ok {
		return resp, &server.Error{Code: model.InvalidToken, Message: "Authentication token not found"}
	}
	resp.IsValid = true
	return resp, nil
}

// tokenRequest tells a missing token from an empty one.
type tokenRequest struct {
	Token *string `json:"token"`
}
