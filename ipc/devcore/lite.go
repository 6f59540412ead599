package devcore

import (
	"encoding/json"
	"errors"

	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// notOfLite are the operations of the classic nucleus that nucleus lite does not
// have, the shadow manager's among them (aws-greengrass/aws-greengrass-lite
// modules/ggipcd/src/services).
var notOfLite = []model.Operation{
	model.GetThingShadow, model.UpdateThingShadow, model.DeleteThingShadow, model.ListNamedShadowsForThing,
	model.SubscribeToComponentUpdates, model.DeferComponentUpdate,
	model.SubscribeToValidateConfigurationUpdates, model.SendConfigurationValidityReport,
	model.PauseComponent, model.ResumeComponent, model.GetComponentDetails, model.ListComponents, model.StopComponent,
	model.PutComponentMetric, model.SubscribeToIoTCoreConnectionStatus,
}

// registerLite takes the operations away that lite does not have. It refuses them
// without a text (modules/ggipcd/src/ipc_dispatch.c).
func (c *Core) registerLite(s *server.Server) {
	refused := &server.Error{Code: model.ServiceFailure}
	for _, op := range notOfLite {
		if op.Event != "" {
			server.HandleStream(s, op, func(*server.Call, *server.Stream, *json.RawMessage) (struct{}, error) { return struct{}{}, refused })
		} else {
			server.Handle(s, op, func(*server.Call, *json.RawMessage) (struct{}, error) { return struct{}{}, refused })
		}
	}
}

// What lite says where the link is down: it has no spool, and no subscription waits
// (modules/ggipcd/src/services/mqttproxy, modules/iotcored/src/mqtt.c).
var (
	errLitePublish   = errors.New("Failed to publish the message.")   //lint:ignore ST1005 text of the wire
	errLiteSubscribe = errors.New("Failed to bind the subscription.") //lint:ignore ST1005 text of the wire
)

func liteRefusal(err error) error {
	return &server.Error{Code: model.ServiceFailure, Message: err.Error()}
}
