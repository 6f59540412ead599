// Package migrate turns the parameters of the Raspberry Pi GPIO connector of
// Greengrass V1 into a configuration
// (awsdocs/aws-greengrass-developer-guide doc_source/raspberrypi-gpio-connector.md).
package migrate

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/internal/yamltree"
)

// parameters are the parameters of the connector.
var parameters = []string{"InputGpios", "InputPollPeriod", "OutputGpios", "GpioMem-ResourceId"}

// pin is one element of a list of GPIOs.
type pin struct {
	number int
	mode   string // U or D of inputs, H or L of outputs, "" for none
}

var (
	inputPin  = regexp.MustCompile(`^([0-9]{1,3})([UD]?)$`)
	outputPin = regexp.MustCompile(`^([0-9]{1,3})([HL]?)$`)
)

// Convert reads the connector's parameters (JSON or YAML): the map of parameters
// itself, a connector with Parameters, or a connector definition with Connectors, one
// of which is this connector. It returns a configuration in YAML with comments. The
// error joins all faults.
func Convert(document []byte) ([]byte, error) {
	tree, err := yamltree.ReadObject(document)
	if err != nil {
		return nil, fmt.Errorf("want the connector's parameters as JSON or YAML: %w", err)
	}
	given, err := find(tree)
	if err != nil {
		return nil, err
	}
	var errs []error
	for name := range given {
		if !slices.Contains(parameters, name) {
			errs = append(errs, fmt.Errorf("%s: want one of the parameters %s; %s", name, strings.Join(parameters, ", "), cmp.Or(config.Nearest(name, parameters), "it has no counterpart")))
		}
	}
	inputs, err := pins(given, "InputGpios", inputPin, `"5,6U,7D"`)
	errs = append(errs, err)
	outputs, err := pins(given, "OutputGpios", outputPin, `"8H,9,27L"`)
	errs = append(errs, err)
	poll, err := period(given)
	errs = append(errs, err, twice(inputs, outputs))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if len(inputs)+len(outputs) == 0 {
		return nil, errors.New("want InputGpios, OutputGpios or both, got neither")
	}
	return write(inputs, outputs, poll), nil
}

// find finds the parameters in what people have at hand.
func find(tree map[string]any) (map[string]any, error) {
	if inner, ok := tree["InitialVersion"].(map[string]any); ok {
		tree = inner
	}
	if list, ok := tree["Connectors"].([]any); ok {
		for _, element := range list {
			connector, _ := element.(map[string]any)
			if arn, _ := connector["ConnectorArn"].(string); strings.Contains(arn, "/connectors/RaspberryPiGPIO/") {
				return find(connector)
			}
		}
		return nil, errors.New("no connector in Connectors: want one with /connectors/RaspberryPiGPIO/ in its ConnectorArn, got none")
	}
	if inner, ok := tree["Parameters"]; ok {
		if tree, ok = inner.(map[string]any); !ok {
			return nil, fmt.Errorf("the member Parameters: want a map, got %v", inner)
		}
	}
	return tree, nil
}

func pins(given map[string]any, name string, pattern *regexp.Regexp, example string) (list []pin, err error) {
	text := ""
	switch v := given[name].(type) {
	case nil:
	case string:
		text = v
	case int:
		text = strconv.Itoa(v)
	default:
		return nil, fmt.Errorf("%s: want text such as %s, got %v", name, example, v)
	}
	if text == "" {
		return nil, nil
	}
	var errs []error
	for element := range strings.SplitSeq(text, ",") {
		parts := pattern.FindStringSubmatch(strings.TrimSpace(element))
		if parts == nil {
			errs = append(errs, fmt.Errorf("%s: want GPIO numbers such as %s, got %q", name, example, element))
			continue
		}
		number, _ := strconv.Atoi(parts[1])
		list = append(list, pin{number, parts[2]})
	}
	return list, errors.Join(errs...)
}

// period is the poll period, 0 for none.
func period(given map[string]any) (time.Duration, error) {
	const name = "InputPollPeriod"
	value, ok := given[name]
	if !ok || value == nil || value == "" {
		return 0, nil
	}
	ms, err := strconv.Atoi(fmt.Sprint(value))
	if err != nil || ms < 1 {
		return 0, fmt.Errorf("%s: want milliseconds from 1, got %v", name, value)
	}
	return min(time.Duration(min(ms, 1e9))*time.Millisecond, config.MaxPoll), nil
}

func twice(lists ...[]pin) error {
	seen := map[int]bool{}
	for _, list := range lists {
		for _, p := range list {
			if seen[p.number] {
				return fmt.Errorf("GPIO %d: want each once, got it twice", p.number)
			}
			seen[p.number] = true
		}
	}
	return nil
}

const head = `# Made of the parameters of the Raspberry Pi GPIO connector (Greengrass V1).
#
# GpioMem-ResourceId  no counterpart: lines are reached through /dev/gpiochip*, which wants
#                     the group gpio, not a local resource.
# InputPollPeriod     inputs report edges; poll only counts where a chip reports none.
# InputGpios          the connector left the resistor alone without U or D, and so does bias: as-is.
#
# MQTT topics (THING is the core device), and what replaces them in the classic shadow:
#   gpio/THING/N/write    desired.gpioN, true for 1 and false for 0
#   gpio/THING/N/read     no request needed: reported.gpioN is up to date, get the shadow
#   gpio/THING/N/state    reported.gpioN, true for "1" and false for "0"
#   gpio/THING/error      reported.ack.gpioN, with code and reason for each desired value
`

func write(inputs, outputs []pin, poll time.Duration) []byte {
	var text, properties bytes.Buffer
	text.WriteString(head + "lines:\n")
	line := func(p pin, direction, more string) {
		fmt.Fprintf(&text, "  gpio%d: {line: GPIO%[1]d, direction: %s%s}\n", p.number, direction, more)
		fmt.Fprintf(&properties, "      gpio%d: {line: gpio%[1]d}\n", p.number)
	}
	for _, p := range inputs {
		more := map[string]string{"U": ", bias: pull-up", "D": ", bias: pull-down"}[p.mode]
		if poll > 0 {
			more += ", poll: " + poll.String()
		}
		line(p, "input", more)
	}
	for _, p := range outputs {
		line(p, "output", map[string]string{"H": ", start: on", "L": ", start: off"}[p.mode])
	}
	text.WriteString("shadows:\n  main:\n    properties:\n")
	text.Write(properties.Bytes())
	return text.Bytes()
}
