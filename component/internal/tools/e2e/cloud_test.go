package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/shadows"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

// remoteApplication is a program that knows the cloud's data plane only.
type remoteApplication struct {
	t      *testing.T
	cloud  *cloud.Cloud
	shadow string // "" is the classic one
}

func startCloud(t *testing.T, service shadows.Config) *cloud.Cloud {
	t.Helper()
	c, err := cloud.Start(cloud.Config{Dir: t.TempDir(), Shadows: service})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// call makes a signed request about the shadow.
func (a *remoteApplication) call(method, body string) (answer []byte) {
	a.t.Helper()
	address := "http://" + a.cloud.HTTP + "/things/" + thing + "/shadow"
	if a.shadow != "" {
		address += "?name=" + a.shadow
	}
	r, err := http.NewRequestWithContext(a.t.Context(), method, address, bytes.NewReader([]byte(body)))
	if err != nil {
		a.t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(body))
	credentials := aws.Credentials{AccessKeyID: cloud.AccessKeyID, SecretAccessKey: cloud.SecretAccessKey}
	if err := v4.NewSigner().SignHTTP(a.t.Context(), credentials, r, hex.EncodeToString(sum[:]), "iotdata", cloud.Region, time.Now()); err != nil {
		a.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer response.Body.Close()
	if answer, err = io.ReadAll(response.Body); err != nil {
		a.t.Fatal(err)
	}
	return answer
}

func (a *remoteApplication) desire(desired string) {
	a.t.Helper()
	a.call("POST", `{"state":{"desired":`+desired+`}}`)
}

// sees waits until the cloud's shadow reports this, among other things.
func (a *remoteApplication) sees(want string) {
	a.t.Helper()
	var wanted map[string]any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		a.t.Fatal(err)
	}
	awaitTrue(a.t, "the cloud's shadow with reported "+want, func() bool {
		var d struct {
			State struct{ Reported map[string]any }
		}
		return json.Unmarshal(a.call("GET", ""), &d) == nil && contains(d.State.Reported, wanted)
	})
}

// section returns one section of the cloud's shadow.
func (a *remoteApplication) section(name string) map[string]any {
	a.t.Helper()
	var d struct{ State map[string]map[string]any }
	if err := json.Unmarshal(a.call("GET", ""), &d); err != nil {
		a.t.Fatal(err)
	}
	return d.State[name]
}

func (a *remoteApplication) desired(key string) any  { return a.section("desired")[key] }
func (a *remoteApplication) reported(key string) any { return a.section("reported")[key] }

// TestFromTheApplicationToTheLineAndBack goes all the way: data plane, cloud, core
// device, IPC, component, line, and back; with the link cut while both sides change.
func TestFromTheApplicationToTheLineAndBack(t *testing.T) {
	c := startCloud(t, shadows.Config{})
	r := newRig(t, houseConfig)
	r.core.Close()
	var err error
	r.core, err = devcore.New(devcore.Config{
		Dir: filepath.Join(r.dir, "core"), ThingName: thing, Observe: r.events.add, Broker: c.Broker.CoreDevice(thing),
		Synchronize: devcore.Synchronize{Cloud: c.CoreDevice(), Shadows: []devcore.ShadowName{{Thing: thing}}},
	})
	if err == nil {
		err = r.core.LoadConfiguration(componentName, filepath.Join(r.dir, "config.yaml"))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.core.Close() })
	r.core.SetToken(componentName, r.token)
	r.simulate()
	r.serve()
	r.start()
	app := &remoteApplication{t: t, cloud: c}
	app.sees(`{"lights":"off","locked":false}`)

	app.desire(`{"lights":"on"}`)
	app.sees(`{"lights":"on","ack":{"lights":{"code":200}}}`)
	if !r.level(lampOffset) {
		t.Error("the application sees the light on, the line is low")
	}

	r.core.SetLink(false)
	app.desire(`{"lights":"off"}`)
	if err := r.chip.SetPull(chipName, doorOffset, true); err != nil {
		t.Fatal(err)
	}
	r.reported("", `{"locked":true}`)
	if !r.level(lampOffset) {
		t.Error("the line followed the application with the link cut")
	}
	app.sees(`{"lights":"on","locked":false}`)

	r.core.SetLink(true)
	app.sees(`{"lights":"off","locked":true,"ack":{"lights":{"code":200}}}`)
	if r.level(lampOffset) {
		t.Error("the application sees the light off, the line is high")
	}
}
