package compat

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
)

// maxTags bounds the pairs of an old search.
const maxTags = 32

// oldSearch turns the search before TraceQL into it: tags in logfmt, whose values
// are looked for within texts, whatever the case of their letters, and the bounds
// of a trace's duration.
//
//	tags=service.name=shop http.status_code=500&minDuration=100ms
//	{ .service.name =~ "(?is).*shop.*" && (.http.status_code =~ "(?is).*500.*" || .http.status_code = 500) && traceDuration >= 100ms }
func oldSearch(a ask) (string, error) {
	var parts []string
	tags, err := parseLogfmt(a.get("tags"))
	if err != nil {
		return "", err
	}
	for _, t := range tags {
		parts = append(parts, tagCondition(t.key, t.value))
	}
	for _, bound := range []struct{ name, op string }{{"minDuration", ">="}, {"maxDuration", "<="}} {
		v := a.get(bound.name)
		if v == "" {
			continue
		}
		d, err := time.ParseDuration(v)
		if err != nil || d < 0 {
			return "", telemetry.Errorf(telemetry.KindInvalid, "invalid %s: %q is not a duration such as 100ms", bound.name, telemetry.Clip(v))
		}
		parts = append(parts, "traceDuration "+bound.op+" "+strconv.FormatInt(int64(d), 10)+"ns")
	}
	return "{ " + strings.Join(parts, " && ") + " }", nil
}

// tagCondition compares one tag. A value that looks like a number or a boolean is
// compared as one too, since the old form had no types.
func tagCondition(key, value string) string {
	within := " =~ " + strconv.Quote("(?is).*"+regexp.QuoteMeta(value)+".*")
	switch key {
	case "name":
		return "name" + within
	case "root.name":
		return "rootName" + within
	case "root.service.name":
		return "rootServiceName" + within
	case "status.code", "status":
		if value == "ok" || value == "error" || value == "unset" {
			return "status = " + value
		}
	case "error":
		if value == "true" {
			return "status = error"
		}
	}
	field := fieldOf(key)
	if _, err := strconv.ParseInt(value, 10, 64); err == nil || value == "true" || value == "false" {
		return "(" + field + within + " || " + field + " = " + value + ")"
	}
	return field + within
}

// fieldOf writes an attribute's name without a scope, in quotes where it needs them.
func fieldOf(key string) string {
	for _, c := range key {
		if !(c == '.' || c == '_' || c == '-' || c == '/' || c == ':' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z') {
			return "." + strconv.Quote(key)
		}
	}
	return "." + key
}

type tag struct{ key, value string }

// parseLogfmt reads key=value pairs between spaces; either side may be in double quotes.
func parseLogfmt(s string) ([]tag, error) {
	var out []tag
	for rest := strings.TrimLeft(s, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		if len(out) == maxTags {
			return nil, tooManyTags()
		}
		key, after, ok := word(rest, "= ")
		if !ok || key == "" || !strings.HasPrefix(after, "=") {
			return nil, telemetry.Errorf(telemetry.KindInvalid, "invalid tags: %q is not key=value", telemetry.Clip(rest))
		}
		value, after, ok := word(after[1:], " ")
		if !ok {
			return nil, telemetry.Errorf(telemetry.KindInvalid, "invalid tags: the quotes of %q do not close", telemetry.Clip(rest))
		}
		out = append(out, tag{key, value})
		rest = after
		if rest != "" && rest[0] != ' ' {
			return nil, telemetry.Errorf(telemetry.KindInvalid, "invalid tags: a space is due before %q", telemetry.Clip(rest))
		}
	}
	return out, nil
}

func tooManyTags() error {
	return telemetry.Errorf(telemetry.KindInvalid, "invalid tags: there are over %d of them", maxTags)
}

// word reads one side of a pair up to one of the ends, or a quoted one whole.
func word(s, ends string) (text, rest string, ok bool) {
	if strings.HasPrefix(s, `"`) {
		quoted, err := strconv.QuotedPrefix(s)
		if err != nil {
			return "", "", false
		}
		text, err := strconv.Unquote(quoted)
		return text, s[len(quoted):], err == nil
	}
	if i := strings.IndexAny(s, ends); i >= 0 {
		return s[:i], s[i:], true
	}
	return s, "", true
}
