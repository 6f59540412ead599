// Package aws finds AWS IoT Core for an application: its endpoint and credentials,
// from the ordinary configuration of AWS's tools and from options.
package aws

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iot"

	"github.com/shadowgpio/shadowgpio/component/internal/app/client"
)

// Options choose an account, an endpoint and how to log in. The zero value is what
// the environment and the files of AWS's tools say.
type Options struct {
	Profile, Region string
	// Endpoint is the account's data endpoint: a host, or a URL with the scheme https,
	// http (for development) or mqtts. "" asks AWS for it where it is needed.
	Endpoint string
	// Locate, if set, is asked for an Endpoint that may change, before each connection of
	// MQTT.
	Locate func() (endpoint string, err error)

	// Certificate, Key and CA are PEM files. With a certificate, MQTT logs in with it;
	// else it signs with the account's credentials over a WebSocket. CA is what is trusted
	// besides what the system trusts.
	Certificate, Key, CA string
	ClientID             string // of MQTT; "" is one of its own

	// Static credentials, instead of those of the profile.
	AccessKeyID, SecretAccessKey string
	// APIEndpoint is the URL of the control plane, which knows thing groups and the fleet
	// index; "" is that of the region.
	APIEndpoint string
}

// Account is an AWS account, and one region of it.
type Account struct {
	options Options
	config  aws.Config
	trust   *tls.Config // without certificates of ours
}

// Open reads the configuration. Nothing is sent yet.
func Open(ctx context.Context, o Options) (*Account, error) {
	a := &Account{options: o}
	load := []func(*config.LoadOptions) error{config.WithRegion(o.Region)}
	if o.Profile != "" {
		load = append(load, config.WithSharedConfigProfile(o.Profile))
	}
	if o.AccessKeyID != "" {
		load = append(load, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(o.AccessKeyID, o.SecretAccessKey, "")))
	}
	var err error
	if a.config, err = config.LoadDefaultConfig(ctx, load...); err != nil {
		return nil, fmt.Errorf("AWS configuration: %w", err)
	}
	if err := a.trustAlso(o.CA); err != nil {
		return nil, err
	}
	a.config.Region = cmp.Or(a.config.Region, regionOf(o.Endpoint))
	return a, nil
}

// DataEndpoint is the account's data endpoint, which no other account and region has.
func (a *Account) DataEndpoint(ctx context.Context) (string, error) {
	if a.options.Endpoint != "" {
		return a.options.Endpoint, nil
	}
	return a.describeEndpoint(ctx)
}

// regionOf is the region in the name of an endpoint of AWS, "" for others.
func regionOf(endpoint string) string {
	u, err := parseEndpoint(endpoint)
	if err != nil {
		return ""
	}
	parts := strings.Split(u.Hostname(), ".") // PREFIX-ats.iot.REGION.amazonaws.com
	if len(parts) >= 5 && parts[1] == "iot" && parts[3] == "amazonaws" {
		return parts[2]
	}
	return ""
}

// trustAlso trusts an authority besides those of the system, or those that AWS_CA_BUNDLE
// names, over HTTP and MQTT.
func (a *Account) trustAlso(file string) error {
	client, ok := a.config.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		client = awshttp.NewBuildableClient()
	}
	a.trust = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: client.GetTransport().TLSClientConfig.RootCAs}
	if file == "" {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if a.trust.RootCAs == nil {
		if a.trust.RootCAs, err = x509.SystemCertPool(); err != nil {
			a.trust.RootCAs = x509.NewCertPool()
		}
	}
	if !a.trust.RootCAs.AppendCertsFromPEM(text) {
		return fmt.Errorf("%s: want certificates as PEM", file)
	}
	a.config.HTTPClient = client.WithTransportOptions(func(t *http.Transport) { t.TLSClientConfig = a.trust.Clone() })
	return nil
}

// parseEndpoint reads a host or URL.
func parseEndpoint(text string) (*url.URL, error) {
	if text != "" && !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("endpoint: want a host or a URL such as https://HOST, got %q", text)
	}
	switch u.Scheme {
	case "https", "http", "mqtts":
		return u, nil
	}
	return nil, fmt.Errorf("endpoint: want one of the schemes https, http, mqtts, got %q", text)
}

// wantRegion says early what AWS's clients say late.
func (a *Account) wantRegion() error {
	if a.config.Region == "" {
		return errors.New("want a region: --region, AWS_REGION, or that of the profile")
	}
	return nil
}

// REST opens the data plane.
func (a *Account) REST() (*client.REST, error) {
	endpoint := ""
	if a.options.Endpoint != "" {
		u, err := parseEndpoint(a.options.Endpoint)
		if err == nil && u.Scheme == "mqtts" {
			err = fmt.Errorf("endpoint: want https or http for REST, got %q", a.options.Endpoint)
		}
		if err != nil {
			return nil, err
		}
		endpoint = u.String()
	}
	if err := a.wantRegion(); err != nil {
		return nil, err
	}
	return client.NewREST(a.config, endpoint), nil
}

// MQTT connects to AWS IoT Core.
func (a *Account) MQTT(ctx context.Context) (*client.MQTT, error) {
	cfg, err := a.mqttConfig(ctx)
	if err != nil {
		return nil, err
	}
	return client.DialMQTT(ctx, cfg)
}

// alpn is how a client with a certificate says at the port of HTTPS, which firewalls let
// through, that it speaks MQTT (awsdocs/aws-iot-docs developerguide/protocols.md).
const alpn = "x-amzn-mqtt-ca"

func (a *Account) mqttConfig(ctx context.Context) (cfg client.MQTTConfig, err error) {
	endpoint, err := a.DataEndpoint(ctx)
	if err != nil {
		return cfg, err
	}
	u, err := parseEndpoint(endpoint)
	if err != nil {
		return cfg, err
	}
	cfg = client.MQTTConfig{TLS: a.trust, ClientID: a.options.ClientID}
	if a.options.Certificate != "" || a.options.Key != "" {
		pair, err := tls.LoadX509KeyPair(a.options.Certificate, a.options.Key)
		if err != nil {
			return cfg, fmt.Errorf("client certificate: %w", err)
		}
		cfg.TLS = a.trust.Clone()
		cfg.TLS.Certificates = []tls.Certificate{pair}
		port := "8883"
		if u.Scheme == "mqtts" {
			port = cmp.Or(u.Port(), port)
		}
		if port == "443" {
			cfg.TLS.NextProtos = []string{alpn}
		}
		cfg.URL = &url.URL{Scheme: "mqtts", Host: net.JoinHostPort(u.Hostname(), port)}
		return cfg, nil
	}
	if u.Scheme == "mqtts" {
		return cfg, fmt.Errorf("endpoint %s: want --certificate and --key", endpoint)
	}
	if err := a.wantRegion(); err != nil {
		return cfg, err
	}
	cfg.URL = &url.URL{Scheme: map[string]string{"https": "wss", "http": "ws"}[u.Scheme], Host: u.Host, Path: "/mqtt"}
	cfg.Sign = a.sign
	if a.options.Locate != nil {
		cfg.Locate = func(context.Context) (string, error) {
			endpoint, err := a.options.Locate()
			if err != nil {
				return "", err
			}
			u, err := parseEndpoint(endpoint)
			if err != nil {
				return "", err
			}
			return u.Host, nil
		}
	}
	return cfg, nil
}

// emptyBody is the SHA-256 of nothing.
const emptyBody = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// sign signs the URL of a WebSocket. The token of temporary credentials is no part of
// what is signed (aws/aws-iot-device-sdk-js device/index.js).
func (a *Account) sign(ctx context.Context, at *url.URL) (*url.URL, error) {
	keys, err := a.config.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("AWS credentials: %w", err)
	}
	request := &http.Request{Method: http.MethodGet, URL: at, Host: at.Host, Header: http.Header{}}
	token := keys.SessionToken
	keys.SessionToken = ""
	signed, _, err := v4.NewSigner().PresignHTTP(ctx, keys, request, emptyBody, "iotdevicegateway", a.config.Region, time.Now())
	if err != nil {
		return nil, err
	}
	if token != "" {
		signed += "&X-Amz-Security-Token=" + url.QueryEscape(token)
	}
	return url.Parse(signed)
}

// API is the control plane of AWS IoT: thing groups and the fleet index.
func (a *Account) API() (*iot.Client, error) {
	if err := a.wantRegion(); err != nil {
		return nil, err
	}
	return iot.NewFromConfig(a.config, func(o *iot.Options) {
		if a.options.APIEndpoint != "" {
			o.BaseEndpoint = &a.options.APIEndpoint
		}
	}), nil
}

// describeEndpoint asks for the account's data endpoint.
func (a *Account) describeEndpoint(ctx context.Context) (string, error) {
	client, err := a.API()
	if err != nil {
		return "", err
	}
	out, err := client.DescribeEndpoint(ctx, &iot.DescribeEndpointInput{EndpointType: aws.String("iot:Data-ATS")})
	if err != nil {
		return "", fmt.Errorf("ask for the data endpoint (or name it with --endpoint): %w", err)
	}
	return aws.ToString(out.EndpointAddress), nil
}
