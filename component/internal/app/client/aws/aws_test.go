package aws

import (
	"crypto/tls"
	"net"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/pki"
)

// TestMQTTAtThePortOfHTTPS has a client with a certificate say that it speaks MQTT, there only.
func TestMQTTAtThePortOfHTTPS(t *testing.T) {
	authority, err := pki.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Client("application")
	if err != nil {
		t.Fatal(err)
	}
	server, err := authority.Server(true)
	if err != nil {
		t.Fatal(err)
	}
	server.NextProtos = []string{"http/1.1", "x-amzn-mqtt-ca"}
	for port, want := range map[string]string{":443": "x-amzn-mqtt-ca", ":8883": "", "": ""} {
		a, err := Open(t.Context(), Options{Endpoint: "mqtts://localhost" + port, CA: authority.CAFile(), Certificate: pair.Certificate, Key: pair.Key})
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := a.mqttConfig(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		near, far := net.Pipe()
		defer near.Close()
		go tls.Server(far, server).Handshake()
		client := cfg.TLS.Clone()
		client.ServerName = "localhost"
		conn := tls.Client(near, client)
		if err := conn.Handshake(); err != nil {
			t.Fatal(err)
		}
		if got := conn.ConnectionState().NegotiatedProtocol; got != want {
			t.Errorf("port %q: protocol %q, want %q", port, got, want)
		}
	}
}
