package engine

import (
	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
)

// outputUses are the uses of the outputs of properties, by kind. A kind that is not
// listed drives a plain level.
var outputUses = map[config.Kind]func(config.Property) lines.Use{
	config.Pulse: func(config.Property) lines.Use { return lines.Use{Momentary: true} },
	config.Blink: func(p config.Property) lines.Use { return lines.Use{Wave: lines.Wave(p.On, p.Off)} },
	config.PWM:   func(p config.Property) lines.Use { return lines.Use{Period: p.Period} },
}

// Setup is what a configuration asks of the lines.
func Setup(cfg *config.Config) lines.Setup {
	setup := lines.Setup{Lines: cfg.Lines, Interlocks: cfg.Interlocks}
	for _, s := range cfg.Shadows {
		for _, p := range s.Properties {
			if !p.Output {
				continue
			}
			use := lines.Use{}
			if of := outputUses[p.Kind]; of != nil {
				use = of(p)
			}
			use.Lines = p.Lines()
			setup.Uses = append(setup.Uses, use)
		}
	}
	return setup
}
