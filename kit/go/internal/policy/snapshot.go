package policy

import (
	"slices"
	"unicode/utf8"

	"github.com/clew-dev/clew/kit/go/internal/propagate"
	"github.com/clew-dev/clew/kit/go/internal/sampling"
)

// Snapshot is what holds now. It is immutable, but for the counts of its rate
// limits.
type Snapshot struct {
	version        string
	levels         [Components]Level
	logLevel       LogLevel
	logLines       int64
	summary        bool
	fallback       decider
	limited        bool // some decider has a rate limit
	rules          ruleIndex
	redact         patternIndex
	actions        []Action
	targets        propagate.Targets
	baggage        patternIndex
	baggageLimited bool
}

// decider is a threshold with its limit.
type decider struct {
	sampler *sampling.Sampler
	limiter *sampling.Limiter // nil does not limit
}

// Defaults of what no document says.
const (
	DefaultLevel             = Standard
	DefaultLogLevel          = Info
	DefaultLogLinesPerSecond = 100
)

// Compile makes the snapshot of the program's own document, the live one and the
// local overrides. Live and local may be nil. Every value is that of the last
// document that has it, except redactions: they add up, the own ones first.
func Compile(own, live, local *Document) *Snapshot {
	s := &Snapshot{logLevel: DefaultLogLevel, logLines: DefaultLogLinesPerSecond, summary: true}
	for c := range s.levels {
		s.levels[c] = DefaultLevel
	}
	var rules Sampling
	var targets, keys []string
	var redactions []Redaction
	for _, d := range []*Document{own, live, local} {
		if d == nil {
			continue
		}
		if d.Version != "" {
			s.version = d.Version
		}
		for c := range s.levels {
			s.levels[c] = d.Components[c].Or(d.Level.Or(s.levels[c]))
		}
		s.logLevel = d.LogLevel.Or(s.logLevel)
		s.logLines = d.LogLinesPerSecond.Or(s.logLines)
		if d.Sampling.Threshold.Set {
			rules.Threshold, rules.PerSecond = d.Sampling.Threshold, d.Sampling.PerSecond
		} else if d.Sampling.PerSecond.Set {
			rules.PerSecond = d.Sampling.PerSecond
		}
		if d.Sampling.Rules.Set {
			rules.Rules = d.Sampling.Rules
		}
		s.summary = d.Sampling.SummaryOnError.Or(s.summary)
		targets = d.PropagateTo.Or(targets)
		if d.BaggageKeys.Set {
			keys, s.baggageLimited = d.BaggageKeys.Value, true
		}
		redactions = append(redactions, d.Redact...)
	}
	s.fallback = newDecider(rules.Threshold.Value, rules.PerSecond)
	s.rules = newRuleIndex(rules)
	s.limited = s.fallback.limiter != nil ||
		slices.ContainsFunc(s.rules.rules, func(r compiledRule) bool { return r.limiter != nil })
	s.targets = propagate.NewTargets(targets)
	for i, k := range keys {
		s.baggage.add(k, int32(i))
	}
	for i, r := range redactions {
		s.redact.add(r.Key, int32(i))
		s.actions = append(s.actions, r.Action)
	}
	return s
}

func newDecider(t sampling.Threshold, perSecond Optional[int64]) decider {
	d := decider{sampler: sampling.NewSampler(t)}
	if perSecond.Set {
		d.limiter = sampling.NewLimiter(d.sampler, uint64(max(0, perSecond.Value)))
	}
	return d
}

// Version is that of the live document, "" without one.
func (s *Snapshot) Version() string { return s.version }

// Level is that of a component.
func (s *Snapshot) Level(c Component) Level { return s.levels[c] }

// On reports whether a component says what needs a level.
func (s *Snapshot) On(c Component, need Level) bool { return s.levels[c] >= need && need > Off }

// LogLevel is the least severity of lines on standard output.
func (s *Snapshot) LogLevel() LogLevel { return s.logLevel }

// LogLinesPerSecond is how many lines a template may write in a second.
func (s *Snapshot) LogLinesPerSecond() int64 { return s.logLines }

// SummaryOnError says whether a failed root that was not kept is sent as one span.
func (s *Snapshot) SummaryOnError() bool { return s.summary }

// Limited reports whether Sampler looks at the clock at all.
func (s *Snapshot) Limited() bool { return s.limited }

// Sampler is what decides about a root with these facts. Asking counts the root
// against the rate limit of its rule. Second is the whole second of the clock.
func (s *Snapshot) Sampler(f Facts, second int64) *sampling.Sampler {
	d := &s.fallback
	if r := s.rules.find(f); r != nil {
		d = r
	}
	if d.limiter != nil {
		return d.limiter.Sampler(second)
	}
	return d.sampler
}

// Redacts reports whether there is any redaction at all.
func (s *Snapshot) Redacts() bool { return len(s.actions) > 0 }

// Redact is what happens to an attribute with this key, if anything.
func (s *Snapshot) Redact(key string) (Action, bool) {
	if len(s.actions) == 0 {
		return Action{}, false
	}
	i, ok := s.redact.find(key)
	if !ok {
		return Action{}, false
	}
	return s.actions[i], true
}

// PropagateTo reports whether baggage may go to a host or subject.
func (s *Snapshot) PropagateTo(target string) bool { return s.targets.Match(target) }

// BaggageKey reports whether baggage with this key may leave at all.
func (s *Snapshot) BaggageKey(key string) bool {
	if !s.baggageLimited {
		return true
	}
	_, ok := s.baggage.find(key)
	return ok
}

// Text is what an action leaves of a text; false when the attribute goes.
func (a Action) Text(s string) (string, bool) {
	switch a.Do {
	case Mask:
		return Masked, true
	case Truncate:
		if len(s) <= a.Length {
			return s, true
		}
		end := a.Length
		for end > 0 && !utf8.RuneStart(s[end]) {
			end--
		}
		return s[:end], true
	}
	return "", false
}
