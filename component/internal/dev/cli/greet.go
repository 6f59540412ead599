package cli

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/shadowgpio/shadowgpio/component/internal/app/devenv"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/board"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/environment"
	component "github.com/shadowgpio/shadowgpio/component/internal/edge/control"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

// greet says what runs and what to try.
func greet(env Env, o environment.Options, c devenv.Contact, token string) {
	ctl := command.Invocation()
	if o.Dir != devenv.DefaultDir(env.Getenv) {
		ctl = devenv.DirVariable + "=" + string(o.Dir) + " " + ctl
	}
	w := env.Stdout
	kind := "development core"
	if o.Lite {
		kind += " (nucleus lite)"
	}
	printable.Fprintf(w, "ShadowGPIO %s, thing %s\n\n", kind, o.Thing)
	chip := "simulated, the lines are those of the configuration"
	if o.Chip != "" {
		chip = o.Chip
	}
	printable.Fprintf(w, "  configuration  %s\n  shadows        %s\n  chip           %s\n\n", o.Dir.Config(), o.Dir.Core(), chip)
	printable.Fprintf(w, "In another terminal:\n\n")
	tries := [][2]string{
		{"get", "what is desired, reported, answered"},
		{"fault add '* drop times 1'", "the core device fails on purpose: it drops a connection"},
	}
	if text, err := os.ReadFile(o.Dir.Config()); err == nil && bytes.Equal(text, board.Config) {
		tries = append([][2]string{
			{"set lights=on --wait 5s", "desire a value, wait for the device's answer"},
			{"set lights=blue --wait 5s", "a value that the device refuses"},
		}, append(tries, [][2]string{
			{"press door", "close the contact of an input; release opens it"},
			{"bounce motion", "a worn contact: many edges, the right value in the end"},
			{"hold button 100ms", "a button on the wall: the lamp toggles, with or without a link"},
			{"set bell=true --shadow workshop --wait 5s", "a pulse: done when it is over"},
			{"set fan=true --shadow room", "a named shadow"},
		}...)...)
	}
	for _, t := range tries {
		printable.Fprintf(w, "  %s %-41s # %s\n", ctl, t[0], t[1])
	}
	printable.Fprintf(w, "\nWhat the component is doing, as on a gateway (also get, set, watch):\n\n")
	printable.Fprintf(w, "  %s status --socket %s\n", gatewayCommand(), filepath.Join(o.Dir.Work(), component.SocketName))
	greetCloud(w, c.Cloud, ctl, o.Thing)
	printable.Fprintf(w, "\nYour own component, in any language, with AWS's own clients:\n\n")
	printable.Fprintf(w, "  export AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT=%s\n  export SVCUID=%s AWS_IOT_THING_NAME=%s\n\n", c.Socket, token, c.ThingName)
}

// greetCloud says how the cloud is reached, and what to try.
func greetCloud(w io.Writer, c devenv.Cloud, ctl, thing string) {
	printable.Fprintf(w, "\nThe development cloud, for AWS's own clients:\n\n")
	printable.Fprintf(w, "  export AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s AWS_DEFAULT_REGION=%s\n", c.AccessKeyID, c.SecretAccessKey, c.Region)
	printable.Fprintf(w, "  aws --endpoint-url http://%s iot-data get-thing-shadow --thing-name %s /dev/stdout\n", c.HTTP, thing)
	printable.Fprintf(w, "  MQTT over TLS at %s, over WebSocket at wss://%s/mqtt; clients trust %s\n", c.MQTT, c.HTTPS, c.CA)
	for _, t := range [][2]string{
		{"watch", "each change in the cloud, as applications see it"},
		{"interactive", "play the application"},
		{"certificate my-application", "a client certificate for MQTT over TLS"},
		{"compare", "device and cloud side by side"},
		{"link down", "cut the connection; change both sides; link up, compare"},
		{"link slow 2s", "have the cloud be far away, until link slow 0s"},
	} {
		printable.Fprintf(w, "  %s %-41s # %s\n", ctl, t[0], t[1])
	}
}

// gatewayCommand is how shadowgpio is called by whoever called this program.
func gatewayCommand() string {
	if strings.HasPrefix(command.Invocation(), "go run") {
		return "go run ./component/cmd/shadowgpio"
	}
	return "shadowgpio"
}
