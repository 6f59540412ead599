package state

import (
	"bytes"
	"encoding/json"
)

// Labeled is the content of a file of format 1. Its entries are keyed by label: lines
// by label, properties by shadow label and key, alarms by label. The configuration in
// force at the time maps labels to identities.
type Labeled struct {
	Outputs  map[string]bool     `json:"outputs"`
	Waves    map[string]Wave     `json:"waves"`
	Demands  map[string]Demand   `json:"demands"`
	Counts   map[string]int64    `json:"counts"`
	Commands map[string]Command  `json:"commands"`
	Locals   map[string]Local    `json:"locals"`
	Settings map[string]any      `json:"settings"`
	Alarms   map[string]bool     `json:"alarms"`
	Plans    map[string]Schedule `json:"schedules"`
	Clock    Clock               `json:"clock"`
	Shown    map[string][]string `json:"shown"` // by shadow, as "thing (classic)" or "thing/name"
}

// decodeLabeled reads a whole file of format 1.
func decodeLabeled(text []byte) (State, Damages, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	s := State{Format: 1, Outputs: map[string]bool{}, Labeled: &Labeled{}}
	if err := decoder.Decode(s.Labeled); err != nil {
		return State{}, Damages{}, err
	}
	return s, Damages{}, nil
}
