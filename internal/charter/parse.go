package charter

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
	"gopkg.in/yaml.v3"
)

// Version is the version of the language that this package reads.
const Version = 1

// MaxBytes bounds a charter file.
const MaxBytes = 1 << 20

// laterSections are words of the language that other versions of Clew read.
var laterSections = []string{"import", "environments", "teams", "services", "attributes", "spans", "metrics", "logs",
	"journeys", "privacy", "sampling", "export"}

var tenantName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Validate reports everything that is wrong with the text of a charter, or nil.
// file is the name used in messages.
func Validate(file string, text []byte) error {
	_, err := Parse(file, text)
	return err
}

// Parse compiles the text of a charter. The error is an Errors with all that is
// wrong. file is the name used in messages.
func Parse(file string, text []byte) (*Charter, error) {
	p := &parser{file: file, c: Default(), at: map[string]*yaml.Node{}}
	p.document(text)
	if len(p.errs) == 0 {
		p.crossCheck()
	}
	if len(p.errs) > 0 {
		return nil, p.errs.sorted()
	}
	return p.c, nil
}

type parser struct {
	file string
	c    *Charter
	errs Errors
	at   map[string]*yaml.Node // where each value stands, for errors that concern two
}

func (p *parser) fail(n *yaml.Node, path, format string, args ...any) {
	p.errs = append(p.errs, Error{p.file, max(n.Line, 1), max(n.Column, 1), path, fmt.Sprintf(format, args...)})
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

func (p *parser) document(text []byte) {
	start := &yaml.Node{Line: 1, Column: 1}
	if len(text) > MaxBytes {
		p.fail(start, "", "the file has %d bytes; a charter has at most %d", len(text), MaxBytes)
		return
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		p.fail(start, "", "the file is empty; write charter: %d", Version)
		return
	} else if err != nil {
		p.syntax(err)
		return
	}
	var second yaml.Node
	if err := d.Decode(&second); err == nil {
		p.fail(&second, "", "a second document begins here; a charter is one document")
	} else if !errors.Is(err, io.EOF) {
		p.syntax(err)
		return
	}
	p.root(doc.Content[0])
}

// syntax reports an error of the YAML reader, which names a line and no column.
func (p *parser) syntax(err error) {
	text := err.Error()
	n := &yaml.Node{Line: 1, Column: 1}
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		if m[1] != "" {
			n.Line, _ = strconv.Atoi(m[1])
		}
		text = text[len(m[0]):]
	}
	p.fail(n, "", "this is not YAML: %s", text)
}

// fields reads a mapping. want gives the reader of each known key; it is nil
// for keys that a later version reads.
func (p *parser) fields(n *yaml.Node, path string, known []string, read func(key string, v *yaml.Node, path string) bool) {
	if n.Kind != yaml.MappingNode {
		where := path
		if where == "" {
			p.fail(n, "", "%s where keys and values are expected; write charter: %d", describe(n), Version)
			return
		}
		p.fail(n, where, "%s where keys and values are expected; write %s: { %s: … }", describe(n), lastWord(path), known[0])
		return
	}
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode || k.Tag == "!!merge" {
			p.fail(k, path, "%s where a key is expected", describe(k))
			continue
		}
		at := join(path, k.Value)
		if first := seen[k.Value]; first != nil {
			p.fail(k, at, "the key is on line %d already; remove one", first.Line)
			continue
		}
		seen[k.Value] = k
		if v.Kind == yaml.AliasNode {
			p.fail(v, at, "an alias (*%s) is not part of the language; write the value out", v.Value)
			continue
		}
		if !read(k.Value, v, at) {
			p.unknown(k, at, known)
		}
	}
}

func (p *parser) unknown(k *yaml.Node, at string, known []string) {
	if near := nearest(k.Value, known); near != "" {
		p.fail(k, at, "unknown key; did you mean %s?", near)
		return
	}
	p.fail(k, at, "unknown key; known here: %s", strings.Join(known, ", "))
}

var rootKeys = []string{"charter", "organisation", "retention", "limits", "tenants"}

func (p *parser) root(n *yaml.Node) {
	before := len(p.errs)
	version := false
	p.fields(n, "", append(rootKeys[:len(rootKeys):len(rootKeys)], laterSections...), func(key string, v *yaml.Node, at string) bool {
		switch key {
		case "charter":
			version = true
			if v.Value != strconv.Itoa(Version) || v.Kind != yaml.ScalarNode {
				p.fail(v, at, "%s is not a version this clew reads; write %d", describe(v), Version)
			}
		case "organisation":
			if s, ok := p.text(v, at); ok {
				if len(s) == 0 || len(s) > 100 {
					p.fail(v, at, "the name has %d bytes; write 1 to 100", len(s))
				}
				p.c.organisation = s
			}
		case "retention":
			p.retention(v, at)
		case "limits":
			p.limits(v, at)
		case "tenants":
			p.tenants(v, at)
		default:
			for _, later := range laterSections {
				if key == later {
					p.fail(v, at, "not supported by this version yet; remove the section")
					return true
				}
			}
			return false
		}
		return true
	})
	if !version && len(p.errs) == before {
		p.fail(n, "", "the version is missing; write charter: %d on the first line", Version)
	}
}

var retentionKeys = []string{"default", "disk", "clock_skew"}

const year = 365 * 24 * time.Hour

func (p *parser) retention(n *yaml.Node, path string) {
	r := &p.c.retention
	p.fields(n, path, retentionKeys, func(key string, v *yaml.Node, at string) bool {
		switch key {
		case "default":
			p.duration(v, at, &r.Default, time.Hour, 20*year)
		case "disk":
			p.bytes(v, at, &r.Disk, 64<<20, 1<<50)
		case "clock_skew":
			p.duration(v, at, &r.ClockSkew, time.Minute, year)
		default:
			return false
		}
		return true
	})
}

var limitKeys = []string{"attributes", "attribute_value_bytes", "request_bytes", "inflight_bytes", "query_timeout",
	"query_concurrency", "trace_spans", "series"}

func (p *parser) limits(n *yaml.Node, path string) {
	l := &p.c.limits
	p.fields(n, path, limitKeys, func(key string, v *yaml.Node, at string) bool {
		switch key {
		case "attributes":
			p.count(v, at, &l.Attributes, 1, 1024)
		case "attribute_value_bytes":
			b := int64(l.AttributeValueBytes)
			p.bytes(v, at, &b, 64, 1<<20)
			l.AttributeValueBytes = int(b)
		case "request_bytes":
			p.bytes(v, at, &l.RequestBytes, 64<<10, 256<<20)
		case "inflight_bytes":
			p.bytes(v, at, &l.InflightBytes, 1<<20, 64<<30)
		case "query_timeout":
			p.duration(v, at, &l.QueryTimeout, 100*time.Millisecond, 10*time.Minute)
		case "query_concurrency":
			p.count(v, at, &l.QueryConcurrency, 1, 64)
		case "trace_spans":
			p.count(v, at, &l.TraceSpans, 1, 10_000_000)
		case "series":
			p.count(v, at, &l.Series, 1, 100_000)
		default:
			return false
		}
		return true
	})
}

var tenantKeys = []string{"retention", "disk"}

func (p *parser) tenants(n *yaml.Node, path string) {
	p.fields(n, path, []string{"NAME"}, func(name string, v *yaml.Node, at string) bool {
		if !tenantName.MatchString(name) {
			p.fail(v, path, "%q is not a tenant's name; write 1 to 64 of A-Z a-z 0-9 _ -", telemetry.Clip(name))
			return true
		}
		var t TenantRetention
		p.fields(v, at, tenantKeys, func(key string, v *yaml.Node, at string) bool {
			switch key {
			case "retention":
				p.duration(v, at, &t.Age, time.Hour, 20*year)
			case "disk":
				p.bytes(v, at, &t.Disk, 16<<20, 1<<50)
			default:
				return false
			}
			return true
		})
		p.c.tenants[name] = t
		return true
	})
}

// crossCheck compares values with each other; each is right by itself.
func (p *parser) crossCheck() {
	l, r := p.c.limits, p.c.retention
	if l.InflightBytes < l.RequestBytes {
		n, path := p.at["limits.inflight_bytes"], "limits.inflight_bytes"
		if n == nil {
			n, path = p.at["limits.request_bytes"], "limits.request_bytes"
		}
		p.fail(n, path, "inflight_bytes (%s) is under request_bytes (%s), so that the largest request could never pass; raise inflight_bytes or lower request_bytes",
			formatBytes(l.InflightBytes), formatBytes(l.RequestBytes))
	}
	for _, name := range p.c.Tenants() {
		if t := p.c.tenants[name]; t.Disk > r.Disk {
			path := "tenants." + name + ".disk"
			p.fail(p.at[path], path, "%s is over retention.disk (%s), which holds for all tenants together; write %s or less",
				formatBytes(t.Disk), formatBytes(r.Disk), formatBytes(r.Disk))
		}
	}
}

// text reads a scalar.
func (p *parser) text(n *yaml.Node, at string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		p.fail(n, at, "%s where one value is expected", describe(n))
		return "", false
	}
	p.at[at] = n
	return n.Value, true
}

func (p *parser) duration(n *yaml.Node, at string, to *time.Duration, least, most time.Duration) {
	s, ok := p.text(n, at)
	if !ok {
		return
	}
	d, bad := parseDuration(s)
	switch {
	case bad != "":
		p.fail(n, at, "%q %s", telemetry.Clip(s), bad)
	case d < least:
		p.fail(n, at, "%q is under %s; write %s or more", s, formatDuration(least), formatDuration(least))
	case d > most:
		p.fail(n, at, "%q is over %s; write %s or less", s, formatDuration(most), formatDuration(most))
	default:
		*to = d
	}
}

func (p *parser) bytes(n *yaml.Node, at string, to *int64, least, most int64) {
	s, ok := p.text(n, at)
	if !ok {
		return
	}
	v, bad := parseBytes(s)
	switch {
	case bad != "":
		p.fail(n, at, "%q %s", telemetry.Clip(s), bad)
	case v < least:
		p.fail(n, at, "%q is under %s; write %s or more", s, formatBytes(least), formatBytes(least))
	case v > most:
		p.fail(n, at, "%q is over %s; write %s or less", s, formatBytes(most), formatBytes(most))
	default:
		*to = v
	}
}

func (p *parser) count(n *yaml.Node, at string, to *int, least, most int) {
	s, ok := p.text(n, at)
	if !ok {
		return
	}
	v, err := strconv.Atoi(s)
	switch {
	case err != nil || strconv.Itoa(v) != s:
		p.fail(n, at, "%q is not a whole number; write one from %d to %d", telemetry.Clip(s), least, most)
	case v < least:
		p.fail(n, at, "%d is under %d; write %d or more", v, least, least)
	case v > most:
		p.fail(n, at, "%d is over %d; write %d or less", v, most, most)
	default:
		*to = v
	}
}

func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping stands"
	case n.Kind == yaml.SequenceNode:
		return "a list stands"
	case n.Kind == yaml.AliasNode:
		return "an alias stands"
	case n.Tag == "!!null":
		return "nothing stands"
	}
	return strconv.Quote(telemetry.Clip(n.Value))
}

func join(path, key string) string {
	if path == "" {
		return telemetry.Clip(key)
	}
	return path + "." + telemetry.Clip(key)
}

func lastWord(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }
