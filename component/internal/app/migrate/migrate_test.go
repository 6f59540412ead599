package migrate

import (
	"strings"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/gpio"
)

const sample = `{"GpioMem-ResourceId": "my-gpio-resource", "InputGpios": "5,6U,7D", "InputPollPeriod": 50, "OutputGpios": "8H,9,27L"}`

func TestConvert(t *testing.T) {
	for _, document := range []string{
		sample,
		`{"Parameters": ` + sample + `}`,
		`{"Connectors": [{"ConnectorArn": "arn:aws:greengrass:region::/connectors/SNS/versions/1", "Parameters": {}},
			{"ConnectorArn": "arn:aws:greengrass:region::/connectors/RaspberryPiGPIO/versions/3", "Parameters": ` + sample + `}]}`,
		strings.Replace(sample, "50", `"50"`, 1),
	} {
		text, err := Convert([]byte(document))
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Parse(text, "gw")
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		for label, want := range map[string]struct {
			direction gpio.Direction
			bias      gpio.Bias
			start     config.Start
		}{
			"gpio5":  {gpio.Input, gpio.BiasAsIs, config.StartRestore},
			"gpio6":  {gpio.Input, gpio.BiasPullUp, config.StartRestore},
			"gpio7":  {gpio.Input, gpio.BiasPullDown, config.StartRestore},
			"gpio8":  {gpio.Output, gpio.BiasAsIs, config.StartOn},
			"gpio9":  {gpio.Output, gpio.BiasAsIs, config.StartRestore},
			"gpio27": {gpio.Output, gpio.BiasAsIs, config.StartOff},
		} {
			l := cfg.Lines[label]
			if l.Ref.Line != strings.ToUpper(label) || l.Direction != want.direction || l.Bias != want.bias || l.Start != want.start {
				t.Errorf("%s is %+v, want %+v", label, l, want)
			}
			if l.Direction == gpio.Input && l.Poll.Milliseconds() != 50 {
				t.Errorf("%s is polled every %v", label, l.Poll)
			}
			if cfg.Shadows["main"].Properties[label].Line != label {
				t.Errorf("no property %s", label)
			}
		}
		for _, topic := range []string{"/write", "/read", "/state", "/error", "GpioMem-ResourceId"} {
			if !strings.Contains(string(text), topic) {
				t.Errorf("nothing is said of %s", topic)
			}
		}
	}
}

func TestConvertRefuses(t *testing.T) {
	for document, want := range map[string]string{
		`{}`:                      "want InputGpios, OutputGpios or both",
		`[1]`:                     "want the connector's parameters",
		`{"InputGpois": "5"}`:     `did you mean "InputGpios"?`,
		`{"InputGpios": "5H"}`:    `InputGpios: want GPIO numbers such as "5,6U,7D", got "5H"`,
		`{"OutputGpios": "5,,U"}`: `got ""`,
		`{"OutputGpios": [5]}`:    "OutputGpios: want text",
		`{"InputGpios": "5", "InputPollPeriod": "0"}`: "InputPollPeriod: want milliseconds from 1, got 0",
		`{"InputGpios": "5", "OutputGpios": "5"}`:     "GPIO 5: want each once",
		`{"Connectors": []}`:                          "Connectors: want one with",
		`{"Parameters": 5}`:                           "Parameters: want a map, got 5",
	} {
		if _, err := Convert([]byte(document)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", document, err, want)
		}
	}
}
