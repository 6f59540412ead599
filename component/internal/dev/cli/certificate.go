package cli

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/pki"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

const certificateText = `shadowctl certificate makes a client certificate for the development cloud, and prints
the files that a client needs: what it trusts, its certificate, its key.`

func certificateCommand(env Env) *cobra.Command {
	return &cobra.Command{
		Use: "certificate NAME", Short: "make a client certificate for the development cloud", Long: certificateText, Args: command.Arguments(1, 1, "one NAME"),
		RunE: command.Ends(func(_ context.Context, args []string) int { return certificate(env, args[0]) }),
	}
}

func certificate(env Env, name string) int {
	authority, err := pki.Open(filepath.Join(env.dir.Cloud(), cloud.CertificatesDir)) // the cloud need not run
	if err != nil {
		return fail(env, err)
	}
	pair, err := authority.Client(name)
	if errors.Is(err, pki.ErrName) {
		err = command.UsageError(err)
	}
	if err != nil {
		return fail(env, err)
	}
	printable.Fprintf(env.Stdout, "ca           %s\ncertificate  %s\nkey          %s\n", authority.CAFile(), pair.Certificate, pair.Key)
	return command.OK
}
