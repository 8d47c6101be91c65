package compat

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

var scopeNames = map[telemetry.Scope]string{
	telemetry.ScopeSpan: "span", telemetry.ScopeResource: "resource", telemetry.ScopeInstrumentation: "instrumentation",
	telemetry.ScopeEvent: "event", telemetry.ScopeLink: "link",
}

// intrinsics are the fields that every span has, by the names that completion offers.
var intrinsics = []string{"duration", "event:name", "event:timeSinceStart", "instrumentation:name", "instrumentation:version", "kind",
	"link:spanID", "link:traceID", "name", "rootName", "rootServiceName", "span:duration", "span:id", "span:kind", "span:name", "span:parentID",
	"span:status", "span:statusMessage", "status", "statusMessage", "trace:duration", "trace:id", "trace:rootName", "trace:rootService", "traceDuration"}

const scopeIntrinsic = "intrinsic"

func (t *tempo) tagOptions(a ask) (o store.TagOptions, err error) {
	if o.Range, err = t.rangeOf(a); err != nil {
		return o, err
	}
	if o.Limit, err = a.number("limit", 1000, 10_000); err != nil {
		return o, err
	}
	o.Plan = usable(a.get("q"), t.o.Names)
	return o, nil
}

// usable compiles a text of which an editor may send the half that is written:
// when the whole has a mistake, the conditions of { … } without one that && joins
// hold. It is nil when none is left: then all spans count.
func usable(q string, names query.Names) *query.Plan {
	if q == "" {
		return nil
	}
	if p, err := query.CompileNamed(q, names); err == nil {
		if p.Metrics != nil {
			return nil
		}
		return p
	}
	inside, ok := strings.CutPrefix(strings.TrimSpace(q), "{")
	if !ok {
		return nil
	}
	parts, ok := conjuncts(strings.TrimSuffix(strings.TrimSpace(inside), "}"))
	if !ok {
		return nil
	}
	var sound []string
	for _, part := range parts {
		if _, err := query.CompileFilter("{ " + part + " }"); err == nil && strings.TrimSpace(part) != "" {
			sound = append(sound, part)
		}
	}
	if len(sound) == 0 {
		return nil
	}
	p, err := query.CompileNamed("{ "+strings.Join(sound, " && ")+" }", names)
	if err != nil {
		return nil
	}
	return p
}

// conjuncts splits text at && outside quotes and parentheses. It gives false when
// there is a || beside them, of which no side may be left out, or a brace.
func conjuncts(text string) (parts []string, ok bool) {
	depth, from := 0, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"' || c == '`':
			end := closing(text[i+1:], c)
			if end < 0 {
				return append(parts, text[from:]), true
			}
			i += 1 + end
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == '{' || c == '}':
			return nil, false
		case depth == 0 && strings.HasPrefix(text[i:], "||"):
			return nil, false
		case depth == 0 && strings.HasPrefix(text[i:], "&&"):
			parts = append(parts, text[from:i])
			i++
			from = i + 1
		}
	}
	return append(parts, text[from:]), true
}

// closing gives the place of the quote that ends a text, or −1.
func closing(text string, quote byte) int {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote == '"':
			i++
		case text[i] == quote:
			return i
		}
	}
	return -1
}

type tagScope struct {
	Name string   `json:"name"`
	Tags []string `json:"tags"`
}

type tagScopesAnswer struct {
	Scopes  []tagScope      `json:"scopes"`
	Metrics metadataMetrics `json:"metrics"`
}

type tagNamesAnswer struct {
	TagNames []string        `json:"tagNames"`
	Metrics  metadataMetrics `json:"metrics"`
}

func (t *tempo) scopes(ctx context.Context, a ask) (*tagScopesAnswer, error) {
	o, err := t.tagOptions(a)
	if err != nil {
		return nil, err
	}
	want := a.get("scope")
	switch want {
	case "none", "all":
		want = ""
	case "", scopeIntrinsic:
	default:
		for scope, name := range scopeNames {
			if name == want {
				o.Scope = scope
			}
		}
		if o.Scope == 0 {
			return nil, telemetry.Errorf(telemetry.KindInvalid, "invalid scope: %q is none of span, resource, event, link, instrumentation, intrinsic, none", telemetry.Clip(want))
		}
	}
	out := &tagScopesAnswer{Scopes: []tagScope{}, Metrics: metadataOf("")}
	if want != scopeIntrinsic {
		names, err := t.o.Store.TagNames(ctx, a.tenant, o)
		if err != nil {
			return nil, err
		}
		for _, s := range names.Scopes {
			if name, ok := scopeNames[s.Scope]; ok && len(s.Names) > 0 {
				out.Scopes = append(out.Scopes, tagScope{name, query.PresentNames(s.Names, t.o.Names)})
			}
		}
		out.Metrics = metadataOf(names.Partial)
	}
	if want == "" || want == scopeIntrinsic {
		out.Scopes = append(out.Scopes, tagScope{scopeIntrinsic, intrinsics})
	}
	return out, nil
}

func (t *tempo) tagNamesV2(ctx context.Context, a ask) (answer, error) {
	scopes, err := t.scopes(ctx, a)
	if err != nil {
		return nil, err
	}
	return scopes, nil
}

// tagNamesV1 lists names without their scopes.
func (t *tempo) tagNamesV1(ctx context.Context, a ask) (answer, error) {
	scopes, err := t.scopes(ctx, a)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, s := range scopes.Scopes {
		if s.Name != scopeIntrinsic || a.get("scope") == scopeIntrinsic {
			names = append(names, s.Tags...)
		}
	}
	slices.Sort(names)
	return &tagNamesAnswer{slices.Compact(names), scopes.Metrics}, nil
}

type tagValue struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

type typedValuesAnswer struct {
	TagValues []tagValue      `json:"tagValues"`
	Metrics   metadataMetrics `json:"metrics"`
}

type valuesAnswer struct {
	TagValues []string        `json:"tagValues"`
	Metrics   metadataMetrics `json:"metrics"`
}

// tagParameter names the field in a question about its values.
const tagParameter = "tag"

// tagPath reads …/tag/NAME/values. A name may hold slashes: data sources undo the
// escapes of a path before they send it on.
func (t *tempo) tagPath(find func(context.Context, ask) (answer, error)) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		name, ok := strings.CutSuffix(r.PathValue("tagAndValues"), "/values")
		if !ok || name == "" {
			return telemetry.Errorf(telemetry.KindNotFound, "no such path")
		}
		return answers(func(ctx context.Context, a ask) (answer, error) {
			a.form.Set(tagParameter, name)
			return find(ctx, a)
		})(w, r)
	}
}

// field reads a tag's name: a field of TraceQL, or the bare name of an attribute.
func field(name string) (query.Field, error) {
	if f, err := query.ParseField(name); err == nil {
		return f, nil
	}
	return query.ParseField(fieldOf(name))
}

func (t *tempo) values(ctx context.Context, a ask) (*typedValuesAnswer, error) {
	f, err := field(a.get(tagParameter))
	if err != nil {
		return nil, err
	}
	o, err := t.tagOptions(a)
	if err != nil {
		return nil, err
	}
	if f.Intrinsic == query.ParentID { // the store lists no ids of parents, and nobody picks one from a list
		return &typedValuesAnswer{[]tagValue{}, metadataOf("")}, nil
	}
	found, err := t.o.Store.TagValues(ctx, a.tenant, f.Named(t.o.Names), o)
	if err != nil {
		return nil, err
	}
	out := &typedValuesAnswer{make([]tagValue, len(found.Values)), metadataOf(found.Partial)}
	for i, v := range found.Values {
		out.TagValues[i] = typed(f.Type(), v.Value)
	}
	return out, nil
}

// typed gives the type word and text of a value. Words of the language, such as
// error, are keywords: an editor must not put them in quotes.
func typed(t query.Type, v any) tagValue {
	switch v := v.(type) {
	case string:
		if t == query.TypeStatus || t == query.TypeKind {
			return tagValue{"keyword", v}
		}
		return tagValue{"string", v}
	case int64:
		if t == query.TypeDuration {
			return tagValue{"duration", query.Value{Type: query.TypeDuration, Int: v}.Text()}
		}
		return tagValue{"int", strconv.FormatInt(v, 10)}
	case float64:
		return tagValue{"float", strconv.FormatFloat(v, 'g', -1, 64)}
	case bool:
		return tagValue{"bool", strconv.FormatBool(v)}
	case []byte:
		return tagValue{"string", base64.StdEncoding.EncodeToString(v)}
	}
	return tagValue{"keyword", "nil"}
}

func (t *tempo) tagValuesV2(ctx context.Context, a ask) (answer, error) {
	values, err := t.values(ctx, a)
	if err != nil {
		return nil, err
	}
	return values, nil
}

func (t *tempo) tagValuesV1(ctx context.Context, a ask) (answer, error) {
	values, err := t.values(ctx, a)
	if err != nil {
		return nil, err
	}
	out := &valuesAnswer{make([]string, len(values.TagValues)), values.Metrics}
	for i, v := range values.TagValues {
		out.TagValues[i] = v.Value
	}
	return out, nil
}
