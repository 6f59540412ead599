package e2e

import (
	"testing"

	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
)

// TestFaultsEndInTheSameState has the core fail in each way while values are
// desired. When it has stopped failing, lines and shadow are as desired last, as
// they would be without the fault.
func TestFaultsEndInTheSameState(t *testing.T) {
	for _, text := range []string{
		"UpdateThingShadow drop times 2",
		"UpdateThingShadow dropReply times 2",
		"UpdateThingShadow reorder times 2",
		"UpdateThingShadow redeliver times 3",
		"UpdateThingShadow delay 300ms times 2",
		"UpdateThingShadow delayReply 300ms times 2",
		"UpdateThingShadow throttle times 3",
		"UpdateThingShadow refuse ConflictError message \"Version conflict\" times 2",
		"UpdateThingShadow refuse ServiceError times 2",
		"UpdateThingShadow restart 50ms times 2",
		"UpdateThingShadow notReady 1h times 1",
		"* drop times 4",
		"SubscribeToTopic duplicate times 10",
		"SubscribeToTopic reorder on event times 5",
		"SubscribeToTopic delay 100ms on event times 5",
		"SubscribeToTopic lose times 2",
		"SubscribeToTopic lose skip 1 times 3",
	} {
		t.Run(text, func(t *testing.T) {
			r, _ := house(t)
			rule, err := faults.ParseRule(text)
			if err != nil {
				t.Fatal(err)
			}
			r.core.Faults().Add(rule)
			values := []string{"on", "off", "on", "off"}
			if rule.Do == faults.NotReady {
				values = []string{"off"} // nobody can desire more while the database is closed
			}
			for _, value := range values {
				r.desire("", `{"lights":"`+value+`"}`)
			}
			awaitTrue(t, "a fault", func() bool { return r.core.Faults().List()[0].Hits > 0 })
			r.core.Faults().Clear()
			r.core.Shadows().NotReady(0)
			// The answer to what is new tells that the last document was read.
			version := r.desire("", `{"lights":"on","last":1}`)
			r.answered("", version, `{"lights":"on","ack":{"lights":{"code":200},"last":{"code":404}}}`)
			if !r.level(lampOffset) {
				t.Error("the lamp is low, want high as desired")
			}
		})
	}
}
