package engine

import (
	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
)

// kinds lists all kinds of properties: how to make each kind, and how it uses its
// output lines.
var kinds = [...]struct {
	make func(p *property, alarms map[string]*alarm) kind
	use  func(p config.Property) lines.Use // for outputs other than plain levels
}{
	config.Level:     {make: withoutAlarm(newLevel)},
	config.Pulse:     {make: withoutAlarm(newPulse), use: func(config.Property) lines.Use { return lines.Use{Momentary: true} }},
	config.Blink:     {make: withoutAlarm(newBlink), use: func(p config.Property) lines.Use { return lines.Use{Wave: lines.Wave(p.On, p.Off)} }},
	config.PWM:       {make: withoutAlarm(newPWM), use: func(p config.Property) lines.Use { return lines.Use{Period: p.Period} }},
	config.Pattern:   {make: withoutAlarm(newPattern)},
	config.Count:     {make: withoutAlarm(newCount)},
	config.Rate:      {make: withoutAlarm(newRate)},
	config.Period:    {make: withoutAlarm(newPeriod)},
	config.Changed:   {make: withoutAlarm(newChanged)},
	config.Duty:      {make: withoutAlarm(newDuty)},
	config.LastPulse: {make: withoutAlarm(newLastPulse)},
	config.Reading:   {make: withoutAlarm(newReading)},
	config.Setting:   {make: withoutAlarm(newSetting)},
	config.Flag:      {make: func(p *property, alarms map[string]*alarm) kind { return newFlag(p, alarms[p.Alarm]) }},
	config.Schedule:  {make: withoutAlarm(newSchedule)},
}

// withoutAlarm adapts the constructor of a kind without an alarm.
func withoutAlarm(create func(*property) kind) func(*property, map[string]*alarm) kind {
	return func(p *property, _ map[string]*alarm) kind { return create(p) }
}

// Setup returns the part of a configuration used by the lines.
func Setup(cfg *config.Config) lines.Setup {
	setup := lines.Setup{Lines: cfg.Lines, Interlocks: cfg.Interlocks}
	for _, label := range sortedKeys(cfg.Shadows) {
		properties := cfg.Shadows[label].Properties
		for _, key := range sortedKeys(properties) {
			p := properties[key]
			if !p.Output {
				continue
			}
			use := lines.Use{}
			if describe := kinds[p.Kind].use; describe != nil {
				use = describe(p)
			}
			use.Lines = p.Lines()
			setup.Uses = append(setup.Uses, use)
		}
	}
	return setup
}
