package main

import (
	"strings"
	"testing"
)

const checkoutID = "4bf92f3577b34da6a3ce929d0e0e4736"

func TestTraceDrawing(t *testing.T) {
	cases := []struct {
		name, fixture string
		columns       string // of the terminal; empty: piped
		env           map[string]string
		args          []string
	}{
		{name: "checkout-80", fixture: "checkout", columns: "80"},
		{name: "checkout-140", fixture: "checkout", columns: "140"},
		{name: "checkout-piped", fixture: "checkout"},
		{name: "checkout-all", fixture: "checkout", columns: "80", args: []string{"--all"}},
		{name: "checkout-service", fixture: "checkout", columns: "80", args: []string{"--service", "payment"}},
		{name: "checkout-depth", fixture: "checkout", columns: "80", args: []string{"--max-depth", "1"}},
		{name: "checkout-events", fixture: "checkout", columns: "100", args: []string{"--events"}},
		{name: "checkout-attrs", fixture: "checkout", columns: "100", args: []string{"--attrs", "--service=payment"}},
		{name: "checkout-colour", fixture: "checkout", columns: "80", args: []string{"--color", "always", "--max-depth", "2"}},
		{name: "checkout-ascii", fixture: "checkout", columns: "80", env: map[string]string{"LC_ALL": "de_DE.ISO-8859-1"}},
		{name: "deep", fixture: "deep", columns: "80"},
		{name: "hostile", fixture: "hostile", columns: "80"},
		{name: "narrow", fixture: "checkout", columns: "30", args: []string{"--max-depth", "1"}},
		{name: "empty", fixture: "empty", columns: "80"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			env := map[string]string{"CLEW_SERVER": traceServer(t, c.fixture), "COLUMNS": c.columns}
			for k, v := range c.env {
				env[k] = v
			}
			r := runClew(t, env, append([]string{"trace", checkoutID}, c.args...)...)
			if r.code != 0 {
				t.Fatalf("exit code %d: %s", r.code, r.err)
			}
			if c.fixture == "deep" && !strings.Contains(r.err, "partial: segment 17 is quarantined") {
				t.Errorf("a partial answer is not announced: %q", r.err)
			}
			golden(t, "testdata/trace/"+c.name+".txt", r.out)
		})
	}
}

// No line of a drawing for a terminal is wider than the terminal, whatever the
// names are, and no control character of a name reaches it.
func TestTraceDrawingFitsAndIsHarmless(t *testing.T) {
	for _, fixture := range []string{"checkout", "deep", "hostile"} {
		for _, width := range []string{"60", "80", "101", "200"} {
			env := map[string]string{"CLEW_SERVER": traceServer(t, fixture), "COLUMNS": width}
			r := runClew(t, env, "trace", checkoutID)
			_, tree, _ := strings.Cut(r.out, "\n\n")
			limit := map[string]int{"60": 60, "80": 80, "101": 101, "200": 200}[width]
			for l := range strings.Lines(tree) {
				l = strings.TrimSuffix(l, "\n")
				if n := columns(l); n > limit {
					t.Errorf("%s at %s: a line takes %d columns: %q", fixture, width, n, l)
				}
				if clean(l) != l {
					t.Errorf("%s at %s: a line holds control characters: %q", fixture, width, l)
				}
			}
		}
	}
}

func TestTraceMarksTheSpanOfATraceparent(t *testing.T) {
	env := map[string]string{"CLEW_SERVER": traceServer(t, "checkout"), "COLUMNS": "80"}
	r := runClew(t, env, "trace", "00-"+checkoutID+"-0000000000000008-01")
	if !strings.Contains(r.out, "> ERR payment: Charge") || strings.Count(r.out, "> ") != 1 {
		t.Errorf("the span of the header is not marked, or others are:\n%s", r.out)
	}
}

func TestTraceRefs(t *testing.T) {
	good := map[string]string{
		checkoutID: checkoutID, "ABC": "00000000000000000000000000000abc",
		"00-" + checkoutID + "-00f067aa0ba902b7-01": checkoutID,
	}
	for in, want := range good {
		id, _, err := parseTraceRef(in)
		if err != nil || id.String() != want {
			t.Errorf("parseTraceRef(%q) = %s, %v; want %s", in, id, err, want)
		}
	}
	for _, in := range []string{"", "xyz", strings.Repeat("0", 32), strings.Repeat("a", 33), "00-abc-def-01", "00-" + checkoutID + "-0000000000000000-01"} {
		r := runClew(t, nil, "trace", in)
		if r.code != 2 || !strings.Contains(r.err, "Try: clew trace -h") {
			t.Errorf("trace %q: exit code %d, %q; want 2 and a hint", in, r.code, r.err)
		}
	}
}
