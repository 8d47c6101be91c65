package clew

import (
	"strconv"
	"strings"
	"time"

	"github.com/clew-dev/clew/kit/go/internal/policy"
	"github.com/clew-dev/clew/kit/go/internal/sampling"
)

// text returns a variable without spaces around it, "" when it is empty or not set, which OpenTelemetry takes for the same.
func (c *config) text(name string) string {
	v, _ := c.lookup(name)
	return strings.TrimSpace(v)
}

// environment reads the variables that the kit honours. Those of the exporter and of the resource are read where they are used.
func (c *config) environment() {
	c.disabled = c.boolean("OTEL_SDK_DISABLED")
	c.sampler()
	c.propagators()
	c.spanLimits()
	if v := c.text("OTEL_METRIC_EXPORT_INTERVAL"); v != "" {
		if ms, ok := number(v, 100, 24*3600*1000); ok {
			c.interval = time.Duration(ms) * time.Millisecond
		} else {
			c.refuse("OTEL_METRIC_EXPORT_INTERVAL=%q: write milliseconds from 100; collecting every 15 s", v)
		}
	}
	c.clew()
}

// clew reads the variables that are the kit's own.
func (c *config) clew() {
	if v := c.text("CLEW_TRACE_FLAGS_LEVEL"); v == "1" || v == "2" {
		c.flagsLevel = int(v[0] - '0')
	} else if v != "" {
		c.refuse("CLEW_TRACE_FLAGS_LEVEL=%q: write 1 or 2; roots use level 2", v)
	}
	switch v := c.text("CLEW_LEAKS"); v {
	case "", "off", "count", "debug":
		c.leaks = v
	default:
		c.refuse("CLEW_LEAKS=%q: write off, count or debug; leaks are counted", v)
	}
	if v := c.text("CLEW_LEVEL"); v != "" {
		if l, ok := policy.ParseLevel(strings.ToLower(v)); ok {
			c.own.Level = policy.Some(l)
		} else {
			c.refuse("CLEW_LEVEL=%q: write off, edges, standard or detailed; the level is %s", v, c.own.Level.Or(policy.Standard))
		}
	}
	if v := c.text("CLEW_LOG_LEVEL"); v != "" {
		if l, ok := policy.ParseLogLevel(strings.ToLower(v)); ok {
			c.own.LogLevel = policy.Some(l)
		} else {
			c.refuse("CLEW_LOG_LEVEL=%q: write trace, debug, info, warn or error; the level is %s", v, c.own.LogLevel.Or(policy.Info))
		}
	}
	if v := c.text("CLEW_PROPAGATE_TO"); v != "" {
		c.own.PropagateTo = policy.Some(list(v))
	}
	if v := c.text("CLEW_POLICY_URL"); v != "" {
		c.policyURL = v
	} else if v := c.text("CLEW_ENDPOINT"); v != "" {
		c.policyURL = v
	}
	if v := c.text("CLEW_POLICY_CACHE"); v != "" {
		c.policyCache = v
	}
}

// sampler maps the samplers of OpenTelemetry. All of them respect a parent here, and every ratio is a consistent one.
func (c *config) sampler() {
	name, arg := c.text("OTEL_TRACES_SAMPLER"), c.text("OTEL_TRACES_SAMPLER_ARG")
	threshold := sampling.Threshold(0)
	switch strings.TrimPrefix(name, "parentbased_") {
	case "":
		if arg != "" {
			c.refuse("OTEL_TRACES_SAMPLER_ARG=%q without OTEL_TRACES_SAMPLER: set that to parentbased_traceidratio; the argument is not used", arg)
		}
		return
	case "always_on":
	case "always_off":
		threshold = sampling.Never
	case "traceidratio":
		if arg == "" {
			break // The specification's default is 1.
		}
		r, err := sampling.ParseRatio(arg)
		if err != nil {
			c.refuse("OTEL_TRACES_SAMPLER_ARG=%q: %v; all traces are kept", arg, err)
			break
		}
		threshold = r.Threshold()
	default:
		c.refuse("OTEL_TRACES_SAMPLER=%q: not known; write always_on, always_off, traceidratio or one of them after parentbased_; the variable counts as absent", name)
		return
	}
	c.own.Sampling.Threshold = policy.Some(threshold)
}

func (c *config) propagators() {
	v := c.text("OTEL_PROPAGATORS")
	if v == "" {
		return
	}
	p := propagators{}
	for _, name := range list(v) {
		switch name {
		case "tracecontext":
			p.context = true
		case "baggage":
			p.baggage = true
		case "b3", "b3multi":
			// B3 is always read when there is no traceparent, and never written.
			p.context = true
		case "none":
			if strings.Contains(v, ",") {
				c.refuse("OTEL_PROPAGATORS=%q: none stands beside others; using tracecontext,baggage", v)
				return
			}
		default:
			c.refuse("OTEL_PROPAGATORS=%q: %q is not known; write tracecontext, baggage, b3, b3multi or none", v, name)
			return
		}
	}
	c.propagates = p
}

func (c *config) spanLimits() {
	const most = 10_000
	l := &c.limits
	c.limit(&l.value, 64<<10, "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")
	c.limit(&l.value, 64<<10, "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT")
	c.limit(&l.attributes, most, "OTEL_ATTRIBUTE_COUNT_LIMIT")
	c.limit(&l.attributes, most, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT")
	c.limit(&l.events, most, "OTEL_SPAN_EVENT_COUNT_LIMIT")
	c.limit(&l.links, most, "OTEL_SPAN_LINK_COUNT_LIMIT")
	c.limit(&l.eventAttributes, most, "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT")
	c.limit(&l.linkAttributes, most, "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT")
}

// limit takes over a limit that is set. The narrower variable comes after the wider one, and so wins.
func (c *config) limit(to *int, most int, name string) {
	v := c.text(name)
	if v == "" {
		return
	}
	n, ok := number(v, 0, most)
	if !ok {
		c.refuse("%s=%q: write a number from 0 to %d; the limit is %d", name, v, most, *to)
		return
	}
	*to = n
}

func (c *config) boolean(name string) bool {
	switch v := c.text(name); strings.ToLower(v) {
	case "true":
		return true
	case "", "false":
	default:
		c.refuse("%s=%q: write true or false; it is false", name, v)
	}
	return false
}

func number(s string, least, most int) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= least && n <= most
}

// list splits at commas and leaves out what is empty.
func list(s string) []string {
	var out []string
	for _, part := range strings.Split(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
