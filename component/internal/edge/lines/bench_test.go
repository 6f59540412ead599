package lines_test

import (
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
)

// benchBank is a bank at rest, and the request of its input "in".
func benchBank(b *testing.B, now time.Time) (bank *lines.Bank, in lines.Request) {
	b.Helper()
	bank = lines.New(stormSetup(), lines.Memory{}, rand.New(rand.NewPCG(1, 2)), slog.New(slog.DiscardHandler))
	bank.Start(now)
	return bank, answer(bank, now)
}

// answer plays lines that follow at once, and returns the last request of "in".
func answer(bank *lines.Bank, now time.Time) (in lines.Request) {
	for effects := bank.Effects(); len(effects) > 0; effects = bank.Effects() {
		for _, effect := range effects {
			switch e := effect.(type) {
			case lines.Request:
				if bank.Ready(now, e.Claim, make([]bool, len(e.Lines))); e.Label == "in" {
					in = e
				}
			case lines.Write:
				bank.Written(now, e.Claim, e.Values)
			}
		}
	}
	bank.Notices()
	return in
}

// BenchmarkEdge is one edge of an input.
func BenchmarkEdge(b *testing.B) {
	now := time.Unix(1_700_000_000, 0)
	bank, in := benchBank(b, now)
	b.ReportAllocs()
	for on := true; b.Loop(); on = !on {
		now = now.Add(time.Second)
		if on {
			bank.Seen(now, in.Claim, in.Request, lines.Burst{Value: true, Rising: 1})
		} else {
			bank.Seen(now, in.Claim, in.Request, lines.Burst{Falling: 1})
		}
		bank.Tick(now)
		bank.Notices()
	}
}

// BenchmarkDrive is one demand on an output of an interlock, with its write.
func BenchmarkDrive(b *testing.B) {
	now := time.Unix(1_700_000_000, 0)
	bank, _ := benchBank(b, now)
	orders := map[string]lines.Order{}
	b.ReportAllocs()
	for on := true; b.Loop(); on = !on {
		now = now.Add(time.Second)
		orders["x"] = lines.Order{Demand: lines.Level(on)}
		if refused := bank.Drive(now, orders); len(refused) > 0 {
			b.Fatal(refused)
		}
		answer(bank, now)
	}
}
