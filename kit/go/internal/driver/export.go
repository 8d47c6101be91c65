package main

import (
	"time"

	"github.com/clew-dev/clew/kit/go/internal/export"
)

// exportAnswer says what an answer to an export means. The body's bytes are given as
// hex, of any length.
func exportAnswer(f *fields) any {
	body := make([]byte, len(f.text("body"))/2)
	f.hex("body", body)
	got := export.Judge(int(f.int("status")), f.text("retry_after"), body, time.Unix(f.int("now"), 0))
	return object{"outcome": got.Outcome, "asked_ns": got.Asked.Nanoseconds(), "rejected": got.Rejected, "text": got.Text}
}

// exportPace tells when attempts are made, whose answers the case gives.
func exportPace(f *fields) any {
	ms := func(f *fields, name string) time.Duration { return time.Duration(f.int(name)) * time.Millisecond }
	var attempts []export.Attempt
	f.each("attempts", func(f *fields) {
		attempts = append(attempts, export.Attempt{Took: ms(f, "took"), Asked: ms(f, "asked"), Answer: f.text("answer")})
	})
	export.Pace(float64(f.int("random"))/1000, ms(f, "timeout"), attempts)
	var answers []any
	for _, a := range attempts {
		answers = append(answers, []any{a.Starts.Nanoseconds(), a.Allowed.Nanoseconds(), a.During, a.Verdict, a.After})
	}
	return object{"attempts": answers}
}

// exportHeaders reads the headers that an environment names for exports.
func exportHeaders(f *fields) any {
	var config export.Config
	text := f.text("text")
	problems := config.FromEnv(func(name string) string {
		if name == "OTEL_EXPORTER_OTLP_HEADERS" {
			return text
		}
		return ""
	})
	headers := []any{}
	for _, h := range config.Signals[0].Headers {
		headers = append(headers, []any{h.Name, h.Value})
	}
	return object{"headers": headers, "problems": list(problems)}
}
