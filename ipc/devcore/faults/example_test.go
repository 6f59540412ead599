package faults_test

import (
	"fmt"
	"log"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
)

// A core that loses the replies to the first two updates of a test.
func Example() {
	core, err := devcore.New(devcore.Config{ThingName: "MyGateway"})
	if err != nil {
		log.Fatal(err)
	}
	defer core.Close()
	rule, err := faults.ParseRule("UpdateThingShadow dropReply times 2")
	if err != nil {
		log.Fatal(err)
	}
	core.Faults().Add(rule)

	// Here the component under test is started.

	for _, s := range core.Faults().List() {
		fmt.Printf("%v: %d of %d\n", s.Rule, s.Hits, s.Matched)
	}
	// Output: UpdateThingShadow dropReply times 2: 0 of 0
}
