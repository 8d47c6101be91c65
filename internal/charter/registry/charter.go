package registry

import (
	"cmp"
	"slices"

	"github.com/clew-dev/clew/internal/charter"
)

// Attributes are the definitions in the words of a charter, sorted by name. A name
// that was renamed stands among the former names of the one that it became, where
// the registry has that one too.
func (r *Registry) Attributes() []charter.Attribute {
	former := map[string][]string{}
	for _, a := range r.attributes {
		if a.Deprecated != nil && a.Deprecated.RenamedTo != "" {
			former[a.Deprecated.RenamedTo] = append(former[a.Deprecated.RenamedTo], a.Name)
		}
	}
	out := make([]charter.Attribute, len(r.attributes))
	for i, a := range r.attributes {
		out[i] = charter.Attribute{
			Name: a.Name, Type: charter.AttributeType(a.Type), Brief: a.Brief, Note: a.Note, Examples: a.Examples,
			Members: charterMembers(a.Members), Stability: a.Stability, Deprecated: charterDeprecated(a.Deprecated),
			Formerly: formerly(a, former[a.Name]), Owner: a.Owner, Personal: a.Personal, OnIngest: a.OnIngest, Common: a.Common, Source: r.source,
		}
	}
	return out
}

// formerly joins what was renamed in the registry and what a charter said before.
func formerly(a Attribute, renamed []string) []string {
	for _, name := range a.Formerly {
		if !slices.Contains(renamed, name) {
			renamed = append(renamed, name)
		}
	}
	return renamed
}

func charterMembers(members []Member) []charter.Member {
	if len(members) == 0 {
		return nil
	}
	out := make([]charter.Member, len(members))
	for i, m := range members {
		out[i] = charter.Member{Value: m.Value, Brief: m.Brief}
	}
	slices.SortFunc(out, func(a, b charter.Member) int { return cmp.Compare(a.Value, b.Value) })
	return out
}

// charterDeprecated leaves out the reason that only old registries have.
func charterDeprecated(d *Deprecated) *charter.Deprecated {
	if d == nil {
		return nil
	}
	out := &charter.Deprecated{Reason: d.Reason, RenamedTo: d.RenamedTo, Note: d.Note}
	if d.Reason == "unspecified" {
		out.Reason = charter.ReasonUncategorized
	}
	return out
}
