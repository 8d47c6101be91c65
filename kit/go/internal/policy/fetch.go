package policy

import (
	"context"
	"io"
	"net/http"
	"time"
)

// Fetch asks over HTTP through a client whose transport is not instrumented, with
// the headers of every request of the kit (for example Authorization). A redirect
// is not followed: the headers are meant for one host.
func Fetch(transport http.RoundTripper, headers http.Header) func(context.Context, Request) (Response, error) {
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context, q Request) (Response, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, q.URL, nil)
		if err != nil {
			return Response{}, err
		}
		for name, values := range headers {
			r.Header[name] = values
		}
		r.Header.Set("Clew-Kit", q.ClewKit)
		if q.IfNoneMatch != "" {
			r.Header.Set("If-None-Match", q.IfNoneMatch)
		}
		answer, err := client.Do(r)
		if err != nil {
			return Response{}, err
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(io.LimitReader(answer.Body, MaxBytes+1))
		return Response{Status: answer.StatusCode, ETag: answer.Header.Get("ETag"), Body: body}, err
	}
}

// Sleep waits on the real clock.
func Sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
