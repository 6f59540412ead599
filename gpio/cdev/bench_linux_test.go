package cdev_test

import (
	"testing"
	"time"

	"github.com/warthog618/go-gpiocdev"

	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/cdev"
)

// BenchmarkKernel compares this package with bare go-gpiocdev on the same line:
// ns/op is ours, "bare-ns/op" theirs, "ratio" the one over the other.
//
//	scripts/kernel.sh run -- ./cdev.test -test.run '^$' -test.bench Kernel -test.benchmem
func BenchmarkKernel(b *testing.B) {
	name := newChip(b).name()
	lines, err := cdev.New().Request(name, "bench", []gpio.LineConfig{{Direction: gpio.Output}})
	if err != nil {
		b.Fatal(err)
	}
	defer lines.Close()
	bare, err := gpiocdev.RequestLines(name, []int{1}, gpiocdev.AsOutput(0))
	if err != nil {
		b.Fatal(err)
	}
	defer bare.Close()
	ourValues, bareValues := []bool{true}, []int{1}
	b.Run("set", func(b *testing.B) {
		compare(b, func() error { return lines.SetValues(ourValues) }, func() error { return bare.SetValues(bareValues) })
	})
	b.Run("read", func(b *testing.B) {
		compare(b, func() error { _, err := lines.Values(); return err }, func() error { return bare.Values(bareValues) })
	})
}

// compare runs both in turns, so that what disturbs the machine disturbs both.
func compare(b *testing.B, ours, bare func() error) {
	b.ReportAllocs()
	const turn = 100
	var spent time.Duration
	rounds := 0
	for b.Loop() {
		if err := ours(); err != nil {
			b.Fatal(err)
		}
		if rounds++; rounds%turn != 0 {
			continue
		}
		b.StopTimer()
		start := time.Now()
		for range turn {
			if err := bare(); err != nil {
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
