package devcore

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf16"
)

// The rules of AWS IoT Core about topics, as the classic nucleus checks them before
// it asks (aws-greengrass/aws-greengrass-nucleus
// mqttclient/IotCoreTopicValidator.java).
const (
	maxTopicSlashes  = 7
	maxTopicLength   = 256
	maxReservedTopic = 512
)

var (
	sharedTopic = regexp.MustCompile(`^\$share/\S+?/`)
	ingestTopic = regexp.MustCompile(`^\$aws/rules/\S+?/`)
)

// Texts of the wire.
var (
	textTopicLong      = fmt.Sprintf("The topic size of request must be no larger than %d bytes of UTF-8 encoded characters. This excludes the first 3 mandatory segments for Basic Ingest topics ($AWS/rules/rule-name/)", maxTopicLength)
	textFilterLong     = textTopicLong + " or first 2 mandatory segments for MQTT Shared Subscriptions ($share/share-name/)"
	textReservedLong   = fmt.Sprintf("Reserved topic total length is greater than %d bytes of UTF-8 encoded characters and is most likely over the IoT Core limit of %d bytes (excluding prefixes).", maxReservedTopic, maxTopicLength)
	textTopicSlashes   = fmt.Sprintf("The request topic must have no more than %d forward slashes (/)", maxTopicSlashes)
	textTopicEmpty     = "Topic must not be empty"
	textTopicWildcards = "Publish topics must not contain wildcard characters of '#' or '+'"
)

// checkPublishTopic says what is wrong with a topic to publish to.
func checkPublishTopic(topic string) error {
	switch {
	case topic == "":
		return errors.New(textTopicEmpty)
	case strings.ContainsAny(topic, "+#"):
		return errors.New(textTopicWildcards)
	case sharedTopic.MatchString(topic):
		return checkTopicSize(topic, textTopicLong)
	}
	return checkReserved(topic, textTopicLong)
}

// checkSubscribeTopic says what is wrong with a filter to subscribe to.
func checkSubscribeTopic(filter string) error {
	if filter == "" {
		return errors.New(textTopicEmpty)
	}
	if prefix := sharedTopic.FindString(filter); prefix != "" {
		return checkTopicSize(filter[len(prefix):], textFilterLong)
	}
	return checkReserved(filter, textFilterLong)
}

// checkReserved knows one kind of topic that begins with "$"; of the others the
// cloud decides.
func checkReserved(topic, textLong string) error {
	if prefix := ingestTopic.FindString(topic); prefix != "" {
		return checkTopicSize(topic[len(prefix):], textLong)
	}
	switch {
	case topic[0] != '$':
		return checkTopicSize(topic, textLong)
	case javaLength(topic) > maxReservedTopic:
		return errors.New(textReservedLong)
	}
	return nil
}

func checkTopicSize(topic, textLong string) error {
	if strings.Count(topic, "/") > maxTopicSlashes {
		return errors.New(textTopicSlashes)
	}
	if javaLength(topic) > maxTopicLength {
		return errors.New(textLong)
	}
	return nil
}

// javaLength is the length of a text as the nucleus counts it.
func javaLength(text string) int { return len(utf16.Encode([]rune(text))) }

// supersetOf is how the nucleus finds the subscriptions of a message, and whether a
// filter needs a subscription of its own in the cloud (mqttclient/MqttTopic.java).
// It differs from MQTT: "a/#" does not cover "a".
func supersetOf(filter, other string) bool {
	if filter == other {
		return true
	}
	levels, others := splitTopic(filter), splitTopic(other)
	for i := range min(len(levels), len(others)) {
		switch levels[i] {
		case "#":
			return true
		case "+", others[i]:
		default:
			return false
		}
	}
	return len(levels) == len(others)
}
