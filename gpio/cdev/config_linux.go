package cdev

import (
	"time"

	"github.com/warthog618/go-gpiocdev/uapi"

	"github.com/shadowgpio/shadowgpio/gpio"
)

var (
	directionFlags = map[gpio.Direction]uapi.LineFlagV2{
		gpio.Input:  uapi.LineFlagV2Input,
		gpio.Output: uapi.LineFlagV2Output,
	}
	biasFlags = map[gpio.Bias]uapi.LineFlagV2{
		gpio.BiasDisabled: uapi.LineFlagV2BiasDisabled,
		gpio.BiasPullUp:   uapi.LineFlagV2BiasPullUp,
		gpio.BiasPullDown: uapi.LineFlagV2BiasPullDown,
	}
	driveFlags = map[gpio.Drive]uapi.LineFlagV2{
		gpio.OpenDrain:  uapi.LineFlagV2OpenDrain,
		gpio.OpenSource: uapi.LineFlagV2OpenSource,
	}
	edgeFlags = map[gpio.Edges]uapi.LineFlagV2{
		gpio.RisingEdges:  uapi.LineFlagV2EdgeRising,
		gpio.FallingEdges: uapi.LineFlagV2EdgeFalling,
		gpio.BothEdges:    uapi.LineFlagV2EdgeBoth,
	}
)

func flagsOf(c gpio.LineConfig) uapi.LineFlagV2 {
	flags := directionFlags[c.Direction] | biasFlags[c.Bias] | driveFlags[c.Drive] | edgeFlags[c.Edges]
	if c.ActiveLow {
		flags |= uapi.LineFlagV2ActiveLow
	}
	return flags
}

// which is the key whose flag is set among those of mask, or the zero value.
func which[K comparable](flags map[K]uapi.LineFlagV2, set, mask uapi.LineFlagV2) (key K) {
	for k, flag := range flags {
		if set&mask == flag {
			return k
		}
	}
	return key
}

// encode makes the kernel's configuration of lines that gpio.Validate passed: the
// flags of the first line for all, and attributes for what differs.
func encode(lines []gpio.LineConfig) *uapi.LineConfig {
	config := &uapi.LineConfig{Flags: flagsOf(lines[0])}
	var outputs, values uapi.LineBitmap
	for i, line := range lines {
		bit := uapi.NewLineBits(i)
		if flags := flagsOf(line); flags != config.Flags {
			attach(config, flags.Encode(), bit)
		}
		if line.Debounce != 0 {
			attach(config, uapi.DebouncePeriod(line.Debounce).Encode(), bit)
		}
		if line.Direction == gpio.Output {
			outputs |= bit
			values = values.Set(i, number(line.Value))
		}
	}
	if outputs != 0 {
		attach(config, uapi.OutputValues(values).Encode(), outputs)
	}
	return config
}

func attach(config *uapi.LineConfig, attr uapi.LineAttribute, lines uapi.LineBitmap) {
	for i := range config.NumAttrs {
		if config.Attrs[i].Attr == attr {
			config.Attrs[i].Mask |= lines
			return
		}
	}
	config.AddAttribute(uapi.LineConfigAttribute{Attr: attr, Mask: lines})
}

func number(value bool) int {
	if value {
		return 1
	}
	return 0
}

func decodeInfo(raw uapi.LineInfoV2) gpio.LineInfo {
	info := gpio.LineInfo{
		Offset:    int(raw.Offset),
		Name:      uapi.BytesToString(raw.Name[:]),
		Consumer:  uapi.BytesToString(raw.Consumer[:]),
		Used:      raw.Flags.IsUsed(),
		ActiveLow: raw.Flags.IsActiveLow(),
		Direction: which(directionFlags, raw.Flags, uapi.LineFlagV2DirectionMask),
		Bias:      which(biasFlags, raw.Flags, uapi.LineFlagV2BiasMask),
		Drive:     which(driveFlags, raw.Flags, uapi.LineFlagV2DriveMask),
		Edges:     which(edgeFlags, raw.Flags, uapi.LineFlagV2EdgeMask),
	}
	for _, attr := range raw.Attrs[:min(int(raw.NumAttrs), len(raw.Attrs))] {
		if attr.ID == uapi.LineAttributeIDDebounce {
			info.Debounce = time.Duration(attr.Value32()) * time.Microsecond
		}
	}
	return info
}
