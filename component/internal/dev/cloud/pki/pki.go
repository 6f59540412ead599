// Package pki makes the certificates of the development cloud: an authority of its
// own, the certificate of its endpoints, and those of devices and applications.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/google/renameio/v2"
)

// validity is how long certificates are good for.
const validity = 10 * 365 * 24 * time.Hour

// Authority signs certificates. Its methods may be called from any goroutine.
type Authority struct {
	dir         string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// Open opens the authority in a directory, and makes both if they are not there.
func Open(dir string) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	a := &Authority{dir: dir}
	pair, err := tls.LoadX509KeyPair(a.CAFile(), a.path("ca.key"))
	if errors.Is(err, fs.ErrNotExist) {
		return a, a.create()
	} else if err != nil {
		return nil, fmt.Errorf("authority in %s: %w", dir, err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("authority in %s: want an ECDSA key, got %T", dir, pair.PrivateKey)
	}
	a.certificate, a.key = pair.Leaf, key
	return a, nil
}

func (a *Authority) create() (err error) {
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	template := a.template("ShadowGPIO development cloud")
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		return err
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	return a.write(Pair{a.CAFile(), a.path("ca.key")}, der, a.key)
}

func (a *Authority) path(name string) string { return filepath.Join(a.dir, name) }

// CAFile is the file of the authority's certificate, which clients trust.
func (a *Authority) CAFile() string { return a.path("ca.pem") }

// Pair names the files of a certificate and its key.
type Pair struct{ Certificate, Key string }

var namePattern = regexp.MustCompile(`^[a-zA-Z0-9:_-]{1,128}$`)

// ErrName is the error about a name that no certificate can have.
var ErrName = errors.New("name of a certificate: want 1 to 128 letters, digits, colons, underscores, hyphens, and not ca")

// Client returns the files of the certificate that belongs to a name, such as that
// of a thing, and makes them if they are not there.
func (a *Authority) Client(name string) (Pair, error) {
	p := Pair{a.path(name + ".pem"), a.path(name + ".key")}
	if !namePattern.MatchString(name) || name == "ca" {
		return p, fmt.Errorf("%w; got %q", ErrName, name)
	}
	if _, err := tls.LoadX509KeyPair(p.Certificate, p.Key); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return p, err
	}
	template := a.template(name)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	der, key, err := a.sign(template)
	if err != nil {
		return p, err
	}
	return p, a.write(p, der, key)
}

// Server makes the configuration of an endpoint on this machine. With clients, it
// asks for certificates of the authority, and refuses who has none.
func (a *Authority) Server(clients bool) (*tls.Config, error) {
	template := a.template("localhost")
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.DNSNames = []string{"localhost"}
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	der, key, err := a.sign(template)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	cfg := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	if clients {
		cfg.ClientAuth, cfg.ClientCAs = tls.RequireAndVerifyClientCert, pool
	}
	return cfg, nil
}

func (a *Authority) template(name string) *x509.Certificate {
	now := time.Now()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		panic(err) // there is always randomness
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name, Organization: []string{"ShadowGPIO development"}},
		NotBefore:    now.Add(-time.Hour), // for clocks that are behind
		NotAfter:     now.Add(validity),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

func (a *Authority) sign(template *x509.Certificate) ([]byte, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	return der, key, err
}

// write writes the key first: a certificate without its key would look complete.
func (a *Authority) write(p Pair, der []byte, key *ecdsa.PrivateKey) error {
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	if err := renameio.WriteFile(p.Key, text, 0o600); err != nil {
		return err
	}
	text = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return renameio.WriteFile(p.Certificate, text, 0o644)
}
