package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/time/rate"

	"github.com/shadowgpio/shadowgpio/component/internal/app/client"
	"github.com/shadowgpio/shadowgpio/component/internal/app/client/aws"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud"
	names "github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

//go:embed application.py
var applicationScript string

// applications is the way of an application: the cloud, the core device, the
// component, and back. All of shadowctl dev runs as users start it.
type applications struct {
	program string // shadowctl
	python  string
	samples int
	things  int // of a fleet; 0 is the way of one

	dir     string
	contact struct {
		Cloud struct{ HTTP string }
	}
}

const answerIn = 30 * time.Second

func (a *applications) run(ctx context.Context) (err error) {
	if a.program == "" {
		return errors.New("want -shadowctl PATH; scripts/bench.sh builds it")
	}
	if a.dir, err = os.MkdirTemp("", "bench"); err != nil {
		return err
	}
	defer os.RemoveAll(a.dir)
	if a.things > 0 {
		return a.fleet(ctx)
	}
	dev, err := a.dev(ctx, 3)
	if err != nil {
		return err
	}
	defer endDev(dev)
	return a.oneThing(ctx)
}

// dev starts shadowctl dev, and waits until so many shadows are in its cloud.
func (a *applications) dev(ctx context.Context, shadows int, args ...string) (*exec.Cmd, error) {
	cmd := a.shadowctl(ctx, append([]string{"dev"}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = answerIn
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for shadows > 0 && lines.Scan() {
		if strings.Contains(lines.Text(), "  cloud  ") && strings.Contains(lines.Text(), " version 1: reported") {
			shadows--
		}
	}
	if shadows > 0 {
		return nil, errors.Join(fmt.Errorf("shadowctl dev ended early"), cmd.Wait())
	}
	go func() {
		for lines.Scan() { // so that it is not held up
		}
	}()
	text, err := os.ReadFile(filepath.Join(a.dir, "dev", "contact.json"))
	if err == nil {
		err = json.Unmarshal(text, &a.contact)
	}
	return cmd, err
}

func endDev(cmd *exec.Cmd) {
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
}

func (a *applications) shadowctl(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, a.program, args...)
	cmd.Dir = a.dir
	cmd.Env = append(os.Environ(), "SHADOWGPIO_DEV_DIR="+filepath.Join(a.dir, "dev"))
	cmd.Stderr = os.Stderr
	return cmd
}

// oneThing measures the whole way, each way of an application beside the other.
func (a *applications) oneThing(ctx context.Context) error {
	account, err := aws.Open(ctx, aws.Options{
		Endpoint: "http://" + a.contact.Cloud.HTTP,
		Region:   cloud.Region, AccessKeyID: cloud.AccessKeyID, SecretAccessKey: cloud.SecretAccessKey,
	})
	if err != nil {
		return err
	}
	mqtt, err := account.MQTT(ctx)
	if err != nil {
		return err
	}
	defer mqtt.Close()
	rest, err := account.REST()
	if err != nil {
		return err
	}
	fmt.Printf("desired by an application to answered by the device, %d times\n", a.samples)
	fmt.Printf("   %-48s %9s %9s %10s %12s\n", "", "p50", "p99", "to boto3", "requests")
	var base durations
	row := func(name string, d durations, requests int64) {
		per := "-"
		if requests > 0 {
			per = fmt.Sprintf("%.1f", float64(requests)/float64(len(d)))
		}
		fmt.Printf("   %-48s %6d ms %6d ms %10.2f %12s\n", name, d.percentile(50).Milliseconds(), d.percentile(99).Milliseconds(),
			float64(d.percentile(50))/float64(base.percentile(50)), per)
	}
	for i, pause := range []string{"0.1", "1"} {
		d, requests, err := a.boto3(ctx, pause)
		if err != nil {
			return err
		}
		if i == 0 {
			base = d
		}
		row("boto3, polling every "+pause+" s", d, requests)
	}
	for _, c := range []struct {
		name    string
		service client.Service
	}{{"client.Desire over REST, polling", rest}, {"client.Desire over MQTT, connected", mqtt}} {
		pace := client.Paced(c.service, rate.Inf)
		d, err := a.times(func(value string) error {
			answers, err := client.Desire(ctx, pace, names.ID{Thing: "MyGateway"}, map[string]any{"lights": value}, answerIn, func(int64) {})
			if err == nil && client.Worst(answers) != client.Done {
				err = fmt.Errorf("%s: %v", c.name, answers)
			}
			return err
		})
		if err != nil {
			return err
		}
		row(c.name, d, pace.Requests())
	}
	for _, args := range [][]string{nil, {"--mqtt"}} {
		name := strings.Join(append([]string{"shadowctl set --wait, the whole program,"}, args...), " ")
		d, err := a.times(func(value string) error {
			return a.shadowctl(ctx, append([]string{"set", "lights=" + value, "--wait", answerIn.String()}, args...)...).Run()
		})
		if err != nil {
			return err
		}
		row(strings.TrimSuffix(name, ","), d, 0)
	}
	return nil
}

// betweenSets is longer than the component's pause between two reports of a shadow.
const betweenSets = 300 * time.Millisecond

// times measures turning the lights on and off in turn.
func (a *applications) times(set func(value string) error) (d durations, err error) {
	for i := range a.samples + 1 {
		time.Sleep(betweenSets)
		began := time.Now()
		if err := set([]string{"on", "off"}[i%2]); err != nil {
			return nil, err
		}
		if i > 0 {
			d = append(d, time.Since(began))
		}
	}
	return d, nil
}

func (a *applications) boto3(ctx context.Context, pause string) (d durations, requests int64, err error) {
	if a.python == "" {
		return nil, 0, errors.New("want -python, one with boto3; scripts/python.sh makes it")
	}
	cmd := exec.CommandContext(ctx, a.python, "-c", applicationScript, "http://"+a.contact.Cloud.HTTP, "MyGateway", "lights", fmt.Sprint(a.samples), pause, fmt.Sprint(betweenSets.Seconds()))
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+cloud.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+cloud.SecretAccessKey, "AWS_DEFAULT_REGION="+cloud.Region)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, 0, err
	}
	var result struct {
		Took     []float64
		Requests int64
	}
	if err := json.Unmarshal(out.Bytes(), &result); err != nil {
		return nil, 0, err
	}
	for _, seconds := range result.Took {
		d = append(d, time.Duration(seconds*float64(time.Second)))
	}
	return d, result.Requests, nil
}

// fleet changes a setting on many simulated things, as the example does.
func (a *applications) fleet(ctx context.Context) error {
	var config, list bytes.Buffer
	config.WriteString("shadows:\n")
	answering := 0
	for i := 1; i <= a.things; i++ {
		thing, highest := fmt.Sprintf("coffee-%05d", i), 98
		if i%33 == 0 {
			highest = 92 // of an old series
		}
		fmt.Fprintln(&list, thing)
		if i%50 != 0 { // every 50th is away
			answering++
			fmt.Fprintf(&config, "  %[1]s: {thing: %[1]s, properties: {limit: {setting: integer, min: 60, max: %[2]d, default: 90}}}\n", thing, highest)
		}
	}
	for name, text := range map[string][]byte{"coffee.yaml": config.Bytes(), "things.txt": list.Bytes()} {
		if err := os.WriteFile(filepath.Join(a.dir, name), text, 0o600); err != nil {
			return err
		}
	}
	began := time.Now()
	dev, err := a.dev(ctx, answering, "--config", "coffee.yaml")
	if err != nil {
		return err
	}
	defer endDev(dev)
	fmt.Printf("one setting on %d things, 3 %% of which refuse and 2 %% are away; %d are seen after %.1f s\n", a.things, answering, time.Since(began).Seconds())
	for _, transport := range [][]string{nil, {"--mqtt"}} {
		for _, limit := range []string{"95", "90"} { // which nobody refuses
			args := append([]string{
				"fleet", "set", "limit=" + limit, "--file", "things.txt", "--create", "--rate", "200", "--stop-after", "0", "--wait", "10s",
				"--yes", "--journal", "journal" + limit + strings.Join(transport, ""),
			}, transport...)
			fmt.Printf("\n%s %s\n", "shadowctl", strings.Join(args, " "))
			cmd := a.shadowctl(ctx, args...)
			cmd.Stderr = nil
			out, err := cmd.Output()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				return err
			}
			for line := range strings.Lines(string(out)) {
				if !strings.HasPrefix(line, "  ") {
					fmt.Print("   ", line)
				}
			}
		}
	}
	return nil
}
