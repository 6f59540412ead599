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
	config.Level:     {make: of(newLevel)},
	config.Pulse:     {make: of(newPulse), use: func(config.Property) lines.Use { return lines.Use{Momentary: true} }},
	config.Blink:     {make: of(newBlink), use: func(p config.Property) lines.Use { return lines.Use{Wave: lines.Wave(p.On, p.Off)} }},
	config.PWM:       {make: of(newPWM), use: func(p config.Property) lines.Use { return lines.Use{Period: p.Period} }},
	config.Pattern:   {make: of(newPattern)},
	config.Count:     {make: of(newCount)},
	config.Rate:      {make: of(newRate)},
	config.Period:    {make: of(newPeriod)},
	config.Changed:   {make: of(newChanged)},
	config.Duty:      {make: of(newDuty)},
	config.LastPulse: {make: of(newLastPulse)},
	config.Reading:   {make: of(newReading)},
	config.Setting:   {make: of(newSetting)},
	config.Flag:      {make: func(p *property, alarms map[string]*alarm) kind { return newFlag(p, alarms[p.Alarm]) }},
	config.Schedule:  {make: of(newSchedule)},
}

// of is a kind that needs no alarm.
func of(create func(*property) kind) func(*property, map[string]*alarm) kind {
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
			if of := kinds[p.Kind].use; of != nil {
				use = of(p)
			}
			use.Lines = p.Lines()
			setup.Uses = append(setup.Uses, use)
		}
	}
	return setup
}
