package charter

import (
	"maps"
	"slices"
)

// compile makes the sections of a tree that has all defaults and checks.
func compile(root *value) *Charter {
	c := &Charter{tree: root, effective: root.effective(), organisation: root.get("organisation").str(), environments: root.get("environments").strs()}
	c.retention = Retention{
		Default: root.get("retention", "default").span(), Disk: root.get("retention", "disk").num(), ClockSkew: root.get("retention", "clock_skew").span(),
	}
	l := root.get("limits")
	c.limits = Limits{
		Attributes: int(l.get("attributes").num()), AttributeValueBytes: int(l.get("attribute_value_bytes").num()),
		RequestBytes: l.get("request_bytes").num(), InflightBytes: l.get("inflight_bytes").num(),
		QueryTimeout: l.get("query_timeout").span(), QueryConcurrency: int(l.get("query_concurrency").num()),
		TraceSpans: int(l.get("trace_spans").num()), Series: int(l.get("series").num()),
	}
	c.tenants = each(root.get("tenants"), func(_ string, v *value) TenantRetention {
		return TenantRetention{Age: v.get("retention").span(), Disk: v.get("disk").num()}
	})
	c.teams = each(root.get("teams"), func(name string, v *value) Team {
		return Team{name, v.get("contact").str(), v.get("escalation").str(), v.get("runbook").str()}
	})
	c.services = each(root.get("services"), func(name string, v *value) Service {
		return Service{name, v.get("team").str(), v.get("language").str(), v.get("tier").str(), v.get("journeys").strs()}
	})
	c.own = each(root.get("attributes"), attribute)
	contracts := each(root.get("spans"), contract)
	for _, id := range slices.Sorted(maps.Keys(contracts)) {
		c.contracts = append(c.contracts, contracts[id])
	}
	for _, v := range root.get("import").list {
		for kind, one := range v.kids { // exactly one
			c.imports = append(c.imports, Import{ImportKind(kind), one.text})
		}
	}
	for _, r := range rules {
		c.modes = append(c.modes, Mode(root.get("checks", "rules", string(r.rule)).str()))
	}
	c.detectors = detectorsOf(root.get("privacy", "detectors"))
	c.kits = kitsOf(root.get("kits"))
	c.words = newVocabulary(c.own)
	c.redacted = c.redactions()
	c.version = c.hash()
	return c
}

func each[T any](v *value, make func(name string, v *value) T) map[string]T {
	out := map[string]T{}
	for name, kid := range v.kids {
		out[name] = make(name, kid)
	}
	return out
}

func attribute(name string, v *value) Attribute {
	a := Attribute{
		Name: name, Type: AttributeType(v.get("type").str()), Brief: v.get("brief").str(), Note: v.get("note").str(),
		Examples: v.get("examples").strs(), Stability: v.get("stability").str(), Formerly: v.get("formerly").strs(),
		Owner: v.get("owner").str(), Personal: Personal(v.get("personal").str()), Common: v.get("common").on(), Source: SourceCharter,
	}
	members := v.get("members")
	for _, value := range members.names() {
		a.Members = append(a.Members, Member{value, members.kids[value].text})
	}
	if d := v.get("deprecated"); d != nil {
		a.Deprecated = &Deprecated{d.get("reason").str(), d.get("renamed_to").str(), d.get("note").str()}
	}
	if on := v.get("on_ingest"); on != nil {
		switch length, text := on.get(string(ActionTruncate)), on.get(string(ActionReplace)); {
		case length != nil:
			a.OnIngest = Action{Kind: ActionTruncate, Length: int(length.n)}
		case text != nil:
			a.OnIngest = Action{Kind: ActionReplace, Text: text.text}
		default:
			a.OnIngest = Action{Kind: ActionKind(on.text)}
		}
	}
	return a
}

func contract(id string, v *value) SpanContract {
	match := v.get("match")
	return SpanContract{
		ID: id, Service: v.get("service").str(), Kind: v.get("kind").str(), Brief: v.get("brief").str(),
		MatchName: match.get("name").str(), MatchRoute: match.get("http.route").str(), MatchRPC: match.get("rpc.method").str(),
		Requires: v.get("requires").strs(), AtStart: v.get("at_start").strs(), MayCall: v.get("may_call").strs(),
		BusinessErrors: v.get("errors", "business").strs(), CountAsFailure: v.get("errors", "count_as_failure").on(),
	}
}

// detectorsOf gives the chosen detectors in the order of the table.
func detectorsOf(v *value) []string {
	switch v.text {
	case "all":
		return DetectorNames()
	case "none":
		return []string{}
	}
	on := v.strs()
	return slices.DeleteFunc(DetectorNames(), func(name string) bool { return !slices.Contains(on, name) })
}

// modes gives rules that are not named the mode that checks.default asks for.
func (p *parser) modes() {
	all := p.root.get("checks", "default")
	if all == nil {
		return
	}
	checks := p.root.get("checks")
	list := checks.kids["rules"]
	if list == nil {
		list = &value{f: checks.f.field("rules"), at: all.at, key: all.at, path: "checks.rules", kids: map[string]*value{}}
		checks.kids["rules"] = list
	}
	for _, r := range rules {
		if list.kids[string(r.rule)] != nil {
			continue
		}
		mode := Mode(all.text)
		if mode == ModeMend && !r.rule.MayMend() {
			mode = ModeObserve
		}
		list.kids[string(r.rule)] = &value{f: list.f.field(string(r.rule)), at: all.at, key: all.at, path: "checks.rules." + string(r.rule), text: string(mode)}
	}
}
