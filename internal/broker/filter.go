package broker

import (
	"errors"
	"fmt"
	"strings"
)

// CheckFilter says what is wrong with a filter (MQTT 5, 4.7).
func CheckFilter(filter string) error {
	if filter == "" {
		return errors.New("topic filter is empty")
	}
	levels := strings.Split(filter, "/")
	for i, level := range levels {
		if level == "#" && i < len(levels)-1 {
			return fmt.Errorf("topic filter %q: # is not the last level", filter)
		}
		if len(level) > 1 && strings.ContainsAny(level, "+#") {
			return fmt.Errorf("topic filter %q: want a wildcard to be a level of its own, got %q", filter, level)
		}
	}
	return nil
}

// Matches compares a filter with a topic: "+" is one level, "#" at the end the
// level before it and all below, and neither matches the first level of a topic
// that begins with "$".
func Matches(filter, topic string) bool {
	if strings.HasPrefix(topic, "$") && !strings.HasPrefix(filter, "$") {
		return false
	}
	for {
		level, below, more := strings.Cut(filter, "/")
		part, rest, deeper := strings.Cut(topic, "/")
		switch {
		case level == "#":
			return true
		case level != "+" && level != part:
			return false
		case !more || !deeper:
			return more == deeper || below == "#"
		}
		filter, topic = below, rest
	}
}
