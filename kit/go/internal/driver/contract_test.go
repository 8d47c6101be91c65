package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fewest is how many cases a file of the contract has at least, so that none is
// emptied by mistake.
var fewest = map[string]int{"sampling": 250, "propagation": 150, "policy": 150, "resource": 40, "sanitise": 120}

func TestContract(t *testing.T) {
	for name, least := range fewest {
		t.Run(name, func(t *testing.T) {
			var file struct {
				Bounds json.RawMessage // of internal/policy's tests
				Cases  []map[string]json.RawMessage
			}
			content, err := os.ReadFile(filepath.Join("..", "..", "..", "contract", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			d := json.NewDecoder(bytes.NewReader(content))
			d.DisallowUnknownFields()
			if err := d.Decode(&file); err != nil {
				t.Fatal(err)
			}
			if len(file.Cases) < least {
				t.Fatalf("%d cases, want at least %d", len(file.Cases), least)
			}
			for _, c := range file.Cases {
				checkCase(t, c)
			}
		})
	}
}

// checkCase answers a case without its name and the wanted answer.
func checkCase(t *testing.T, c map[string]json.RawMessage) {
	t.Helper()
	name, want := string(c["name"]), c["want"]
	delete(c, "name")
	delete(c, "want")
	line, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := answerTo(line)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	f, err := read(want)
	if err != nil {
		t.Errorf("%s: the wanted answer: %v", name, err)
		return
	}
	got, wanted := string(render(nil, answer)), string(render(nil, plain(f.values)))
	if got != wanted {
		t.Errorf("%s:\n got %s\nwant %s", name, got, wanted)
	}
}

// plain makes what JSON gave printable by render.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		n, _ := v.Int64()
		return n
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e)
		}
		return out
	case map[string]any:
		out := object{}
		for k, e := range v {
			out[k] = plain(e)
		}
		return out
	}
	return v
}

func TestCasesWithMistakesAreRefused(t *testing.T) {
	for name, line := range map[string]string{
		"unknown field":           `{"op":"url","text":"a","txt":"b"}`,
		"unknown field in a part": `{"op":"limiter","th":"0","seconds":[{"second":0,"roots":1,"root":2}]}`,
		"unknown op":              `{"op":"urls","text":"a"}`,
		"no op":                   `{}`,
		"another kind":            `{"op":"url","text":1}`,
		"not JSON":                `{`,
		"two values":              `{"op":"url"} {}`,
		"trace of 15 bytes":       `{"op":"decide","how":"child","trace":"00"}`,
	} {
		if answer, err := answerTo([]byte(line)); err == nil {
			t.Errorf("%s: answered %s", name, render(nil, answer))
		}
	}
}

func TestRunAnswersLineByLine(t *testing.T) {
	var out strings.Builder
	if err := run(strings.NewReader("{\"op\":\"url\",\"text\":\"http://a:é@h\"}\n{\"op\":\"query\",\"text\":\"é\\n\"}\n"), &out); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "{\"text\":\"http://h\"}\n{\"text\":\"\\u00e9\\u000a\"}\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
