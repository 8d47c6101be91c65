package policy

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/clew-dev/clew/kit/go/internal/sampling"
)

var (
	documentKeys  = []string{"version", "ttl_seconds", "level", "components", "log_level", "log_lines_per_second", "sampling", "redact", "propagate_to", "baggage_keys"}
	samplingKeys  = []string{"th", "per_second", "summary_on_error", "rules"}
	ruleKeys      = []string{"name", "match", "th", "per_second"}
	matchKeys     = []string{"route", "method", "kind", "name"}
	redactionKeys = []string{"key", "action", "length"}
)

// Parse reads a document. It is an error, and nothing of it counts, when it is no
// JSON object, longer or deeper than the limits, or when a known key has a value of
// the wrong kind. Keys that are not known are skipped.
func Parse(document []byte) (*Document, error) {
	if len(document) > MaxBytes {
		return nil, &fault{what: fmt.Sprintf("over %d bytes; shorten it", MaxBytes)}
	}
	if !utf8.Valid(document) {
		return nil, &fault{what: "not UTF-8; send one JSON object"}
	}
	p := parser{reader: reader{text: string(document)}}
	if f := p.document(); f != nil {
		return nil, f
	}
	if p.peek(); p.at != len(p.text) {
		return nil, p.notJSON()
	}
	return &p.out, nil
}

type parser struct {
	reader
	out Document
}

func (p *parser) document() *fault {
	d := &p.out
	return p.object(documentKeys, func(key int) (f *fault) {
		switch documentKeys[key] {
		case "version":
			d.Version, f = p.texts()
		case "ttl_seconds":
			d.TTLSeconds, f = p.integer()
		case "level":
			d.Level, f = word(p, ParseLevel, levelNames[:])
		case "components":
			return p.object(componentNames[:], func(c int) (f *fault) {
				d.Components[c], f = word(p, ParseLevel, levelNames[:])
				return f
			}, nil)
		case "log_level":
			d.LogLevel, f = word(p, ParseLogLevel, logLevelNames[:])
		case "log_lines_per_second":
			d.LogLinesPerSecond, f = p.count()
		case "sampling":
			return p.sampling(&d.Sampling)
		case "redact":
			return p.array(MaxRedactions, p.redaction)
		case "propagate_to":
			d.PropagateTo, f = p.list()
		case "baggage_keys":
			d.BaggageKeys, f = p.list()
		}
		return f
	}, nil)
}

// word reads a text out of a closed list.
func word[T any](p *parser, parse func(string) (T, bool), names []string) (Optional[T], *fault) {
	s, f := p.texts()
	if f != nil {
		return Optional[T]{}, f
	}
	v, ok := parse(s)
	if !ok {
		return Optional[T]{}, &fault{what: "not a known word; write " + strings.Join(names, ", ")}
	}
	return Some(v), nil
}

func (p *parser) count() (Optional[int64], *fault) {
	v, f := p.integer()
	return Optional[int64]{v, f == nil}, f
}

func (p *parser) list() (Optional[[]string], *fault) {
	out := []string{}
	f := p.array(MaxRules, func() *fault {
		s, f := p.texts()
		out = append(out, s)
		return f
	})
	return Some(out), f
}

func (p *parser) threshold() (Optional[sampling.Threshold], *fault) {
	s, f := p.texts()
	if f != nil {
		return Optional[sampling.Threshold]{}, f
	}
	if s == "never" {
		return Some(sampling.Never), nil
	}
	t, ok := sampling.ParseThreshold(s)
	if !ok {
		return Optional[sampling.Threshold]{}, &fault{what: "not a threshold; write 1 to 14 lower-case hex digits or never"}
	}
	return Some(t), nil
}

func (p *parser) sampling(s *Sampling) *fault {
	return p.object(samplingKeys, func(key int) (f *fault) {
		switch samplingKeys[key] {
		case "th":
			s.Threshold, f = p.threshold()
		case "per_second":
			s.PerSecond, f = p.count()
		case "summary_on_error":
			s.SummaryOnError.Value, f = p.bool()
			s.SummaryOnError.Set = true
		case "rules":
			s.Rules.Set = true
			f = p.array(MaxRules, func() *fault { return p.rule(s) })
		}
		return f
	}, nil)
}

// rule reads a rule. One that matches by what is not known here is left out: to
// match by the rest alone would take roots that were not meant.
func (p *parser) rule(s *Sampling) *fault {
	var r Rule
	known := true
	f := p.object(ruleKeys, func(key int) (f *fault) {
		switch ruleKeys[key] {
		case "name":
			r.Name, f = p.texts()
		case "match":
			fields := [...]*Optional[string]{&r.Match.Route, &r.Match.Method, &r.Match.Kind, &r.Match.Name}
			f = p.object(matchKeys, func(key int) (f *fault) {
				fields[key].Value, f = p.texts()
				fields[key].Set = true
				return f
			}, func() *fault {
				known = false
				return p.skip()
			})
		case "th":
			r.Threshold, f = p.threshold()
		case "per_second":
			r.PerSecond, f = p.count()
		}
		return f
	}, nil)
	if f != nil {
		return f
	}
	if !known {
		p.out.Skipped++
		return nil
	}
	s.Rules.Value = append(s.Rules.Value, r)
	return nil
}

// redaction reads a redaction and leaves out one that says nothing understood.
func (p *parser) redaction() *fault {
	var r Redaction
	var action string
	length := int64(-1)
	f := p.object(redactionKeys, func(key int) (f *fault) {
		switch redactionKeys[key] {
		case "key":
			r.Key, f = p.texts()
		case "action":
			action, f = p.texts()
		case "length":
			length, f = p.integer()
		}
		return f
	}, nil)
	if f != nil {
		return f
	}
	switch action {
	case "drop":
		r.Action.Do = Drop
	case "mask":
		r.Action.Do = Mask
	case "truncate":
		r.Action = Action{Truncate, int(length)}
	default:
		r.Key = ""
	}
	if r.Key == "" || r.Action.Length < 0 {
		p.out.Skipped++
		return nil
	}
	p.out.Redact = append(p.out.Redact, r)
	return nil
}
