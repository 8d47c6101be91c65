package policy

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// MaxBytes bounds the file.
const MaxBytes = 1 << 20

// Bounds of one document; a kit refuses more.
const (
	maxDocument = 256 << 10
	maxRules    = 10_000
	maxText     = 256
	maxVersion  = 128
	maxTargets  = 1024 // kits leave out the rest
	maxServices = 10_000
)

// defaultTTL is how long a kit believes the last document without hearing from us.
const defaultTTL = 3600

var (
	levels     = []string{"off", "edges", "standard", "detailed"}
	logLevels  = []string{"trace", "debug", "info", "warn", "error"}
	components = []string{"app", "grpc", "http", "logs", "messaging", "metrics", "sql"}
	matchKeys  = []string{"kind", "method", "name", "route"}
	actions    = []string{"drop", "mask", "truncate"}
)

// section is what can be said for all services and again for one. An empty list of those that may have baggage is a word too.
type section struct {
	Version     string            `json:"version,omitempty"`
	TTLSeconds  *int64            `json:"ttl_seconds,omitempty"`
	Level       string            `json:"level,omitempty"`
	Components  map[string]string `json:"components,omitempty"`
	LogLevel    string            `json:"log_level,omitempty"`
	LogLines    *int64            `json:"log_lines_per_second,omitempty"`
	Sampling    *sampling         `json:"sampling,omitempty"`
	Redact      []redaction       `json:"redact,omitempty"`
	PropagateTo []string          `json:"propagate_to,omitzero"`
	BaggageKeys []string          `json:"baggage_keys,omitzero"`
}

type sampling struct {
	Ratio          string `json:"ratio,omitempty"` // of the file only
	Threshold      string `json:"th,omitempty"`
	PerSecond      *int64 `json:"per_second,omitempty"`
	SummaryOnError *bool  `json:"summary_on_error,omitempty"`
	Rules          []rule `json:"rules,omitempty"`
}

type rule struct {
	Name      string            `json:"name,omitempty"`
	Match     map[string]string `json:"match"`
	Ratio     string            `json:"ratio,omitempty"`
	Threshold string            `json:"th,omitempty"`
	PerSecond *int64            `json:"per_second,omitempty"`
}

type redaction struct {
	Key    string `json:"key"`
	Action string `json:"action"`
	Length *int64 `json:"length,omitempty"`
}

// File is a checked policy file.
type File struct {
	common   section
	services map[string]section
	// The names of the documents, made once: thousands of kits compare theirs
	// whenever the file changes, few need the text.
	tags map[string]Tag // by service; that of the others under no name
}

// Tag names one document.
type Tag struct {
	Version string // as people call it, or the start of its checksum
	ETag    string // quoted, as in the header
}

// Parse reads and checks a policy file. The error lists everything that is wrong,
// a line each.
func Parse(name string, text []byte) (*File, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("%s: over %d bytes, which is the limit", name, MaxBytes)
	}
	var raw struct {
		section
		Services map[string]section `json:"services"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(&raw)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("something follows the document; end it with the last }")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s%s", name, explain(text, err))
	}
	c := &checker{file: name}
	c.section("", &raw.section)
	if len(raw.Services) > maxServices {
		c.wrong("services", "%d services are over the limit of %d", len(raw.Services), maxServices)
	}
	names := slices.Sorted(maps.Keys(raw.Services))
	for _, service := range names {
		if service == "" {
			c.wrong("services", "a section has no name; what holds for every service stands at the top")
		}
		s := raw.Services[service]
		c.section("services."+service+".", &s)
		raw.Services[service] = s
	}
	if len(c.errs) > 0 {
		return nil, errors.Join(c.errs...)
	}
	f := &File{common: raw.section, services: raw.Services, tags: map[string]Tag{}}
	for _, service := range append(names, "") {
		d := f.For(service)
		if n := len(d.Body); n > maxDocument {
			c.wrong("services."+service, "its document has %d bytes; kits take %d", n, maxDocument)
		}
		f.tags[service] = d.Tag
	}
	return f, errors.Join(c.errs...)
}

// noFile is the policy of a server without a file of one.
func noFile() *File {
	f := &File{}
	f.tags = map[string]Tag{"": f.For("").Tag}
	return f
}

// tagOf names the document of a service.
func (f *File) tagOf(service string) Tag {
	if t, ok := f.tags[service]; ok {
		return t
	}
	return f.tags[""]
}

// explain gives the place of an error of the JSON reader and says it in words. The
// reader does not tell where an unknown key stands.
func explain(text []byte, err error) string {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("%s: %v", place(text, syntax.Offset), err)
	case errors.As(err, &typ):
		return fmt.Sprintf("%s: %s: a %s stands where a %s is needed", place(text, typ.Offset), strings.TrimPrefix(strings.TrimPrefix(typ.Field, "section"), "."), typ.Value, typ.Type)
	}
	if key, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fmt.Sprintf(": there is no key %s", key)
	}
	return ": " + err.Error()
}

// place gives line and column, from 1, of the byte before offset.
func place(text []byte, offset int64) string {
	before := text[:min(int(offset), len(text))]
	return fmt.Sprintf(":%d:%d", 1+bytes.Count(before, []byte("\n")), max(1, len(before)-bytes.LastIndexByte(before, '\n')-1))
}

// Document is what one service is told.
type Document struct {
	Tag
	Body []byte // JSON
}

// For gives the document of a service: its own section where that speaks, the
// common one where it does not. Its own rules and redactions come first; the common
// redactions always stay.
func (f *File) For(service string) Document {
	d := f.common
	if own, ok := f.services[service]; ok {
		d.Version = cmp.Or(own.Version, d.Version)
		d.TTLSeconds = cmp.Or(own.TTLSeconds, d.TTLSeconds)
		d.Level = cmp.Or(own.Level, d.Level)
		d.LogLevel = cmp.Or(own.LogLevel, d.LogLevel)
		d.LogLines = cmp.Or(own.LogLines, d.LogLines)
		d.Components = maps.Clone(d.Components)
		if d.Components == nil {
			d.Components = map[string]string{}
		}
		maps.Copy(d.Components, own.Components)
		d.Sampling = over(own.Sampling, d.Sampling)
		d.Redact = slices.Concat(own.Redact, d.Redact)
		if own.PropagateTo != nil {
			d.PropagateTo = own.PropagateTo
		}
		if own.BaggageKeys != nil {
			d.BaggageKeys = own.BaggageKeys
		}
	}
	ttl := int64(defaultTTL)
	d.TTLSeconds = cmp.Or(d.TTLSeconds, &ttl)
	sum := sha256.Sum256(marshal(d))
	tag := hex.EncodeToString(sum[:6])
	d.Version = cmp.Or(d.Version, tag)
	return Document{Tag{Version: d.Version, ETag: `"` + tag + `"`}, marshal(d)}
}

func over(own, common *sampling) *sampling {
	if own == nil || common == nil {
		return cmp.Or(own, common)
	}
	out := *common
	out.Threshold = cmp.Or(own.Threshold, common.Threshold)
	out.PerSecond = cmp.Or(own.PerSecond, common.PerSecond)
	out.SummaryOnError = cmp.Or(own.SummaryOnError, common.SummaryOnError)
	out.Rules = slices.Concat(own.Rules, common.Rules)
	return &out
}

func marshal(s section) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // texts and finite numbers always marshal
	}
	return text
}
