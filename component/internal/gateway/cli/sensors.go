package cli

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/sensor"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

const sensorsText = `shadowgpio sensors lists the numbers that this machine can show as readings: metrics of the
host, thermal zones, hwmon chips, power supplies, 1-wire thermometers and IIO channels.
The name is that of "reading" in the configuration. Rates are measured over a second.

Exit codes: 0; 1 a family of sensors cannot be listed; 2 wrong usage.`

func sensorsCommand(env Env) *cobra.Command {
	c := &cobra.Command{
		Use: "sensors", Short: "list what this machine can show as readings, with the values of now", Long: sensorsText, Args: command.Nothing,
		Example: `  shadowgpio sensors
  shadowgpio sensors --json`,
	}
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = command.Ends(func(ctx context.Context, _ []string) int { return sensors(ctx, env, *asJSON) })
	return c
}

// sensorRow is one sensor, as --json prints it.
type sensorRow struct {
	Name  string   `json:"name"`
	Unit  string   `json:"unit"`
	Value *float64 `json:"value"` // null for none
	Error string   `json:"error,omitempty"`
}

func sensors(ctx context.Context, env Env, asJSON bool) int {
	all, err := env.Sensors.List()
	code := command.OK
	if err != nil {
		printable.Fprintln(env.Stderr, err)
		code = command.Failure
	}
	rows := make([]sensorRow, len(all))
	again := false
	for i, s := range all {
		rows[i] = read(s)
		again = again || rows[i].Value == nil
	}
	if again { // a rate needs two samples
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
		for i, s := range all {
			if rows[i].Value == nil {
				rows[i] = read(s)
			}
		}
	}
	if asJSON {
		printJSON(env, rows)
		return code
	}
	table := printable.NewTable(env.Stdout, 2)
	defer table.Flush()
	table.Row("SENSOR", "VALUE", "UNIT")
	for _, r := range rows {
		value := r.Error
		if r.Value != nil {
			value = strconv.FormatFloat(*r.Value, 'f', -1, 64)
		}
		table.Row(r.Name, value, cmp.Or(r.Unit, "-"))
	}
	return code
}

func read(s sensor.Sensor) sensorRow {
	value, err := s.Read()
	switch {
	case errors.Is(err, sensor.ErrNoData):
		return sensorRow{Name: s.Name, Unit: s.Unit, Error: err.Error()}
	case err != nil:
		return sensorRow{Name: s.Name, Unit: s.Unit, Error: "failed: " + err.Error()}
	}
	return sensorRow{Name: s.Name, Unit: s.Unit, Value: &value}
}
