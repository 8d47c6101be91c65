package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// Progress comes every ten seconds into a log, replaces a terminal's line, and
// does not come at all when nobody wants it.
func TestProgress(t *testing.T) {
	for name, c := range map[string]struct {
		terminal, quiet bool
		total           int64
		want            string
	}{
		"log":      {false, false, 0, "copied 50.0 MiB, 5.00 MiB a second\ncopied 100 MiB, 5.00 MiB a second\n"},
		"total":    {false, false, 200 << 20, "copied 50.0 MiB of about 200 MiB, 5.00 MiB a second\ncopied 100 MiB of about 200 MiB, 5.00 MiB a second\n"},
		"quiet":    {false, true, 0, ""},
		"terminal": {true, false, 0, "\r\x1b[Kcopied 5.00 MiB, 5.00 MiB a second"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			now := time.Unix(0, 0)
			p := &progress{w: &out, verb: "copied", total: c.total, terminal: c.terminal, quiet: c.quiet, now: func() time.Time { return now }, began: now, last: now}
			for range 20 {
				now = now.Add(time.Second)
				p.add(5 << 20)
			}
			p.end()
			got := out.String()
			if c.terminal {
				if !strings.HasSuffix(got, "\r\x1b[K") || strings.Contains(got, "\n") {
					t.Errorf("the line is not cleared: %q", got)
				}
				got = got[:min(len(got), len(c.want))]
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
