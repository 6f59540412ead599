package ctl

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/broker"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/internal/shadowsync"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

// cloudContact tells how a running development cloud is reached.
type cloudContact struct {
	MQTT  string `json:"mqtt"`  // host:port, TLS with client certificates
	HTTPS string `json:"https"` // host:port of the data plane, and of MQTT over WebSocket
	HTTP  string `json:"http"`  // host:port of the same without TLS
	CA    string `json:"ca"`    // file of the certificate that clients trust
}

// startCloud starts the development cloud, and prints what happens in it.
func (d *devOptions) startCloud(out *stream) (*cloud.Cloud, error) {
	c, err := cloud.Start(cloud.Config{Dir: d.place.cloud(), Logger: slog.New(out.handler("cloud", slog.LevelError))})
	if err != nil {
		return nil, err
	}
	for _, filter := range []string{"$aws/things/+/shadow/+/accepted", "$aws/things/+/shadow/name/+/+/accepted"} {
		if _, err := c.Broker.Subscribe(filter, out.cloudMessage); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// synchronize is how the core device synchronizes: all shadows that the
// configuration names, as a deployment would list them.
func (d *devOptions) synchronize(c *cloud.Cloud) (devcore.Synchronize, error) {
	cfg, err := d.readConfig(d.thing)
	if err != nil {
		return devcore.Synchronize{}, err
	}
	z := devcore.Synchronize{Cloud: c.CoreDevice()}
	for _, label := range slices.Sorted(maps.Keys(cfg.Shadows)) {
		id := cfg.Shadows[label].ID
		z.Shadows = append(z.Shadows, shadowsync.Key{Thing: id.Thing, Shadow: id.Name})
	}
	return z, nil
}

// cloudMessage prints a change in the cloud.
func (s *stream) cloudMessage(m broker.Message) {
	parts := strings.Split(m.Topic, "/") // $aws/things/THING/shadow[/name/SHADOW]/VERB/accepted
	id := shadow.ID{Thing: parts[2]}
	if len(parts) == 8 {
		id.Name = parts[5]
	}
	version, err := shadow.ParseVersion(m.Payload)
	if err != nil {
		return
	}
	switch parts[len(parts)-2] {
	case "delete":
		s.say("cloud", "%v deleted", id)
	case "update":
		for _, text := range sections(m.Payload) {
			s.say("cloud", "%v version %d: %s", id, version, text)
		}
	}
}

// greetCloud says how the cloud is reached, and what to try.
func greetCloud(w io.Writer, c cloudContact, ctl, thing string) {
	fmt.Fprintf(w, "\nThe development cloud, for AWS's own clients:\n\n")
	fmt.Fprintf(w, "  export AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s AWS_DEFAULT_REGION=%s\n", cloud.AccessKeyID, cloud.SecretAccessKey, cloud.Region)
	fmt.Fprintf(w, "  aws --endpoint-url http://%s iot-data get-thing-shadow --thing-name %s /dev/stdout\n", c.HTTP, thing)
	fmt.Fprintf(w, "  MQTT over TLS at %s, over WebSocket at wss://%s/mqtt; clients trust %s\n", c.MQTT, c.HTTPS, c.CA)
	for _, t := range [][2]string{
		{"watch", "each change in the cloud, as applications see it"},
		{"interactive", "play the application"},
		{"certificate my-application", "a client certificate for MQTT over TLS"},
		{"compare", "device and cloud side by side"},
		{"link down", "cut the connection; change both sides; link up, compare"},
		{"link slow 2s", "have the cloud be far away, until link slow 0s"},
	} {
		fmt.Fprintf(w, "  %s %-41s # %s\n", ctl, t[0], t[1])
	}
}
