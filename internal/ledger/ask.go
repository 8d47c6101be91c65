package ledger

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/telemetry"
)

// Dialects are the ways in which a backend can be asked for a trace by its id.
func Dialects() []string { return []string{"clew", "tempo", "jaeger"} }

// askTimeout bounds one question.
const askTimeout = 30 * time.Second

// found are the spans of an answer, by span id; a span that is there twice is twice in the list.
type found map[telemetry.SpanID][]span

// dialect is how a backend is asked.
type dialect struct {
	path   string // in front of the id
	suffix string
	accept string
	read   func(s *numbers, body []byte) (found, error)
}

var dialects = map[string]dialect{
	"clew":   {"/api/traces/", "/otlp", "application/json", readOTLPJSON},
	"tempo":  {"/api/traces/", "", "application/protobuf", readOTLP},
	"jaeger": {"/api/traces/", "", "application/json", readJaeger},
}

// asker asks one backend.
type asker struct {
	base    string
	dialect dialect
	access  Access
	client  *http.Client
}

func newAsker(kind, base string, access Access) (*asker, error) {
	d, ok := dialects[kind]
	if !ok {
		return nil, telemetry.Errorf(telemetry.KindInvalid, "%q is no dialect: write one of %s", kind, strings.Join(Dialects(), ", "))
	}
	u, err := url.Parse(strings.TrimRight(base, "/"))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, telemetry.Errorf(telemetry.KindInvalid, "%q is no address to ask: write for example http://127.0.0.1:7700", base)
	}
	return &asker{u.String(), d, access, &http.Client{Timeout: askTimeout, Transport: &http.Transport{TLSClientConfig: access.TLS, MaxIdleConnsPerHost: 8}}}, nil
}

// trace gives the spans of a trace; a trace that the backend does not know has none.
func (a *asker) trace(ctx context.Context, s *numbers, trace int) (found, error) {
	id := s.traceID(trace)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base+a.dialect.path+hex.EncodeToString(id[:])+a.dialect.suffix, nil)
	if err != nil {
		return nil, err
	}
	for k, v := range a.access.Header {
		req.Header[k] = v
	}
	req.Header.Set("Accept", a.dialect.accept)
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode == http.StatusNotFound:
		return nil, nil
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s answered %s: %s", a.base, resp.Status, telemetry.Clip(string(body)))
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("%s answered with over %d bytes for a trace of %d spans", a.base, maxAnswer, spread)
	}
	spans, err := a.dialect.read(s, body)
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w: is another dialect spoken there?", a.base, err)
	}
	return spans, nil
}

func readOTLP(s *numbers, body []byte) (found, error) {
	b, d := telemetry.NewBuilder(), otlp.Decoder{}
	b.Reset("")
	if _, err := d.DecodeTraces(b, body, s.base, otlp.Limits{}); err != nil {
		return nil, err
	}
	return fromBatch(&b.Batch), nil
}

func readOTLPJSON(s *numbers, body []byte) (found, error) {
	b, d := telemetry.NewBuilder(), otlp.Decoder{}
	b.Reset("")
	if _, err := d.DecodeTracesJSON(b, body, s.base, otlp.Limits{}); err != nil {
		return nil, err
	}
	return fromBatch(&b.Batch), nil
}

func fromBatch(b *telemetry.Batch) found {
	spans := make([]span, b.Spans.N)
	for i := range spans {
		name := b.Spans.Names.At(b.Spans.Name[i])
		spans[i] = span{name: string(name), start: b.Spans.Start[i] / 1000, duration: b.Spans.Duration[i] / 1000, number: -1}
	}
	if c := b.Spans.Find(telemetry.ScopeSpan, keyNumber, telemetry.TypeInt); c != nil {
		for i, row := range c.Rows {
			spans[row].number = int64(c.Nums[i])
		}
	}
	if c := b.Spans.Find(telemetry.ScopeSpan, keyText, telemetry.TypeString); c != nil {
		for i, row := range c.Rows {
			spans[row].text = string(c.Dict.At(c.Codes[i]))
		}
	}
	out := found{}
	for i, id := range b.Spans.SpanID {
		out[id] = append(out[id], spans[i])
	}
	return out
}

// jaegerAnswer is as much of Jaeger's answer as is needed.
type jaegerAnswer struct {
	Data []struct {
		Spans []struct {
			SpanID        string `json:"spanID"`
			OperationName string `json:"operationName"`
			StartTime     int64  `json:"startTime"` // microseconds
			Duration      int64  `json:"duration"`
			Tags          []struct {
				Key   string          `json:"key"`
				Value json.RawMessage `json:"value"`
			} `json:"tags"`
		} `json:"spans"`
	} `json:"data"`
}

func readJaeger(_ *numbers, body []byte) (found, error) {
	var a jaegerAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, err
	}
	out := found{}
	for _, d := range a.Data {
		for _, s := range d.Spans {
			raw, err := hex.DecodeString(s.SpanID)
			if err != nil || len(raw) != 8 {
				return nil, fmt.Errorf("%q is no span id", telemetry.Clip(s.SpanID))
			}
			one := span{name: s.OperationName, start: s.StartTime, duration: s.Duration, number: -1}
			for _, t := range s.Tags {
				switch t.Key {
				case keyNumber: // a number, or a text where storage made one of it
					if json.Unmarshal(bytes.Trim(t.Value, `"`), &one.number) != nil {
						one.number = -1
					}
				case keyText:
					if json.Unmarshal(t.Value, &one.text) != nil {
						one.text = ""
					}
				}
			}
			id := telemetry.SpanID(raw)
			out[id] = append(out[id], one)
		}
	}
	return out, nil
}
