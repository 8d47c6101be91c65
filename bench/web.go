package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// web is a server that is asked over HTTP.
type web struct {
	base   string // URL without a slash at its end
	client *http.Client
}

func newWeb(base string) web {
	return web{base, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}}
}

// errNotFound is the answer to what the server does not know.
var errNotFound = errors.New("not found")

// answerLimit bounds an answer that is read: no question of the bench has a larger one.
const answerLimit = 1 << 30

// ask sends a request, gives the body and decodes it into v when v is not nil.
func (w web) ask(ctx context.Context, method, path string, q url.Values, header http.Header, v any) ([]byte, error) {
	target := w.base + path
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return nil, err
	}
	if header != nil {
		req.Header = header
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer of %s: %w", path, err)
	case len(body) > answerLimit:
		return nil, fmt.Errorf("the answer of %s is over %d MiB", path, answerLimit>>20)
	case resp.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("%s: %w", path, errNotFound)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s answered %s: %s", path, resp.Status, body[:min(len(body), 500)])
	}
	if want, got := header.Get("Accept"), resp.Header.Get("Content-Type"); want != "" && got != want {
		return nil, fmt.Errorf("%s answered %s instead of %s", path, got, want)
	}
	if v == nil {
		return body, nil
	}
	if err := json.Unmarshal(body, v); err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", path, err)
	}
	return body, nil
}

func (w web) get(ctx context.Context, path string, q url.Values, v any) error {
	_, err := w.ask(ctx, http.MethodGet, path, q, nil, v)
	return err
}
