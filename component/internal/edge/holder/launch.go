package holder

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// launchTime is how long a holder may take to listen.
const launchTime = 10 * time.Second

// Ready is what a holder prints when it listens, a line of its own.
const Ready = "ready"

// Detach starts the program with args in a session of its own, without our
// environment's secrets, and returns when it has printed [Ready]. When this process
// ends, which should be soon, it is nobody's child but the system's. What it prints
// instead of Ready is the error.
func Detach(program string, args ...string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.Command(program, args...)
	cmd.Dir = "/" // or a file system could not be unmounted
	cmd.Env = environment()
	cmd.Stdout, cmd.Stderr = w, w
	cmd.SysProcAttr = session()
	err = cmd.Start()
	w.Close()
	if err != nil {
		return err
	}
	r.SetReadDeadline(time.Now().Add(launchTime))
	text, err := bufio.NewReader(r).ReadString('\n')
	if text == Ready+"\n" {
		return cmd.Process.Release()
	}
	cmd.Process.Kill()
	cmd.Wait()
	return fmt.Errorf("the holder did not start: %s%w", text, err)
}

// environment is ours without what a nucleus entrusts to a component alone, and
// for a program that is to be small.
func environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "SVCUID=") || strings.HasPrefix(variable, "AWS_")
	})
	return append(env, "GOMAXPROCS=1", "GOGC=50")
}

// launch runs the command that starts a holder and returns when it listens.
func launch(ctx context.Context, command []string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*launchTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(out.String()))
	}
	return nil
}
