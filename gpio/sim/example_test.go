package sim_test

import (
	"fmt"
	"log"

	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
)

// A door contact with a pull-up, read active-low, and a hand that opens the door.
func Example() {
	board, err := sim.New(sim.Chip{Label: "gateway", Lines: 32, Names: map[int]string{27: "DOOR"}})
	if err != nil {
		log.Fatal(err)
	}
	door, err := gpio.Find(board, gpio.Ref{Line: "DOOR"})
	if err != nil {
		log.Fatal(err)
	}
	lines, err := board.Request(door.Chip.Name, "example", []gpio.LineConfig{{
		Offset:    door.Line.Offset,
		Direction: gpio.Input,
		ActiveLow: true,
		Bias:      gpio.BiasPullUp,
		Edges:     gpio.BothEdges,
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer lines.Close()

	if err := board.Press(door.Chip.Name, door.Line.Offset); err != nil {
		log.Fatal(err)
	}
	event := <-lines.Events()
	fmt.Println(door.Chip.Name, event.Offset, event.Edge, event.Seqno)
	// Output: gpiochip0 27 rising 1
}
