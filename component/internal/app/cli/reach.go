package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"golang.org/x/time/rate"

	"github.com/shadowgpio/shadowgpio/component/internal/app/client"
	"github.com/shadowgpio/shadowgpio/component/internal/app/client/aws"
	"github.com/shadowgpio/shadowgpio/component/internal/app/devenv"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

const reachText = `

Shadows are those of shadowctl dev's cloud while it runs, unless an option names another
place; else those of AWS, with the ordinary configuration of AWS's tools (profiles,
environment, roles). With --core they are those of the development core device, as the
component sees them, with or without a link.`

// reach are the options that say where shadows are.
type reach struct {
	env  Env
	core bool
	mqtt bool
	aws  aws.Options
}

// reachFlags adds the options that say where shadows are.
func reachFlags(c *cobra.Command, env Env) *reach {
	r := &reach{env: env}
	f := c.Flags()
	f.BoolVar(&r.core, "core", false, "the core device of shadowctl dev, over its IPC")
	f.BoolVar(&r.mqtt, "mqtt", false, "over MQTT rather than REST; implied by --certificate")
	f.StringVar(&r.aws.Profile, "profile", "", "`NAME` of the profile of AWS's tools; also AWS_PROFILE")
	f.StringVar(&r.aws.Region, "region", "", "`REGION` of AWS; also AWS_REGION")
	f.StringVar(&r.aws.Endpoint, "endpoint", "", "`HOST` or URL of the account's data endpoint; else AWS is asked")
	f.StringVar(&r.aws.Certificate, "certificate", "", "PEM `FILE` of a client certificate for MQTT; else it is signed")
	f.StringVar(&r.aws.Key, "key", "", "PEM `FILE` of the certificate's key")
	f.StringVar(&r.aws.CA, "ca", "", "PEM `FILE` of an authority to trust, too")
	f.StringVar(&r.aws.ClientID, "client-id", "", "client `ID` for MQTT; a random one without it")
	return r
}

// shadowFlags adds those that name a shadow, too.
func shadowFlags(c *cobra.Command) *shadow.ID {
	id := new(shadow.ID)
	c.Flags().StringVar(&id.Name, "shadow", "", "`NAME` of a named shadow; the classic shadow without it")
	c.Flags().StringVar(&id.Thing, "thing", "", "`NAME` of the thing; the core device of shadowctl dev without it")
	return id
}

// remote reports whether an option names a place other than shadowctl dev.
func (r *reach) remote() bool {
	o := r.aws
	return o.Profile+o.Region+o.Endpoint+o.Certificate+o.Key+o.CA != ""
}

// dev finds the development core, unless the options name another place. Without both, ok is
// false.
func (r *reach) dev() (c devenv.Contact, ok bool, err error) {
	switch {
	case r.core && (r.mqtt || r.remote()):
		return c, false, errors.New("--core goes with none of --mqtt, --profile, --region, --endpoint, --certificate, --key, --ca")
	case r.remote():
		return c, false, nil
	}
	c, err = r.env.Dir.Contact()
	if errors.Is(err, devenv.ErrNotRunning) && !r.core {
		return c, false, nil
	}
	return c, err == nil, err
}

// account opens the account of AWS that the options name, or that of shadowctl dev.
func (r *reach) account(ctx context.Context) (*aws.Account, error) {
	o := r.aws
	c, ok, err := r.dev()
	if err != nil {
		return nil, err
	}
	if ok {
		o.Region, o.AccessKeyID, o.SecretAccessKey = c.Cloud.Region, c.Cloud.AccessKeyID, c.Cloud.SecretAccessKey
		o.Endpoint = "http://" + c.Cloud.HTTP
		o.APIEndpoint = o.Endpoint
		o.Locate = func() (string, error) { // its ports change when it is started again
			c, err := r.env.Dir.Contact()
			return "http://" + c.Cloud.HTTP, err
		}
	}
	return aws.Open(ctx, o)
}

// thing completes the name of a thing.
func (r *reach) thing(name string) (string, error) {
	c, ok, err := r.dev()
	if err != nil {
		return "", err
	}
	if ok {
		name = cmp.Or(name, c.ThingName)
	}
	if name == "" {
		return "", errors.New("want --thing NAME; without it the thing is that of shadowctl dev, which does not run in " + string(*r.env.Dir))
	}
	return name, nil
}

// open connects to where the shadows are. The service must be closed.
func (r *reach) open(ctx context.Context) (client.Service, error) {
	if r.core {
		c, _, err := r.dev()
		if err != nil {
			return nil, err
		}
		core, err := client.DialCore(ctx, c.IPC())
		if err != nil {
			return nil, fmt.Errorf("development core out of reach; does shadowctl dev still run? %w", err)
		}
		return client.Paced(core, rate.Inf), nil
	}
	if r.mqtt || r.aws.Certificate != "" {
		m, err := r.openMQTT(ctx)
		if err != nil {
			return nil, err
		}
		return client.Paced(m, rate.Inf), nil
	}
	account, err := r.account(ctx)
	if err != nil {
		return nil, err
	}
	rest, err := account.REST()
	if err != nil {
		return nil, err
	}
	return client.Paced(rest, rate.Inf), nil
}

func (r *reach) openMQTT(ctx context.Context) (*client.MQTT, error) {
	account, err := r.account(ctx)
	if err != nil {
		return nil, err
	}
	return account.MQTT(ctx)
}

// listing returns how the named shadows of a thing are listed, which is not possible with
// a certificate alone: nil then.
func (r *reach) listing() func(ctx context.Context, thing string) ([]string, error) {
	if r.aws.Certificate != "" {
		return nil
	}
	return func(ctx context.Context, thing string) ([]string, error) {
		account, err := r.account(ctx)
		if err != nil {
			return nil, err
		}
		rest, err := account.REST()
		if err != nil {
			return nil, err
		}
		return rest.List(ctx, thing)
	}
}

// openShadow opens the service for one shadow, whose name it completes.
func (r *reach) openShadow(ctx context.Context, id *shadow.ID) (s client.Service, err error) {
	if id.Thing, err = r.thing(id.Thing); err != nil {
		return nil, err
	}
	return r.open(ctx)
}
