package engine

import (
	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
)

// kinds is all kinds of properties: how each is made, and how it uses the lines
// that it drives.
var kinds = [...]struct {
	make func(p *property, alarms map[string]*alarm) kind
	use  func(p config.Property) lines.Use // of kinds that drive lines otherwise than to a level
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

// withoutAlarm makes a kind that needs no alarm.
func withoutAlarm(create func(*property) kind) func(*property, map[string]*alarm) kind {
	return func(p *property, _ map[string]*alarm) kind { return create(p) }
}

// Setup is what the line engine has to know of a configuration.
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
