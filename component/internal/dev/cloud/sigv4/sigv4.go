// Package sigv4 checks the signatures of AWS requests, version 4: those in the
// Authorization header, and those in the query, which WebSockets have.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	timeFormat = "20060102T150405Z"
	unsigned   = "UNSIGNED-PAYLOAD"

	// skew is how far the clocks of client and server may be apart.
	skew = 5 * time.Minute
)

// Verifier knows the credentials that requests are signed with.
type Verifier struct {
	AccessKeyID string
	Secret      string
	Services    []string         // names that a scope may have, such as "iotdata"
	Now         func() time.Time // nil is [time.Now]
}

// signature is what a request says about its signature.
type signature struct {
	credential string
	headers    []string
	value      string
	time       time.Time
	expires    time.Duration
	query      url.Values // without the signature itself
	payload    string     // hash
}

// Verify checks the signature of a request with this body. The error says what is
// wrong with it, in a sentence for the client.
func (v Verifier) Verify(r *http.Request, body []byte) error {
	s, err := parse(r, body)
	if err != nil {
		return err
	}
	scope := strings.Split(s.credential, "/")
	if len(scope) != 5 || scope[4] != "aws4_request" {
		return fmt.Errorf("credential: want KEY/DATE/REGION/SERVICE/aws4_request, got %q", s.credential)
	}
	switch {
	case scope[0] != v.AccessKeyID:
		return fmt.Errorf("the access key %q is not known", scope[0])
	case !slices.Contains(v.Services, scope[3]):
		return fmt.Errorf("scope of the credential: want service %s, got %q", strings.Join(v.Services, ", "), scope[3])
	case scope[1] != s.time.Format("20060102"):
		return fmt.Errorf("the credential is of %s, the request of %s", scope[1], s.time.Format("20060102"))
	case !slices.Contains(s.headers, "host"):
		return errors.New("the host is not signed")
	}
	if err := v.timely(s); err != nil {
		return err
	}
	if !hmac.Equal([]byte(v.sign(s, scope[1:], canonical(r, s))), []byte(s.value)) {
		return errors.New("the request signature we calculated does not match the signature you provided")
	}
	return nil
}

func (v Verifier) timely(s *signature) error {
	now := time.Now
	if v.Now != nil {
		now = v.Now
	}
	age := now().Sub(s.time)
	if age < -skew || age > s.expires {
		return fmt.Errorf("the signature is of %v and not valid now", s.time)
	}
	return nil
}

// sign derives the key of a scope and signs a canonical request.
func (v Verifier) sign(s *signature, scope []string, request string) string {
	key := []byte("AWS4" + v.Secret)
	for _, part := range scope {
		key = mac(key, part)
	}
	text := strings.Join([]string{algorithm, s.time.Format(timeFormat), strings.Join(scope, "/"), hash([]byte(request))}, "\n")
	return hex.EncodeToString(mac(key, text))
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func parse(r *http.Request, body []byte) (*signature, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	s := &signature{query: query, expires: skew, payload: hash(body)}
	date := r.Header.Get("X-Amz-Date")
	if query.Has("X-Amz-Signature") {
		date = query.Get("X-Amz-Date")
		err = s.fromQuery()
	} else {
		err = s.fromHeader(r.Header.Get("Authorization"))
	}
	if err != nil {
		return nil, err
	}
	if s.time, err = time.Parse(timeFormat, date); err != nil {
		return nil, fmt.Errorf("x-amz-date: want a time such as 20060102T150405Z, got %q", date)
	}
	if r.Header.Get("X-Amz-Content-Sha256") == unsigned && slices.Contains(s.headers, "x-amz-content-sha256") {
		s.payload = unsigned
	}
	return s, nil
}

func (s *signature) fromQuery() error {
	q := s.query
	if got := q.Get("X-Amz-Algorithm"); got != algorithm {
		return fmt.Errorf("X-Amz-Algorithm: want %s, got %q", algorithm, got)
	}
	s.credential, s.value = q.Get("X-Amz-Credential"), q.Get("X-Amz-Signature")
	s.headers = strings.Split(q.Get("X-Amz-SignedHeaders"), ";")
	if text := q.Get("X-Amz-Expires"); text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds < 1 || seconds > 7*24*60*60 {
			return fmt.Errorf("X-Amz-Expires: want 1 to 604800 seconds, got %q", text)
		}
		s.expires = time.Duration(seconds) * time.Second
	}
	q.Del("X-Amz-Signature")
	if strings.HasSuffix(s.credential, "/iotdevicegateway/aws4_request") {
		q.Del("X-Amz-Security-Token") // which is appended after signing there
	}
	return nil
}

func (s *signature) fromHeader(text string) error {
	rest, ok := strings.CutPrefix(text, algorithm+" ")
	if !ok {
		return errors.New("missing authentication token")
	}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			s.credential = value
		case "SignedHeaders":
			s.headers = strings.Split(value, ";")
		case "Signature":
			s.value = value
		}
	}
	return nil
}

// canonical is the text that is signed.
func canonical(r *http.Request, s *signature) string {
	var headers strings.Builder
	for _, name := range s.headers {
		values := r.Header.Values(name)
		switch name {
		case "host":
			values = []string{r.Host}
		case "content-length":
			values = []string{strconv.FormatInt(r.ContentLength, 10)}
		}
		for i := range values {
			values[i] = strings.Join(strings.Fields(values[i]), " ")
		}
		fmt.Fprintf(&headers, "%s:%s\n", name, strings.Join(values, ","))
	}
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	return strings.Join([]string{
		r.Method, escape(path, "/"), canonicalQuery(s.query), headers.String(), strings.Join(s.headers, ";"), s.payload,
	}, "\n")
}

func canonicalQuery(query url.Values) string {
	var parts []string
	for key, values := range query {
		for _, value := range values {
			parts = append(parts, escape(key, "")+"="+escape(value, ""))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, "&")
}

// escape encodes all but letters, digits, -._~ and what is kept.
func escape(text, keep string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~"+keep, c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
