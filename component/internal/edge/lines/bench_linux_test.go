package lines_test

import (
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/warthog618/go-gpiocdev"
	"github.com/warthog618/go-gpiosim"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/cdev"
	"github.com/shadowgpio/shadowgpio/gpio/gpiotest"
)

// BenchmarkKernelDrive compares a demand, through the bank and package cdev to the
// line and its reading back, with the same two calls of bare go-gpiocdev on another
// line: ns/op is ours, "bare-ns/op" theirs, "ratio" the one over the other.
//
//	scripts/kernel.sh run -- ./lines.test -test.run '^$' -test.bench KernelDrive -test.benchmem
func BenchmarkKernelDrive(b *testing.B) {
	gpiotest.RequireKernel(b)
	sim, err := gpiosim.NewSim(gpiosim.WithBank(gpiosim.NewBank("drive", 2)))
	if err != nil {
		b.Fatal(err)
	}
	defer sim.Close()
	chip := sim.Chips[0].DevPath()
	held, err := cdev.New().Request(chip, "bench", []gpio.LineConfig{{Direction: gpio.Output}})
	if err != nil {
		b.Fatal(err)
	}
	defer held.Close()
	bare, err := gpiocdev.RequestLines(chip, []int{1}, gpiocdev.AsOutput(0))
	if err != nil {
		b.Fatal(err)
	}
	defer bare.Close()

	setup := lines.Setup{Lines: map[string]config.Line{"lamp": {Ref: gpio.Ref{Line: "lamp"}, Direction: gpio.Output}}}
	bank := lines.New(setup, lines.Memory{}, rand.New(rand.NewPCG(1, 2)), slog.New(slog.DiscardHandler))
	bank.Start(time.Now())
	bank.Ready(time.Now(), "lamp", []bool{false})
	bank.Effects()
	bank.Notices()
	orders := map[string]lines.Order{}
	values := []int{0}

	b.ReportAllocs()
	const turn = 100
	var spent time.Duration
	rounds := 0
	for b.Loop() {
		orders["lamp"] = lines.Order{Demand: lines.Level(rounds%2 == 0)}
		bank.Drive(time.Now(), orders)
		for _, effect := range bank.Effects() {
			if write, ok := effect.(lines.Write); ok {
				if err := held.SetValues(write.Values); err != nil {
					b.Fatal(err)
				}
				read, err := held.Values()
				if err != nil {
					b.Fatal(err)
				}
				bank.Written(time.Now(), write.Claim, read)
			}
		}
		bank.Notices()
		if rounds++; rounds%turn != 0 {
			continue
		}
		b.StopTimer()
		start := time.Now()
		for i := range turn {
			values[0] = i % 2
			if err := bare.SetValues(values); err != nil {
				b.Fatal(err)
			}
			if err := bare.Values(values); err != nil {
				b.Fatal(err)
			}
		}
		spent += time.Since(start)
		b.StartTimer()
	}
	if done := rounds / turn * turn; done > 0 {
		perOp := float64(spent.Nanoseconds()) / float64(done)
		b.ReportMetric(perOp, "bare-ns/op")
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rounds)/perOp, "ratio")
	}
}
