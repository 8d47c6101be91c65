package logcase_test

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"strconv"
	"testing"

	"github.com/clew-dev/clew/kit/go/internal/logline"
	"github.com/clew-dev/clew/kit/go/internal/logline/logcase"
)

type contract struct {
	Lines []struct {
		Name   string          `json:"name"`
		Event  json.RawMessage `json:"event"`
		Redact json.RawMessage `json:"redact"`
		Line   any             `json:"line"`
		Record string          `json:"record"`
	} `json:"lines"`
	Rates []struct {
		Name      string `json:"name"`
		PerSecond int    `json:"per_second"`
		Steps     []struct {
			Site    string `json:"site"`
			Time    string `json:"time"`
			Times   int    `json:"times"`
			Apart   string `json:"apart"`
			Level   string `json:"level"`
			Message string `json:"message"`
			Tick    string `json:"tick"`
			Stop    bool   `json:"stop"`
		} `json:"steps"`
		Written [][4]any `json:"written"`
	} `json:"rates"`
}

func read(t *testing.T) (c contract) {
	t.Helper()
	text, err := os.ReadFile("../../../../contract/logs.json")
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	if len(c.Lines) < 250 || len(c.Rates) < 15 {
		t.Fatalf("logs.json has %d lines and %d rates, want 250 and 15 at least", len(c.Lines), len(c.Rates))
	}
	return c
}

// TestLines writes every line and record of the contract.
func TestLines(t *testing.T) {
	for _, c := range read(t).Lines {
		t.Run(c.Name, func(t *testing.T) {
			one := map[string]json.RawMessage{"event": c.Event}
			if c.Redact != nil {
				one["redact"] = c.Redact
			}
			text, err := json.Marshal(one)
			if err != nil {
				t.Fatal(err)
			}
			line, record, err := logcase.Write(text)
			if err != nil {
				t.Fatal(err)
			}
			if want := logcase.Text(c.Line); line != want {
				t.Errorf("line\n%swant\n%s", line, want)
			}
			if c.Record != "" && record != c.Record {
				t.Errorf("record\n%s\nwant\n%s", record, c.Record)
			}
		})
	}
}

// TestRates plays every sequence of the contract through the limit of call sites.
func TestRates(t *testing.T) {
	levels := map[string]logline.Level{"INFO": logline.Info, "WARN": logline.Warn, "ERROR": logline.Error}
	for _, c := range read(t).Rates {
		t.Run(c.Name, func(t *testing.T) {
			var sites logline.Sites
			var written [][4]any
			emit := func(m logline.More) {
				if m.Code != "code of "+m.Message {
					t.Errorf("the code of %q is %q", m.Message, m.Code)
				}
				written = append(written, [4]any{strconv.FormatInt(m.Time, 10), m.Level.String(), m.Message, float64(m.Count)})
			}
			for _, step := range c.Steps {
				if step.Stop {
					sites.Due(math.MaxInt64, emit)
					continue
				}
				if step.Tick != "" {
					sites.Due(number(t, step.Tick), emit)
					continue
				}
				for i := range step.Times {
					time := number(t, step.Time) + int64(i)*number(t, step.Apart)
					site, _ := sites.At(logline.TextKey(step.Site), func(uint64) string { return "" })
					more, ok := site.Admit(time, levels[step.Level], step.Message, "code of "+step.Message, c.PerSecond)
					if more.Count != 0 {
						emit(more)
					}
					if ok {
						written = append(written, [4]any{strconv.FormatInt(time, 10), step.Level, step.Message, 0.0})
					}
				}
			}
			for i := range max(len(written), len(c.Written)) {
				if i >= len(written) || i >= len(c.Written) || written[i] != c.Written[i] {
					t.Fatalf("line %d: got %v, want %v", i, written[min(i, len(written)):], c.Written[min(i, len(c.Written)):])
				}
			}
		})
	}
}

func number(t *testing.T, s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
