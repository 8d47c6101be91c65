package generate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/clew-dev/clew/internal/charter"
)

type traceTarget struct {
	Match []policyMatch `json:"match"` // all of them
	Keep  traceKeep     `json:"keep"`
}

type traceKeep struct {
	Percentage float64 `json:"percentage"`
	// Mode is equalizing: applied twice, by an SDK and by a Collector, it keeps what
	// it keeps applied once.
	Mode      string `json:"mode"`
	Precision int    `json:"sampling_precision"` // hex digits of the threshold; 14 are all
}

// maxAlternatives bounds the policies that one rule becomes.
const maxAlternatives = 64

// samplingPolicies makes policies of kits.sampling. Of the rules of a charter the
// first that matches counts; of policies all do, and the most restrictive wins. So
// each excludes what the rules before it match.
func samplingPolicies(c *charter.Charter) (policies []Policy, leftOut []string) {
	kits := c.Kits()
	own := slices.Sorted(maps.Keys(kits.Services))
	own = slices.DeleteFunc(own, func(name string) bool { return kits.Services[name].Sampling == nil })
	var others []policyMatch
	serviceIs := func(name string, negate bool) policyMatch {
		return policyMatch{ResourceAttribute: []string{"service.name"}, Exact: name, Negate: negate}
	}
	common := charter.KitSampling{}
	if kits.Common.Sampling != nil {
		common = *kits.Common.Sampling
	}
	for _, name := range own {
		others = append(others, serviceIs(name, true))
		s := *kits.Services[name].Sampling
		s.Ratio = cmp.Or(s.Ratio, common.Ratio)
		s.Rules = slices.Concat(s.Rules, common.Rules)
		l := layer{path: "kits.services." + name + ".sampling", id: "clew.sampling.service." + name, of: "of " + name, scope: []policyMatch{serviceIs(name, false)}}
		l.add(s)
		policies, leftOut = append(policies, l.policies...), append(leftOut, l.leftOut...)
	}
	l := layer{path: "kits.sampling", id: "clew.sampling.common", of: "of all services", scope: others}
	if len(others) > 0 {
		l.of = "of all other services"
	}
	l.add(common)
	return append(policies, l.policies...), append(leftOut, l.leftOut...)
}

// layer is what is said to the kits of some services.
type layer struct {
	path, id, of string
	scope        []policyMatch
	policies     []Policy
	leftOut      []string
}

func (l *layer) leave(what, why string) {
	l.leftOut = append(l.leftOut, l.path+what+": "+why)
}

func (l *layer) add(s charter.KitSampling) {
	if s.PerSecond != nil {
		l.leave(".per_second", "a policy of traces has no rate")
	}
	// What no rule so far matches, as alternatives that together are all of it.
	rest := [][]policyMatch{nil}
	for i, r := range s.Rules {
		name := cmp.Or(r.Name, strconv.Itoa(i+1))
		match, why := matchersOf(r.Match)
		if why != "" || len(rest)*max(len(match), 1) > maxAlternatives {
			l.leave(".rules", fmt.Sprintf("rule %s: %s; nor can what comes after it be a policy", name, cmp.Or(why, "with those before it it would be too many policies")))
			return
		}
		if r.PerSecond != nil {
			l.leave(".rules", fmt.Sprintf("rule %s: a policy of traces has no rate", name))
		}
		if r.Ratio != "" {
			l.policy(l.id+".rule."+strconv.Itoa(i+1), "rule "+name, r.Ratio, match, rest)
		}
		var next [][]policyMatch
		for _, before := range rest {
			for _, m := range match {
				m.Negate = true
				next = append(next, append(slices.Clone(before), m))
			}
		}
		rest = next
	}
	if s.Ratio != "" {
		l.policy(l.id, "", s.Ratio, nil, rest)
	}
}

// policy makes one policy of each alternative.
func (l *layer) policy(id, what, ratio string, match []policyMatch, rest [][]policyMatch) {
	share, why := charter.ParseShare(ratio)
	if why != "" {
		l.leave("", strconv.Quote(ratio)+" "+why) // the charter was checked; nothing is kept by mistake
		return
	}
	percent, _ := share.Float64()
	for i, alternative := range rest {
		p := Policy{ID: id, Name: "Sample the traces " + l.of, Enabled: true,
			Description: fmt.Sprintf("Of the traces %s %s is kept. The first span of a trace decides.", l.of, ratio),
			Trace:       &traceTarget{Match: slices.Concat(l.scope, match, alternative), Keep: traceKeep{percent * 100, "equalizing", 14}}}
		switch {
		case what != "":
			p.Name += ", " + what
			p.Description = fmt.Sprintf("Of the traces %s that %s matches %s is kept. The first span of a trace decides.", l.of, what, ratio)
		case len(rest[0]) > 0:
			p.Description = fmt.Sprintf("Of the traces %s that no rule matches %s is kept. The first span of a trace decides.", l.of, ratio)
		}
		if len(rest) > 1 {
			p.ID += "." + strconv.Itoa(i+1)
		}
		if len(p.Trace.Match) == 0 { // a policy needs a condition
			p.Trace.Match = []policyMatch{{TraceField: "TRACE_FIELD_TRACE_ID", Exists: true}}
		}
		l.policies = append(l.policies, p)
	}
}

// matchersOf says of a rule's match what a policy matches, or why none can.
func matchersOf(match map[string]string) (out []policyMatch, why string) {
	for _, key := range slices.Sorted(maps.Keys(match)) {
		var m policyMatch
		value, prefix := strings.CutSuffix(match[key], "*")
		switch key {
		case "kind":
			if prefix || !slices.Contains([]string{"server", "client", "internal", "producer", "consumer"}, value) {
				return nil, fmt.Sprintf("kind %q is none that a policy can name", match[key])
			}
			out = append(out, policyMatch{SpanKind: "SPAN_KIND_" + strings.ToUpper(value), Exists: true})
			continue
		case "method":
			m.SpanAttribute = []string{"http.request.method"}
		case "name":
			m.TraceField = "TRACE_FIELD_NAME"
		case "route":
			m.SpanAttribute = []string{"http.route"}
		default:
			return nil, fmt.Sprintf("a policy cannot match by %s", key)
		}
		switch {
		case prefix && value == "":
			m.Exists = true
		case prefix:
			m.StartsWith = value
		default:
			m.Exact = value
		}
		out = append(out, m)
	}
	return out, ""
}

// Samples reports whether there are policies of sampling.
func (m *Model) Samples() bool {
	return slices.ContainsFunc(m.Policies, func(p Policy) bool { return p.Trace != nil })
}
