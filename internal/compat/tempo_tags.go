package compat

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

var scopeNames = map[telemetry.Scope]string{
	telemetry.ScopeSpan: "span", telemetry.ScopeResource: "resource", telemetry.ScopeInstrumentation: "instrumentation",
	telemetry.ScopeEvent: "event", telemetry.ScopeLink: "link",
}

// intrinsics are the fields that every span has, by the names that completion offers.
var intrinsics = []string{"duration", "event:name", "event:timeSinceStart", "instrumentation:name", "instrumentation:version", "kind", "name",
	"rootName", "rootServiceName", "span:duration", "span:kind", "span:name", "span:status", "span:statusMessage", "status", "statusMessage",
	"trace:duration", "trace:rootName", "trace:rootService", "traceDuration"}

const scopeIntrinsic = "intrinsic"

func (t *tempo) tagOptions(r *http.Request) (o store.TagOptions, err error) {
	if o.Range, err = t.rangeOf(r); err != nil {
		return o, err
	}
	if o.Limit, err = number(r, "limit", 1000, 10_000); err != nil {
		return o, err
	}
	if q := r.FormValue("q"); q != "" {
		// Editors send what stands in the field, which may be unfinished: then
		// the values of all spans are the better answer.
		if p, err := query.Compile(q); err == nil && p.Metrics == nil {
			o.Plan = p
		}
	}
	return o, nil
}

type tagScope struct {
	Name string   `json:"name"`
	Tags []string `json:"tags"`
}

func (t *tempo) scopes(r *http.Request) ([]tagScope, error) {
	o, err := t.tagOptions(r)
	if err != nil {
		return nil, err
	}
	want := r.FormValue("scope")
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
			return nil, telemetry.Errorf(telemetry.KindInvalid, "invalid scope: %q", telemetry.Clip(want))
		}
	}
	out := []tagScope{}
	if want != scopeIntrinsic {
		names, err := t.o.Store.TagNames(r.Context(), tenant(r), o)
		if err != nil {
			return nil, err
		}
		for _, s := range names.Scopes {
			if name, ok := scopeNames[s.Scope]; ok && len(s.Names) > 0 {
				out = append(out, tagScope{name, s.Names})
			}
		}
	}
	if want == "" || want == scopeIntrinsic {
		out = append(out, tagScope{scopeIntrinsic, intrinsics})
	}
	return out, nil
}

func (t *tempo) tagNamesV2(w http.ResponseWriter, r *http.Request) error {
	scopes, err := t.scopes(r)
	if err != nil {
		return err
	}
	return writeJSON(w, struct {
		Scopes  []tagScope `json:"scopes"`
		Metrics struct{}   `json:"metrics"`
	}{Scopes: scopes})
}

// tagNamesV1 lists names without their scopes.
func (t *tempo) tagNamesV1(w http.ResponseWriter, r *http.Request) error {
	scopes, err := t.scopes(r)
	if err != nil {
		return err
	}
	names := []string{}
	for _, s := range scopes {
		if s.Name != scopeIntrinsic || r.FormValue("scope") == scopeIntrinsic {
			names = append(names, s.Tags...)
		}
	}
	slices.Sort(names)
	return writeJSON(w, struct {
		TagNames []string `json:"tagNames"`
		Metrics  struct{} `json:"metrics"`
	}{TagNames: slices.Compact(names)})
}

type tagValue struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// field reads a tag's name: a field of TraceQL, or the bare name of an attribute.
func field(name string) (query.Field, error) {
	if f, err := query.ParseField(name); err == nil {
		return f, nil
	}
	return query.ParseField(fieldOf(name))
}

func (t *tempo) values(r *http.Request) ([]tagValue, error) {
	f, err := field(r.PathValue("tag"))
	if err != nil {
		return nil, err
	}
	o, err := t.tagOptions(r)
	if err != nil {
		return nil, err
	}
	found, err := t.o.Store.TagValues(r.Context(), tenant(r), f, o)
	if err != nil {
		return nil, err
	}
	out := make([]tagValue, len(found.Values))
	for i, v := range found.Values {
		out[i] = typed(f.Type(), v.Value)
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

func (t *tempo) tagValuesV2(w http.ResponseWriter, r *http.Request) error {
	values, err := t.values(r)
	if err != nil {
		return err
	}
	return writeJSON(w, struct {
		TagValues []tagValue `json:"tagValues"`
		Metrics   struct{}   `json:"metrics"`
	}{TagValues: values})
}

func (t *tempo) tagValuesV1(w http.ResponseWriter, r *http.Request) error {
	values, err := t.values(r)
	if err != nil {
		return err
	}
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = v.Value
	}
	return writeJSON(w, struct {
		TagValues []string `json:"tagValues"`
		Metrics   struct{} `json:"metrics"`
	}{TagValues: texts})
}
