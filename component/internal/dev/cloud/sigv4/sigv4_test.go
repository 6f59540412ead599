package sigv4

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

var (
	now         = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	credentials = aws.Credentials{AccessKeyID: "DEVELOPMENT", SecretAccessKey: "secret"}
	verifier    = Verifier{AccessKeyID: "DEVELOPMENT", Secret: "secret", Services: []string{"iotdata", "iotdevicegateway"}, Now: func() time.Time { return now }}
)

// received is a request as a server gets it.
func received(t *testing.T, r *http.Request, body string) *http.Request {
	t.Helper()
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		t.Fatal(err)
	}
	r.Body = http.NoBody
	got, err := http.NewRequest(r.Method, r.URL.RequestURI(), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	got.Host, got.Header, got.ContentLength = r.URL.Host, r.Header, int64(len(body))
	return got
}

// signed is a request that AWS's own signer has signed.
func signed(t *testing.T, method, target, body, service string, c aws.Credentials, at time.Time) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if err := v4.NewSigner().SignHTTP(t.Context(), c, r, hash([]byte(body)), service, "eu-central-1", at); err != nil {
		t.Fatal(err)
	}
	return received(t, r, body)
}

func TestSignaturesOfAWSsSignerAreGood(t *testing.T) {
	for _, target := range []string{
		"http://localhost:8080/things/gw/shadow",
		"http://localhost:8080/things/gw/shadow?name=a%24b&x=1&a=b+c",
		"http://localhost:8080/topics/a%2Fb%20c?qos=1",
		"http://localhost:8080",
	} {
		if err := verifier.Verify(signed(t, "POST", target, `{"a":1}`, "iotdata", credentials, now), []byte(`{"a":1}`)); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
}

func TestWrongSignaturesAreRefused(t *testing.T) {
	const target, body = "http://localhost/things/gw/shadow?name=x", `{"a":1}`
	good := func() *http.Request { return signed(t, "POST", target, body, "iotdata", credentials, now) }
	for _, c := range []struct {
		name, want string
		request    *http.Request
		body       string
	}{
		{"another secret", "does not match", signed(t, "POST", target, body, "iotdata", aws.Credentials{AccessKeyID: "DEVELOPMENT", SecretAccessKey: "x"}, now), body},
		{"another key", "is not known", signed(t, "POST", target, body, "iotdata", aws.Credentials{AccessKeyID: "AKIA", SecretAccessKey: "secret"}, now), body},
		{"another service", "want service iotdata", signed(t, "POST", target, body, "s3", credentials, now), body},
		{"another body", "does not match", good(), `{"a":2}`},
		{"too old", "not valid now", signed(t, "POST", target, body, "iotdata", credentials, now.Add(-time.Hour)), body},
		{"of the future", "not valid now", signed(t, "POST", target, body, "iotdata", credentials, now.Add(time.Hour)), body},
		{"another method", "does not match", func() *http.Request { r := good(); r.Method = "DELETE"; return r }(), body},
		{"another query", "does not match", func() *http.Request { r := good(); r.URL.RawQuery = "name=y"; return r }(), body},
		{"none", "missing authentication token", func() *http.Request { r := good(); r.Header.Del("Authorization"); return r }(), body},
	} {
		if err := verifier.Verify(c.request, []byte(c.body)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestSignaturesInTheQuery(t *testing.T) {
	presigned := func(at time.Time) *http.Request {
		r, err := http.NewRequest("GET", "http://localhost:8443/mqtt?X-Amz-Expires=600", nil)
		if err != nil {
			t.Fatal(err)
		}
		target, headers, err := v4.NewSigner().PresignHTTP(t.Context(), credentials, r, hash(nil), "iotdevicegateway", "eu-central-1", at)
		if err != nil {
			t.Fatal(err)
		}
		if r, err = http.NewRequest("GET", target, nil); err != nil {
			t.Fatal(err)
		}
		r.Header = headers
		return received(t, r, "")
	}
	if err := verifier.Verify(presigned(now), nil); err != nil {
		t.Error(err)
	}
	with := presigned(now)
	with.URL.RawQuery += "&X-Amz-Security-Token=abc"
	if err := verifier.Verify(with, nil); err != nil {
		t.Errorf("a session token that was appended later: %v", err)
	}
	if err := verifier.Verify(presigned(now.Add(-11*time.Minute)), nil); err == nil {
		t.Error("a signature for 600 s was good after 660 s")
	}
	forged := presigned(now)
	forged.URL.RawQuery = strings.Replace(forged.URL.RawQuery, "X-Amz-Expires=600", "X-Amz-Expires=6000", 1)
	if err := verifier.Verify(forged, nil); err == nil {
		t.Error("a signature was good after its expiry was changed")
	}
}
