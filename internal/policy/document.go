package policy

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/clew-dev/clew/internal/charter"
)

// maxDocument is what a kit takes; it refuses more.
const maxDocument = 256 << 10

// maxText bounds what a kit says of its service and instance.
const maxText = 256

// document is the JSON that kits read. An empty list of those that may have baggage
// is a word too.
type document struct {
	Version     string            `json:"version"`
	TTLSeconds  int64             `json:"ttl_seconds"`
	Level       string            `json:"level,omitempty"`
	Components  map[string]string `json:"components,omitempty"`
	LogLevel    string            `json:"log_level,omitempty"`
	LogLines    int64             `json:"log_lines_per_second,omitempty"`
	Sampling    *sampling         `json:"sampling,omitempty"`
	Redact      []redaction       `json:"redact,omitempty"`
	PropagateTo []string          `json:"propagate_to,omitzero"`
	BaggageKeys []string          `json:"baggage_keys,omitzero"`
}

type sampling struct {
	Threshold      string `json:"th,omitempty"`
	PerSecond      *int64 `json:"per_second,omitempty"`
	SummaryOnError *bool  `json:"summary_on_error,omitempty"`
	Rules          []rule `json:"rules,omitempty"`
}

type rule struct {
	Name      string            `json:"name,omitempty"`
	Match     map[string]string `json:"match"`
	Threshold string            `json:"th,omitempty"`
	PerSecond *int64            `json:"per_second,omitempty"`
}

type redaction struct {
	Key    string `json:"key"`
	Action string `json:"action"`
	Length *int   `json:"length,omitempty"`
}

// Policy is what a charter says to kits. It is immutable.
type Policy struct {
	services map[string]Document
	others   Document // of services that have no section of their own
}

// Tag names one document.
type Tag struct {
	Version string // of the charter
	ETag    string // quoted, as in the header
}

// Document is what one service is told.
type Document struct {
	Tag
	Body []byte // JSON
}

// Compile makes the documents of a charter. It fails when one is larger than a kit
// takes; the bounds of the language leave room for all but strange names.
func Compile(c *charter.Charter) (*Policy, error) {
	kits := c.Kits()
	common := document{Version: c.Version(), TTLSeconds: int64(kits.TTL.Seconds()), Redact: redactions(c)}
	common.say(kits.Common)
	p := &Policy{services: map[string]Document{}}
	var err error
	if p.others, err = common.encode(); err != nil {
		return nil, fmt.Errorf("compile kits: %w", err)
	}
	for _, service := range slices.Sorted(maps.Keys(kits.Services)) {
		own := common
		own.say(kits.Services[service])
		if p.services[service], err = own.encode(); err != nil {
			return nil, fmt.Errorf("compile kits.services.%s: %w", service, err)
		}
	}
	return p, nil
}

// redactions are those that kits do. They are what compiled-in rules are too: a kit
// only ever adds to those.
func redactions(c *charter.Charter) []redaction {
	var out []redaction
	for _, r := range c.KitRedactions() {
		one := redaction{Key: r.Key, Action: string(r.Action.Kind)}
		if r.Action.Kind == charter.ActionTruncate {
			one.Length = &r.Action.Length
		}
		out = append(out, one)
		if r.Family {
			one.Key += ".*"
			out = append(out, one)
		}
	}
	return out
}

// RedactionDocument gives a document that redacts and says nothing else, to be
// compiled into programs.
func RedactionDocument(c *charter.Charter) []byte {
	return marshal(struct {
		Redact []redaction `json:"redact,omitempty"`
	}{redactions(c)})
}

// say puts what a section says over what is there: its rules come first.
func (d *document) say(k charter.Kit) {
	d.Level, d.LogLevel, d.LogLines = cmp.Or(k.Level, d.Level), cmp.Or(k.LogLevel, d.LogLevel), cmp.Or(k.LogLines, d.LogLines)
	if len(k.Components) > 0 {
		components := maps.Clone(k.Components)
		for part, level := range d.Components {
			if components[part] == "" {
				components[part] = level
			}
		}
		d.Components = components
	}
	if k.PropagateTo != nil {
		d.PropagateTo = k.PropagateTo
	}
	if k.BaggageKeys != nil {
		d.BaggageKeys = k.BaggageKeys
	}
	if k.Sampling == nil {
		return
	}
	s := sampling{}
	if d.Sampling != nil {
		s = *d.Sampling
	}
	if k.Sampling.Ratio != "" {
		s.Threshold = thresholdOf(k.Sampling.Ratio)
	}
	s.PerSecond, s.SummaryOnError = cmp.Or(k.Sampling.PerSecond, s.PerSecond), cmp.Or(k.Sampling.SummaryOnError, s.SummaryOnError)
	var rules []rule
	for _, r := range k.Sampling.Rules {
		one := rule{Name: r.Name, Match: r.Match, PerSecond: r.PerSecond}
		if r.Ratio != "" {
			one.Threshold = thresholdOf(r.Ratio)
		}
		rules = append(rules, one)
	}
	s.Rules = append(rules, s.Rules...)
	d.Sampling = &s
}

func (d *document) encode() (Document, error) {
	body := marshal(d)
	if n := len(body); n > maxDocument {
		return Document{}, fmt.Errorf("the document of a service has %d bytes; kits take %d", n, maxDocument)
	}
	sum := sha256.Sum256(body)
	return Document{Tag{Version: d.Version, ETag: `"` + hex.EncodeToString(sum[:6]) + `"`}, body}, nil
}

func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // kits are no pages, and have a bound of bytes
	if err := e.Encode(v); err != nil {
		panic(err) // texts and numbers always can be encoded
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// For gives the document of a service.
func (p *Policy) For(service string) Document {
	if d, own := p.services[service]; own {
		return d
	}
	return p.others
}
