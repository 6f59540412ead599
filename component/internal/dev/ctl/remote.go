package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
)

// ask sends one request to the control socket of the running development core.
func (p place) ask(ctx context.Context, method, path string, request, response any) error {
	if _, err := p.read(); err != nil {
		return err
	}
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://control"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", p.control())
		},
	}}
	answer, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("development core out of reach; does shadowctl dev still run? %w", err)
	}
	defer answer.Body.Close()
	decoder := json.NewDecoder(answer.Body)
	if answer.StatusCode == http.StatusOK {
		return decoder.Decode(response)
	}
	var refused controlError
	if err := decoder.Decode(&refused); err != nil || refused.Error == "" {
		return fmt.Errorf("development core of another version? it answers %s", answer.Status)
	}
	return errors.New(refused.Error)
}
