package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/app/client"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/control"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

const compareText = `shadowctl compare shows the shadows of the core device and those of the cloud side by side.

Exit codes: 0 they are the same; 1 they differ, or it failed; 2 wrong usage.`

func compareCommand(env Env) *cobra.Command {
	return &cobra.Command{
		Use: "compare", Short: "show the shadows of device and cloud side by side", Long: compareText, Args: command.Nothing,
		RunE: command.Ends(func(ctx context.Context, _ []string) int { return compare(ctx, env) }),
	}
}

func compare(ctx context.Context, env Env) int {
	all, err := env.control().Compare(ctx)
	if err != nil {
		return fail(env, err)
	}
	code := command.OK
	w := printable.NewTable(env.Stdout, 3)
	for _, s := range all {
		same, err := printSides(w, s)
		if err != nil {
			return fail(env, err)
		}
		if !same {
			code = command.Failure
		}
	}
	w.Flush()
	return code
}

// printSides prints a table of one shadow, and reports whether both sides are the same.
func printSides(w *printable.Table, s control.Sides) (same bool, err error) {
	device, err := documentOf(s.Device)
	if err != nil {
		return false, err
	}
	cloud, err := documentOf(s.Cloud)
	if err != nil {
		return false, err
	}
	w.Row(shadow.ID{Thing: s.Thing, Name: s.Shadow}, "DEVICE, "+shownVersion(device), "", "CLOUD, "+shownVersion(cloud))
	w.Row("PROPERTY", "DESIRED", "REPORTED", "DESIRED", "REPORTED")
	keys := slices.Concat(client.Properties(device), client.Properties(cloud))
	slices.Sort(keys)
	same = true
	for _, key := range slices.Compact(keys) {
		row := []any{key, client.Cell(device.Desired, key), client.Cell(device.Reported, key), client.Cell(cloud.Desired, key), client.Cell(cloud.Reported, key)}
		if !shadow.Equal(device.Desired[key], cloud.Desired[key]) || !shadow.Equal(device.Reported[key], cloud.Reported[key]) {
			row, same = append(row, "differs"), false
		}
		w.Row(row...)
	}
	w.Row()
	return same, nil
}

// documentOf is an empty document where there is no shadow.
func documentOf(text json.RawMessage) (shadow.Document, error) {
	if len(text) == 0 {
		return shadow.Document{}, nil
	}
	return shadow.ParseDocument(text)
}

func shownVersion(d shadow.Document) string {
	if d.Version == 0 {
		return "no shadow"
	}
	return fmt.Sprintf("version %d", d.Version)
}
