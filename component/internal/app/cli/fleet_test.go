package cli

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/app/client/aws"
	"github.com/shadowgpio/shadowgpio/component/internal/app/devenv"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

func startCloud(t *testing.T) *cloud.Cloud {
	t.Helper()
	c, err := cloud.Start(cloud.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// terminal calls asked when a question was printed.
type terminal struct {
	strings.Builder
	asked func()
}

func (w *terminal) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "[y/N]") {
		w.asked()
	}
	return w.Builder.Write(p)
}

// TestAQuestionIsInterrupted has Ctrl-C end a command that waits for an answer.
func TestAQuestionIsInterrupted(t *testing.T) {
	c := startCloud(t)
	t.Setenv("AWS_ACCESS_KEY_ID", cloud.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", cloud.SecretAccessKey)
	nobody, keep := io.Pipe()
	defer keep.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	w := &terminal{asked: interrupt}
	dir := devenv.Dir(t.TempDir())
	root := command.Group("shadowctl", "", "")
	AddTo(root, Env{Stdin: nobody, Stdout: w, Stderr: w, Dir: &dir})
	code := command.Execute(ctx, root, []string{
		"fleet", "set", "a=1", "--things", "T", "--create", "--endpoint", "http://" + c.HTTP, "--region", cloud.Region,
	}, w, w)
	if code != command.Failure || !strings.Contains(w.String(), "nothing was changed") {
		t.Errorf("exit code %d: %s", code, w)
	}
	if records := c.Shadows.Records(); len(records) > 0 {
		t.Errorf("it has changed %v", records)
	}
}

// TestAJournalNamesTheAccount asks AWS for the endpoint, which tells accounts apart whatever
// their profiles are called.
func TestAJournalNamesTheAccount(t *testing.T) {
	c := startCloud(t)
	var dir devenv.Dir
	o := &fleetOptions{reach: &reach{
		env: Env{Dir: &dir},
		aws: aws.Options{Region: cloud.Region, AccessKeyID: cloud.AccessKeyID, SecretAccessKey: cloud.SecretAccessKey, APIEndpoint: "http://" + c.HTTP},
	}}
	if where, err := o.where(t.Context()); err != nil || where != c.HTTPS {
		t.Errorf("%q, %v; want %q", where, err, c.HTTPS)
	}
}
