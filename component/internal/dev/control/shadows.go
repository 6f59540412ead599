package control

import (
	"encoding/json"
	"net/http"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// compare reads what is stored on both sides, without a message to either.
func (s *Server) compare(*http.Request, nothing) ([]Sides, error) {
	all := []Sides{}
	for _, k := range s.Synchronized {
		sides := Sides{Thing: k.Thing, Shadow: k.Shadow}
		if row, ok := s.Core.Shadows().Row(k.Thing, k.Shadow); ok && !row.Deleted {
			text, err := json.Marshal(row)
			if err != nil {
				return nil, err
			}
			sides.Device = text
		}
		if text, err := s.Cloud.Shadows.Get(shadow.ID{Thing: k.Thing, Name: k.Shadow}, nil); err == nil {
			sides.Cloud = text
		}
		all = append(all, sides)
	}
	return all, nil
}
