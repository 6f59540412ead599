package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

var (
	//go:embed client.py
	pythonClient []byte
	//go:embed client.mjs
	nodeClient []byte
	//go:embed Client.java
	javaClient []byte
)

// official is one of AWS's clients.
type official struct {
	name    string
	missing string   // why it cannot be measured
	command []string // its last word is the file of the program
	program []byte
}

func (b *bench) officials() []official {
	all := []official{
		{name: "AWS's client (Python awsiotsdk, V2)", command: []string{b.python, filepath.Join(b.dir, "client.py")}, program: pythonClient},
		{name: "AWS's client (Node aws-iot-device-sdk-v2)", command: []string{"node", filepath.Join(b.dir, "client.mjs")}, program: nodeClient},
		{name: "AWS's client (Java aws-iot-device-sdk, V2)", command: []string{"java", "-cp", b.java, filepath.Join(b.dir, "Client.java")}, program: javaClient},
	}
	for i, given := range []string{b.python, b.node, b.java} {
		if given == "" {
			all[i].missing = all[i].name + ": not measured, it was not given"
		}
	}
	return all
}

// prepare makes the process of a client, which it does not start.
func (b *bench) prepare(ctx context.Context, o official, args ...string) (*exec.Cmd, error) {
	if err := os.WriteFile(o.command[len(o.command)-1], o.program, 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, o.command[0], append(o.command[1:len(o.command):len(o.command)], args...)...)
	cmd.Env = append(os.Environ(), b.environment()...)
	cmd.Env = append(cmd.Env, "SHADOWGPIO_NODE="+b.node)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd, nil
}

func (b *bench) officialRoundTrips(ctx context.Context, o official) (durations, error) {
	cmd, err := b.prepare(ctx, o, "calls", strconv.Itoa(warm), strconv.Itoa(b.calls))
	if err != nil {
		return nil, err
	}
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.name, err)
	}
	var d durations
	for line := range bytes.Lines(out) {
		ns, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.name, err)
		}
		d = append(d, time.Duration(ns))
	}
	return d, nil
}
