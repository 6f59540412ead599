package pki

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"testing"
)

// shake connects a client to a server and returns what either of them says. The
// connection is one of the network: alerts would block a pipe.
func shake(t *testing.T, server, client *tls.Config) error {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	done := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			err = conn.(*tls.Conn).HandshakeContext(t.Context())
			conn.Close()
		}
		done <- err
	}()
	conn, clientErr := tls.Dial("tcp", listener.Addr().String(), client)
	if clientErr == nil {
		defer conn.Close()
	}
	if err := <-done; err != nil {
		return err
	}
	return clientErr
}

func trusting(t *testing.T, a *Authority) *tls.Config {
	t.Helper()
	text, err := os.ReadFile(a.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return &tls.Config{RootCAs: pool, ServerName: "localhost", MaxVersion: tls.VersionTLS12}
}

func TestOnlyCertificatesOfTheAuthorityGetIn(t *testing.T) {
	dir := t.TempDir()
	a, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := a.Client("lamp")
	if err != nil {
		t.Fatal(err)
	}
	if a, err = Open(dir); err != nil { // that of an earlier run
		t.Fatal(err)
	}
	again, err := a.Client("lamp")
	if err != nil || again != pair {
		t.Fatalf("%v, %v", again, err)
	}
	server, err := a.Server(true)
	if err != nil {
		t.Fatal(err)
	}
	load := func(p Pair) tls.Certificate {
		c, err := tls.LoadX509KeyPair(p.Certificate, p.Key)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	client := trusting(t, a)
	if err := shake(t, server, client); err == nil {
		t.Error("a client without a certificate got in")
	}
	client.Certificates = []tls.Certificate{load(pair)}
	if err := shake(t, server, client); err != nil {
		t.Error(err)
	}
	other, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := other.Client("lamp")
	if err != nil {
		t.Fatal(err)
	}
	client.Certificates = []tls.Certificate{load(foreign)}
	if err := shake(t, server, client); err == nil {
		t.Error("a certificate of another authority got in")
	}
	if info, err := os.Stat(pair.Key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key may be read by others: %v, %v", info.Mode(), err)
	}
	for _, bad := range []string{"", "ca", "../x"} {
		if _, err := a.Client(bad); err == nil {
			t.Errorf("%q was taken for a name", bad)
		}
	}
}
