package export

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// maxAnswerBytes of a body are read; the rest is not worth waiting for.
	maxAnswerBytes = 64 << 10
	// maxHeaderBytes bound what an answer's header may hold.
	maxHeaderBytes = 64 << 10
	idleTimeout    = 30 * time.Second
)

func newSender(signal Signal, target Target) sender {
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:        target.TLS.Clone(),
		MaxIdleConnsPerHost:    1,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true,
		Protocols:              new(http.Protocols),
	}
	s := &httpSender{target: target, transport: transport, client: http.Client{
		Transport: transport,
		// Following a redirect would send telemetry to where nobody configured it.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	address, err := url.Parse(target.URL)
	if err == nil && address.Host == "" {
		err = errors.New("no host in " + redactURL(target.URL))
	}
	if err != nil {
		return brokenSender{err}
	}
	s.address = address
	if !target.GRPC {
		transport.Protocols.SetHTTP1(true)
		return s
	}
	transport.Protocols.SetHTTP2(true)
	transport.Protocols.SetUnencryptedHTTP2(true)
	address.Path = grpcPath(signal)
	return &grpcSender{s}
}

// brokenSender stands where an address cannot be used.
type brokenSender struct{ err error }

func (s brokenSender) send(context.Context, []byte, bool, string) answer {
	return answer{outcome: refused, word: "address", text: s.err.Error()}
}
func (brokenSender) close() {}

// httpSender sends OTLP as protobuf over HTTP/1.1.
type httpSender struct {
	target    Target
	address   *url.URL
	transport *http.Transport
	client    http.Client
}

func (s *httpSender) close() { s.transport.CloseIdleConnections() }

func (s *httpSender) request(ctx context.Context, body []byte, key, contentType string) *http.Request {
	header := http.Header{
		"Content-Type":    {contentType},
		"Idempotency-Key": {key},
		"User-Agent":      {"clew-go"},
	}
	for _, h := range s.target.Headers {
		header.Set(h.Name, h.Value)
	}
	r := &http.Request{
		Method: http.MethodPost, URL: s.address, Host: header.Get("Host"), Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)),
		// A kept connection that the peer has closed meanwhile is no attempt: net/http
		// then sends the same body again.
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}
	return r.WithContext(ctx)
}

func (s *httpSender) send(ctx context.Context, body []byte, gzipped bool, key string) answer {
	r := s.request(ctx, body[frameBytes:], key, "application/x-protobuf")
	if gzipped {
		r.Header.Set("Content-Encoding", "gzip")
	}
	response, content, err := s.do(r)
	if err != nil {
		return failure(err)
	}
	return judgeHTTP(response.StatusCode, response.Header.Get("Retry-After"), content, time.Now())
}

// do makes the request and reads the answer's body up to its limit.
func (s *httpSender) do(r *http.Request) (*http.Response, []byte, error) {
	response, err := s.client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	return response, content, err
}

// failure is an attempt that got no answer.
func failure(err error) answer {
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err // the address, which it names, may hold secrets
	}
	a := answer{outcome: retry, word: "connection", text: err.Error()}
	var (
		network     net.Error
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		alert       tls.AlertError
	)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		a.word = "timeout"
	case errors.As(err, &certificate), errors.As(err, &record), errors.As(err, &alert):
		a.word = "tls"
	}
	return a
}

const unserved = ": it does not take this signal, which is dropped; tried every 60 s"

// judgeHTTP says what an answer over HTTP means.
func judgeHTTP(status int, retryAfter string, content []byte, now time.Time) answer {
	a := answer{word: strconv.Itoa(status), text: "HTTP " + strconv.Itoa(status)}
	switch {
	case status >= 200 && status <= 299:
		a.rejected, a.text = partialSuccess(content)
	case status == 408, status == 429, status == 502, status == 503, status == 504:
		a.outcome, a.asked = retry, parseRetryAfter(retryAfter, now)
	case status == 413:
		a.outcome = tooLarge
	case status == 404:
		a.outcome, a.text = notServed, a.text+unserved
	default:
		a.outcome = refused
	}
	return a
}

// parseRetryAfter reads seconds or a date of RFC 9110; 0 for anything else and for
// dates that are over.
func parseRetryAfter(text string, now time.Time) time.Duration {
	text = strings.Trim(text, " \t")
	if text == "" {
		return 0
	}
	digits := true
	for i := range len(text) {
		digits = digits && text[i] >= '0' && text[i] <= '9'
	}
	if digits {
		seconds, err := strconv.ParseUint(text, 10, 64)
		if err != nil || seconds > uint64(maxAsked/time.Second) {
			return maxAsked
		}
		return time.Duration(seconds) * time.Second
	}
	date, ok := parseDate(text)
	if !ok {
		return 0
	}
	return min(max(date.Sub(now), 0), maxAsked)
}

// parseDate reads the three forms of a date in HTTP: "Sun, 06 Nov 1994 08:49:37 GMT",
// "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994". It is our own, so that
// both kits take the same texts; the day of the week is not looked at.
func parseDate(text string) (time.Time, bool) {
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '-' })
	var dayText, monthText, yearText, clock string
	switch {
	case len(words) == 6 && words[5] == "GMT" && strings.Contains(text, ", "):
		dayText, monthText, yearText, clock = words[1], words[2], words[3], words[4]
	case len(words) == 5:
		monthText, dayText, clock, yearText = words[1], words[2], words[3], words[4]
	default:
		return time.Time{}, false
	}
	parts := strings.Split(clock, ":")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	numbers := [5]int{}
	for i, word := range [5]string{dayText, yearText, parts[0], parts[1], parts[2]} {
		n, err := strconv.ParseUint(word, 10, 16)
		if err != nil || len(word) > 4 {
			return time.Time{}, false
		}
		numbers[i] = int(n)
	}
	day, year, hour, minute, second := numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
	if len(words) == 6 && len(yearText) == 2 {
		year += 1900
		if year < 1969 {
			year += 100
		}
	}
	month := slices.Index(months[:], monthText) + 1
	if month == 0 || hour > 23 || minute > 59 || second > 60 || year < 1970 || day == 0 ||
		time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Day() != day {
		return time.Time{}, false
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC), true
}

var months = [12]string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}

// redactURL is an address without what may be secret in it.
func redactURL(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(an address that cannot be read)"
	}
	u.RawQuery, u.User, u.Fragment = "", nil, ""
	return u.String()
}

// compresses says whether bodies are to be compressed: to an address of this
// machine only when asked for, since there is no network to spare.
func (t Target) compresses() bool {
	if t.Compression != CompressionAuto {
		return t.Compression == CompressionGzip
	}
	u, err := url.Parse(t.URL)
	if err != nil {
		return true
	}
	host := u.Hostname()
	return host != "localhost" && !net.ParseIP(host).IsLoopback()
}
