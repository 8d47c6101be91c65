package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/clew-dev/clew/internal/telemetry"
)

// maxErrors bounds what is reported of a file that is not a policy at all.
const maxErrors = 50

type checker struct {
	file string
	errs []error
}

func (c *checker) wrong(path, format string, args ...any) {
	if len(c.errs) < maxErrors {
		c.errs = append(c.errs, fmt.Errorf("%s: %s: %s", c.file, path, fmt.Sprintf(format, args...)))
	}
}

// section checks s and writes thresholds in place of ratios.
func (c *checker) section(at string, s *section) {
	if n := len(s.Version); n > maxVersion {
		c.wrong(at+"version", "has %d bytes; kits tell %d of what they have applied", n, maxVersion)
	}
	if s.TTLSeconds != nil && (*s.TTLSeconds < 0 || *s.TTLSeconds > 30*24*3600) {
		c.wrong(at+"ttl_seconds", "%d is not between 0 (never) and 30 days", *s.TTLSeconds)
	}
	c.oneOf(at+"level", s.Level, levels)
	c.oneOf(at+"log_level", s.LogLevel, logLevels)
	if s.LogLines != nil && (*s.LogLines < 1 || *s.LogLines > 1_000_000) {
		c.wrong(at+"log_lines_per_second", "%d is not between 1 and 1000000", *s.LogLines)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Components)) {
		if !slices.Contains(components, name) {
			c.wrong(at+"components."+name, "no such component; there are %s", strings.Join(components, ", "))
		}
		c.oneOf(at+"components."+name, s.Components[name], levels)
		if s.Components[name] == "" {
			c.wrong(at+"components."+name, "is empty; write one of %s", strings.Join(levels, ", "))
		}
	}
	if s.Sampling != nil {
		c.sampling(at+"sampling.", s.Sampling)
	}
	if len(s.Redact) > maxRules {
		c.wrong(at+"redact", "%d rules are over the limit of %d", len(s.Redact), maxRules)
	}
	for i, r := range s.Redact {
		c.redaction(fmt.Sprintf("%sredact[%d]", at, i), r)
	}
	if n := len(s.PropagateTo); n > maxTargets {
		c.wrong(at+"propagate_to", "%d targets are over the limit of %d", n, maxTargets)
	}
	if n := len(s.BaggageKeys); n > maxRules {
		c.wrong(at+"baggage_keys", "%d keys are over the limit of %d", n, maxRules)
	}
	for i, p := range s.PropagateTo {
		c.needed(fmt.Sprintf("%spropagate_to[%d]", at, i), p)
	}
	for i, k := range s.BaggageKeys {
		c.needed(fmt.Sprintf("%sbaggage_keys[%d]", at, i), k)
	}
}

func (c *checker) sampling(at string, s *sampling) {
	c.share(at, &s.Ratio, &s.Threshold)
	c.rate(at+"per_second", s.PerSecond)
	if len(s.Rules) > maxRules {
		c.wrong(at+"rules", "%d rules are over the limit of %d", len(s.Rules), maxRules)
	}
	for i := range s.Rules {
		r := &s.Rules[i]
		here := fmt.Sprintf("%srules[%d].", at, i)
		c.text(here+"name", r.Name)
		if len(r.Match) == 0 {
			c.wrong(here+"match", "is empty; a rule for everything is sampling.ratio")
		}
		for _, key := range slices.Sorted(maps.Keys(r.Match)) {
			if !slices.Contains(matchKeys, key) {
				c.wrong(here+"match."+key, "no such key; there are %s", strings.Join(matchKeys, ", "))
			}
			c.needed(here+"match."+key, r.Match[key])
			if star := strings.IndexByte(r.Match[key], '*'); star >= 0 && star != len(r.Match[key])-1 {
				c.wrong(here+"match."+key, "%q: * stands only at the end", telemetry.Clip(r.Match[key]))
			}
		}
		if r.Ratio == "" && r.Threshold == "" && r.PerSecond == nil {
			c.wrong(strings.TrimSuffix(here, "."), "says nothing; add ratio or per_second")
		}
		c.share(here, &r.Ratio, &r.Threshold)
		c.rate(here+"per_second", r.PerSecond)
	}
}

// share checks the two ways to write a share and leaves the threshold.
func (c *checker) share(at string, ratio, threshold *string) {
	switch {
	case *ratio != "" && *threshold != "":
		c.wrong(at+"ratio", "stands beside th; keep one of them")
	case *ratio != "":
		th, err := thresholdOf(*ratio)
		if err != nil {
			c.wrong(at+"ratio", "%v", err)
		}
		*ratio, *threshold = "", th
	case *threshold != "" && *threshold != "never" && !isThreshold(*threshold):
		c.wrong(at+"th", "%q is not a threshold; write 1 to 14 lower-case hex digits, or use ratio", telemetry.Clip(*threshold))
	}
}

func isThreshold(s string) bool { return len(s) <= 14 && strings.Trim(s, "0123456789abcdef") == "" }

func (c *checker) rate(at string, perSecond *int64) {
	if perSecond != nil && (*perSecond < 0 || *perSecond > 1_000_000_000) {
		c.wrong(at, "%d is not between 0 and 1000000000 traces a second and process", *perSecond)
	}
}

func (c *checker) redaction(at string, r redaction) {
	c.needed(at+".key", r.Key)
	if r.Action == "" {
		c.wrong(at+".action", "is missing; write one of %s", strings.Join(actions, ", "))
	}
	c.oneOf(at+".action", r.Action, actions)
	switch {
	case r.Action == "truncate" && (r.Length == nil || *r.Length < 0 || *r.Length > 4096):
		c.wrong(at+".length", "truncate needs a length of 0 to 4096 bytes")
	case r.Action != "truncate" && r.Length != nil:
		c.wrong(at+".length", "belongs to truncate")
	}
}

func (c *checker) oneOf(at, value string, allowed []string) {
	if value != "" && !slices.Contains(allowed, value) {
		c.wrong(at, "%q is none of %s", telemetry.Clip(value), strings.Join(allowed, ", "))
	}
}

func (c *checker) needed(at, value string) {
	if value == "" {
		c.wrong(at, "is empty")
	}
	c.text(at, value)
}

func (c *checker) text(at, value string) {
	if len(value) > maxText {
		c.wrong(at, "has %d bytes; the limit is %d", len(value), maxText)
	}
}
