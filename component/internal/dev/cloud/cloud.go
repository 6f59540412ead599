// Package cloud is the development cloud: AWS IoT Core on this machine, as far as
// device shadows need it. It serves the device shadow service over MQTT (TLS with
// client certificates, WebSocket with signatures) and over HTTP, to the official
// clients of AWS and without an account.
package cloud

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/broker"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/fleet"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/pki"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/rest"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/shadows"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/sigv4"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/limit"
)

// Credentials of the development cloud. They protect nothing: it listens on this
// machine only, and clients need some.
const (
	AccessKeyID     = "DEVELOPMENT"
	SecretAccessKey = "development"
	Region          = "eu-central-1"
)

// The bounds of each listener. A client that takes longer, or is one too many, loses its
// connection; the logger is told of the latter. Package broker has those of MQTT.
const (
	maxConnections = 500
	maxHeaders     = 32 << 10 // bytes of a request
	headerTimeout  = 10 * time.Second
	requestTimeout = 30 * time.Second // from the first byte to the last
	answerTimeout  = 60 * time.Second // from the end of the headers to the end of the answer
	idleTimeout    = 2 * time.Minute  // between requests
)

const tellConnections = "connection refused: too many are open"

// CertificatesDir is where [Config.Dir] has the authority, its key, and the
// certificates that it made.
const CertificatesDir = "certificates"

// Config is how a cloud behaves. Addresses are of the loopback interface; their
// default is a port that is free.
type Config struct {
	Dir     string // holds keys, certificates and shadows; is created
	MQTT    string // address of MQTT over TLS
	HTTPS   string // address of the data plane, and of MQTT over WebSocket
	HTTP    string // address of the same without TLS
	Shadows shadows.Config
	Logger  *slog.Logger // nil discards
}

// Cloud is a development cloud that runs. It is freed with [Cloud.Close].
type Cloud struct {
	Shadows *shadows.Service
	Broker  *broker.Broker
	PKI     *pki.Authority
	Groups  *fleet.Groups
	// The addresses, of the form host:port.
	MQTT, HTTPS, HTTP string

	servers []*http.Server
	notices *limit.Notices
}

// Start starts a cloud.
func Start(cfg Config) (*Cloud, error) {
	if cfg.Dir == "" {
		return nil, errors.New("development cloud: want a directory for its keys")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Cloud{notices: limit.NewNotices(cfg.Logger)}
	if err := c.start(cfg); err != nil {
		c.Close() // the first error counts
		return nil, fmt.Errorf("development cloud: %w", err)
	}
	return c, nil
}

func (c *Cloud) start(cfg Config) (err error) {
	if c.PKI, err = pki.Open(filepath.Join(cfg.Dir, CertificatesDir)); err != nil {
		return err
	}
	if c.Broker, err = broker.New(cfg.Logger); err != nil {
		return err
	}
	own := cfg.Shadows
	own.Dir = filepath.Join(cfg.Dir, "shadows")
	own.Logger = cmp.Or(own.Logger, cfg.Logger)
	own.Publish = func(topic string, payload []byte) {
		if err := c.Broker.Publish(broker.Message{Topic: topic, Payload: payload, QoS: 1}); err != nil {
			cfg.Logger.Warn("shadow message not published", "topic", topic, "err", err)
		}
	}
	if c.Shadows, err = shadows.New(own); err != nil {
		return err
	}
	if c.Groups, err = fleet.OpenGroups(filepath.Join(cfg.Dir, "groups.json")); err != nil {
		return err
	}
	c.Broker.Handle(c.Shadows.HandleTopic)
	return c.listen(cfg)
}

func (c *Cloud) listen(cfg Config) error {
	devices, err := c.PKI.Server(true)
	if err != nil {
		return err
	}
	applications, err := c.PKI.Server(false)
	if err != nil {
		return err
	}
	l, err := c.bind(cfg.MQTT, &c.MQTT)
	if err != nil {
		return err
	}
	if err := c.Broker.ServeTLS(l, devices); err != nil {
		return err
	}
	verifier := sigv4.Verifier{AccessKeyID: AccessKeyID, Secret: SecretAccessKey, Services: []string{"iotdata", "iotdevicegateway", "iot"}}
	if l, err = c.bind(cfg.HTTPS, &c.HTTPS); err != nil {
		return err
	}
	api := &rest.API{Shadows: c.Shadows, Broker: c.Broker, Groups: c.Groups, Endpoint: c.HTTPS, Verify: verifier.Verify}
	c.serve(tls.NewListener(l, applications), api, cfg.Logger)
	if l, err = c.bind(cfg.HTTP, &c.HTTP); err != nil {
		return err
	}
	c.serve(l, api, cfg.Logger)
	return nil
}

// bind opens a bounded listener and notes its address.
func (c *Cloud) bind(address string, at *string) (net.Listener, error) {
	address = cmp.Or(address, "127.0.0.1:0")
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", address, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && !ip.IsLoopback() {
		return nil, fmt.Errorf("address %q: want one of this machine, such as 127.0.0.1:8883", address)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	*at = l.Addr().String()
	return limit.Listener(l, maxConnections, func() {
		c.notices.Reached(tellConnections, "address", *at, "limit", maxConnections)
	}), nil
}

func (c *Cloud) serve(l net.Listener, api *rest.API, log *slog.Logger) {
	server := newServer(api.Handler(), log)
	c.servers = append(c.servers, server)
	go server.Serve(l) // until it is closed
}

// newServer makes a server that waits for no client longer than it must.
func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		MaxHeaderBytes:    maxHeaders,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// Close disconnects everybody. Certificates and shadows stay.
func (c *Cloud) Close() error {
	var errs []error
	for _, s := range c.servers {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		if err := s.Shutdown(ctx); err != nil {
			errs = append(errs, s.Close())
		}
		cancel()
	}
	if c.Broker != nil {
		errs = append(errs, c.Broker.Close())
	}
	return errors.Join(errs...)
}
