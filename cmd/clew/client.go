package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/clew-dev/clew/internal/health"
)

// maxAnswerBytes bounds what a command holds of one answer: a trace of a million
// spans takes about a third of it.
const maxAnswerBytes = 1 << 30

// clientFlags are common to the commands that ask a running server.
func clientFlags() []flagDef {
	return []flagDef{
		{name: "server", value: "URL", def: "http://127.0.0.1:7700", env: "CLEW_SERVER", help: "The server to ask."},
		{name: "token-file", value: "FILE", help: "A file that holds the access token; CLEW_TOKEN holds the token itself."},
		{name: "tenant", value: "NAME", env: "CLEW_TENANT", help: "The tenant to ask for, where no token decides it."},
		{name: "ca-file", value: "FILE", help: "Certificates (PEM) to trust for an https server besides those of the system."},
	}
}

// rangeFlags choose the time range of a question; the server reads the instants.
func rangeFlags() []flagDef {
	return []flagDef{
		{name: "since", kind: duration, value: "DURATION", def: "1h", help: "How far back from now the range starts."},
		{name: "from", value: "TIME", help: "Start of the range instead of --since: RFC 3339, Unix time, or relative as in now-2h."},
		{name: "to", value: "TIME", def: "now", help: "End of the range, written like --from."},
	}
}

func addRange(in *invocation, q url.Values) {
	if from := in.str("from"); from != "" {
		q.Set("from", from)
	} else {
		q.Set("from", fmt.Sprintf("now-%ds", int64(in.duration("since").Seconds())))
	}
	q.Set("to", in.str("to"))
}

// client asks one server over its HTTP API.
type client struct {
	base   string
	token  string
	tenant string
	http   *http.Client
}

func newClient(in *invocation) (*client, error) {
	base, err := url.Parse(strings.TrimRight(in.str("server"), "/"))
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, in.usage("--server: %q is not a URL; write for example http://127.0.0.1:7700", in.str("server"))
	}
	c := &client{base: base.String(), token: in.env("CLEW_TOKEN"), tenant: in.str("tenant"), http: &http.Client{}}
	if path := in.str("token-file"); path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read the token: %w", err)
		}
		c.token = strings.TrimSpace(string(b))
		if c.token == "" {
			return nil, fmt.Errorf("read the token: %s is empty", path)
		}
	}
	if path := in.str("ca-file"); path != "" {
		pem, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read the certificates: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read the certificates: %s holds no PEM certificate", path)
		}
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
		c.http.Transport = transport
	}
	return c, nil
}

// do sends a request and gives the open answer when its status is 200.
func (c *client) do(ctx context.Context, method, path string, q url.Values) (*http.Response, error) {
	target := c.base + path
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "clew/"+health.ReadBuild().Version)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.tenant != "" {
		req.Header.Set("X-Scope-OrgID", c.tenant)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return nil, refusal(resp, body)
}

// get asks for path, decodes the JSON answer into v and gives its bytes as sent.
func (c *client) get(ctx context.Context, path string, q url.Values, v any) ([]byte, error) {
	return c.call(ctx, http.MethodGet, path, q, v)
}

func (c *client) call(ctx context.Context, method, path string, q url.Values, v any) ([]byte, error) {
	resp, err := c.do(ctx, method, path, q)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", c.base, err)
	}
	if len(body) > maxAnswerBytes {
		return nil, fmt.Errorf("the answer of %s is over %s; ask for less", c.base, formatBytes(maxAnswerBytes))
	}
	if err := json.Unmarshal(body, v); err != nil {
		return nil, fmt.Errorf("the answer of %s%s is not what Clew gives (%w); is --server another program?", c.base, path, err)
	}
	return body, nil
}

// explain turns a failure to reach the server into a sentence with the mend.
func (c *client) explain(err error) error {
	var uerr *url.Error
	if errors.As(err, &uerr) {
		err = uerr.Err
	}
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted")
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("nothing listens at %s; start Clew with `clew up`, or name its address with --server", c.base)
	}
	return fmt.Errorf("ask %s: %w", c.base, err)
}

// refusal turns an answer with another status than 200 into an error.
func refusal(resp *http.Response, body []byte) error {
	err := apiError(body)
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%w; give a token with --token-file or CLEW_TOKEN", err)
	case err.Error() == "":
		return fmt.Errorf("the server answered %s", resp.Status)
	}
	return err
}

// apiError reads the error object of the API; anything else is shown as it came.
func apiError(body []byte) error {
	var answer struct {
		Error struct{ Kind, Message, ID string }
	}
	message := ""
	if json.Unmarshal(body, &answer) == nil {
		message = clean(answer.Error.Message)
		if answer.Error.ID != "" {
			message += " (id " + clean(answer.Error.ID) + ")"
		}
	}
	if message == "" {
		message = clean(strings.TrimSpace(string(body)))
	}
	if len(message) > 2000 {
		message = message[:2000] + "…"
	}
	return errors.New(message)
}

// printJSON writes an answer as it came, on lines of its own.
func printJSON(w io.Writer, body []byte) error {
	if len(body) == 0 || body[len(body)-1] != '\n' {
		body = append(body, '\n')
	}
	_, err := w.Write(body)
	return err
}

// warnPartial tells that an answer is not whole. It goes to the standard error, so
// that what is piped on stays clean.
func warnPartial(in *invocation, why string) {
	if why != "" {
		fmt.Fprintf(in.std.err, "clew: %s: the answer is partial: %s\n", in.cmd.name, clean(why))
	}
}
