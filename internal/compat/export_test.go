package compat

import (
	"context"
	"net/url"

	"github.com/clew-dev/clew/internal/telemetry"
)

// OldSearch turns the parameter tags into TraceQL.
func OldSearch(tags string) (string, error) {
	return oldSearch(ask{form: url.Values{"tags": {tags}}})
}

// Usable gives the query that is made of what an editor sends, or nothing.
func Usable(q string) string {
	if p := usable(q, nil); p != nil {
		return p.Text
	}
	return ""
}

// ReadQuestion reads a question of the stream and asks it in the form of HTTP.
func ReadQuestion(o TempoOptions, method string, question []byte) error {
	t := &tempo{o: o}
	m, ok := t.methods()[method]
	if !ok {
		return telemetry.Errorf(telemetry.KindInvalid, "no such method")
	}
	form, err := readFields(question, m.fields)
	if err != nil {
		return err
	}
	a := ask{"default", form}
	switch method {
	case "Search":
		_, err = t.search(context.Background(), a)
	case "MetricsQueryRange":
		_, err = t.queryRange(context.Background(), a)
	case "MetricsQueryInstant":
		_, err = t.queryInstant(context.Background(), a)
	case "SearchTags", "SearchTagsV2":
		_, err = t.tagNamesV1(context.Background(), a)
	default:
		_, err = t.tagValuesV1(context.Background(), a)
	}
	return err
}
