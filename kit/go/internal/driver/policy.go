package main

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/clew-dev/clew/kit/go/internal/policy"
)

// policies takes a holder through steps and asks the snapshot at the end. A step
// is one of apply (a document's text) or apply_hex (its bytes), renew, expire, level
// (component=level), log_level, clear; at is its time in seconds.
func policies(f *fields) any {
	own := &policy.Document{}
	if f.has("own") {
		d, err := policy.Parse([]byte(f.text("own")))
		if err != nil {
			f.fail("own")
			return nil
		}
		own = d
	}
	h := policy.NewHolder(*own)
	problems := []any{}
	f.each("steps", func(f *fields) {
		at := time.Unix(f.int("at"), 0)
		switch {
		case f.has("apply"):
			problems = append(problems, problem(h.Apply([]byte(f.text("apply")), at)))
		case f.has("apply_hex"):
			document, err := hex.DecodeString(f.text("apply_hex"))
			if err != nil {
				f.fail("apply_hex")
			}
			problems = append(problems, problem(h.Apply(document, at)))
		case f.bool("renew"):
			h.Renew(at)
		case f.bool("expire"):
			h.Expire(at)
		case f.has("level"):
			l, ok := policy.ParseLevel(f.text("level"))
			c, ok2 := policy.ParseComponent(f.text("component"))
			if !ok || !ok2 {
				f.fail("level")
			}
			h.SetLevel(c, l)
		case f.has("log_level"):
			l, ok := policy.ParseLogLevel(f.text("log_level"))
			if !ok {
				f.fail("log_level")
			}
			h.SetLogLevel(l)
		case f.bool("clear"):
			h.ClearLocal()
		}
	})
	s := h.Load()
	levels := object{}
	for c := range policy.Component(policy.Components) {
		levels[c.String()] = s.Level(c).String()
	}
	roots := []any{}
	f.each("roots", func(f *fields) {
		facts := policy.Facts{Route: f.text("route"), Method: f.text("method"), Kind: f.text("kind"), Name: f.text("name")}
		roots = append(roots, s.Sampler(facts, f.int("second")).Threshold().String())
	})
	redacted := []any{}
	for _, key := range f.texts("keys") {
		redacted = append(redacted, action(s.Redact(key)))
	}
	hosts, baggage := []any{}, []any{}
	for _, t := range f.texts("targets") {
		hosts = append(hosts, s.PropagateTo(t))
	}
	for _, key := range f.texts("baggage") {
		baggage = append(baggage, s.BaggageKey(key))
	}
	return object{
		"problems": problems, "refused": h.Refused(), "skipped": h.Skipped(), "version": s.Version(), "levels": levels,
		"log_level": s.LogLevel().String(), "log_lines_per_second": s.LogLinesPerSecond(), "summary_on_error": s.SummaryOnError(),
		"roots": roots, "redact": redacted, "targets": hosts, "baggage": baggage,
	}
}

func problem(err error) any {
	if err == nil {
		return nil
	}
	return err.Error()
}

func action(a policy.Action, ok bool) any {
	switch {
	case !ok:
		return nil
	case a.Do == policy.Drop:
		return "drop"
	case a.Do == policy.Mask:
		return "mask"
	}
	return fmt.Sprintf("truncate %d", a.Length)
}

// redact applies an action to a text.
func redact(f *fields) any {
	a := policy.Action{Length: int(f.int("length"))}
	switch f.text("action") {
	case "drop":
		a.Do = policy.Drop
	case "mask":
		a.Do = policy.Mask
	case "truncate":
		a.Do = policy.Truncate
	default:
		f.fail("action")
	}
	text, ok := a.Text(f.text("text"))
	if !ok {
		return object{"text": nil}
	}
	return object{"text": text}
}

func status(f *fields) any {
	s := policy.Status{
		Language: f.text("language"), Version: f.text("version"), Service: f.text("service"),
		Instance: f.text("instance"), Applied: f.text("applied"),
	}
	for i, name := range f.texts("levels") {
		level, ok := policy.ParseLevel(name)
		if !ok || i >= policy.Components {
			f.fail("levels")
			return nil
		}
		s.Levels[i] = level
	}
	f.each("dropped", func(f *fields) {
		s.Dropped = append(s.Dropped, policy.Dropped{Reason: f.text("reason"), Count: uint64(f.int("count"))})
	})
	return object{"header": string(s.Append(nil))}
}

func requestURL(f *fields) any {
	return object{"url": policy.RequestURL(f.text("base"), f.text("service"))}
}
