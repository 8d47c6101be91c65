package logline

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func lineOf(set func(*Line)) string {
	l := Get()
	defer Put(l)
	set(l)
	return string(l.AppendLine(nil, &Event{NoTime: true, Level: Info}))
}

// attributesOf is what a line has behind its level.
func attributesOf(t *testing.T, set func(*Line)) string {
	t.Helper()
	line := lineOf(set)
	if !json.Valid([]byte(line)) {
		t.Fatalf("not JSON: %s", line)
	}
	line, ok := strings.CutPrefix(strings.TrimSuffix(line, "}\n"), `{"schema":"clew/1","level":"INFO"`)
	if !ok {
		t.Fatalf("no such line: %s", line)
	}
	return strings.TrimPrefix(line, ",")
}

type (
	badString   struct{}
	badText     struct{}
	goodText    struct{}
	named       string
	someStruct  struct{ A, B int }
	badError    struct{}
	selfError   struct{}
	lazy        struct{ v slog.Value }
	pointerText struct{ text string }
)

func (badString) String() string                    { panic("no string") }
func (badText) MarshalText() ([]byte, error)        { return nil, errors.New("no text") }
func (goodText) MarshalText() ([]byte, error)       { return []byte("text"), nil }
func (badError) Error() string                      { panic("no error") }
func (badError) Unwrap() error                      { panic("no cause") }
func (selfError) Error() string                     { return "self" }
func (e selfError) Unwrap() []error                 { return []error{e, e} }
func (l lazy) LogValue() slog.Value                 { return l.v }
func (p *pointerText) MarshalText() ([]byte, error) { return []byte(p.text), nil }

// Values of Go's own kinds that the contract's cases cannot hold.
func TestValuesOfGo(t *testing.T) {
	number, when := 7, time.Date(2026, 11, 23, 10, 0, 0, 5, time.FixedZone("", 3600))
	var none *int
	var noText *pointerText
	cyclic := map[string]any{}
	cyclic["m"] = cyclic
	for _, c := range []struct {
		name  string
		value any
		want  string
	}{
		{"pointer", &number, `7`},
		{"nil pointer", none, `null`},
		{"nil pointer with a method", noText, `"<nil>"`},
		{"named text", named("x"), `"x"`},
		{"struct", someStruct{1, 2}, `"{A:1 B:2}"`},
		{"pointer to a struct", &someStruct{1, 2}, `"&{A:1 B:2}"`},
		{"duration", 1500 * time.Millisecond, `1.5`},
		{"time", when, `"2026-11-23T09:00:00.000000005Z"`},
		{"time that nanoseconds cannot say", time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), `"9999-01-01T00:00:00Z"`},
		{"a String that panics", badString{}, `"%!v(PANIC=String method: no string)"`},
		{"a MarshalText that fails", badText{}, `"!ERROR:no text"`},
		{"a MarshalText", goodText{}, `"text"`},
		{"an Error that panics", badError{}, `"!PANIC: no error"`},
		{"bytes", []byte{1, 2, 3}, `"AQID"`},
		{"texts", []string{"a", "b"}, `["a","b"]`},
		{"durations", []time.Duration{time.Second}, `[1]`},
		{"times", []time.Time{when}, `["2026-11-23T09:00:00.000000005Z"]`},
		{"anything", []any{1, "a", nil, true, 2.5, []int{1}, errors.New("e"), named("n"), uint8(3)}, `[1,"a",null,true,2.5,"[1]","e","n",3]`},
		{"array", [2]bool{true, false}, `[true,false]`},
		{"float32", float32(0.5), `0.5`},
		{"invalid UTF-8", "a\xff\xfe\xe2\x82z", `"a` + "\uFFFD\uFFFD\uFFFD\uFFFD" + `z"`},
		{"complex", complex(1, 2), `"(1+2i)"`},
		{"map of numbers", map[int]string{1: "a"}, `"map[1:a]"`},
		{"lazy", lazy{slog.IntValue(3)}, `3`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := attributesOf(t, func(l *Line) { l.Attr(slog.Any("k", c.value)) })
			if want := `"attributes":{"k":` + c.want + `}`; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
	got := attributesOf(t, func(l *Line) {
		l.Attr(slog.Any("m", map[string]any{"b": 1, "a": map[string]string{"x": "y"}, "c": nil}))
	})
	if want := `"attributes":{"m.a.x":"y","m.b":1,"m.c":null}`; got != want {
		t.Errorf("map: got %s, want %s", got, want)
	}
	if got := attributesOf(t, func(l *Line) { l.Any("k", cyclic) }); !strings.Contains(got, "map[string]interface") {
		t.Errorf("a map in itself: got %s", got)
	}
}

func TestErrorsOfGo(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"wrapped", fmt.Errorf("a: %w", errors.New("b")), `"error":["a: b","b"]`},
		{"joined", errors.Join(fmt.Errorf("a: %w", errors.New("x")), errors.New("b")), `"error":["a: x\nb","a: x","x","b"]`},
		{"one that panics", badError{}, `"error":["!PANIC: no error"]`},
		{"one that never ends", selfError{}, `"error":["self","self","self","self","self","self","self","self"],"truncated":1`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := attributesOf(t, func(l *Line) { l.Attr(slog.Any("err", c.err)) }); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// What a line held is not in the next one, and not in memory.
func TestPutForgets(t *testing.T) {
	l := Get()
	l.Prefix = "g."
	l.String("a", "secret")
	l.List("b", func(e *Elements) { e.String("secret") })
	l.Err("error", errors.New("secret"))
	l.buffer = l.AppendLine(l.buffer, &Event{Level: Info})
	l.Reset()
	if got := string(l.AppendLine(nil, &Event{NoTime: true, Level: Info})); got != `{"schema":"clew/1","level":"INFO"}`+"\n" {
		t.Errorf("got %s", got)
	}
	for _, v := range l.elements[:cap(l.elements)] {
		if v.text != "" {
			t.Error("an element is still held")
		}
	}
	for i := range l.attributes {
		if l.attributes[i] != (attribute{}) {
			t.Error("an attribute is still held")
		}
	}
}

func TestShortFile(t *testing.T) {
	for path, want := range map[string]string{
		"/a/b/c.go": "b/c.go", "b/c.go": "b/c.go", "c.go": "c.go", "/c.go": "/c.go", "": "",
	} {
		if got := ShortFile(path); got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
	}
	pc, _, _, _ := runtime.Caller(0)
	if got := CodeOf(uint64(pc)); !strings.HasPrefix(got, "logline/line_test.go:") {
		t.Errorf("here is %q", got)
	}
	for _, none := range []uint64{0, TextKey("x")} {
		if got := CodeOf(none); got != "" {
			t.Errorf("%x is at %q, want nowhere", none, got)
		}
	}
}

// The sites over the limit share one, and finding the others stays right.
func TestSitesAreBounded(t *testing.T) {
	var s Sites
	code := func(key uint64) string { return fmt.Sprint(key) }
	for key := uint64(1); key <= 3*MaxSites; key++ {
		_, where := s.At(key, code)
		if where != fmt.Sprint(key) {
			t.Fatalf("site %d is at %s", key, where)
		}
	}
	own := 0
	for key := uint64(1); key <= 3*MaxSites; key++ {
		if site, _ := s.At(key, code); site != &s.others {
			own++
			if site.key != key {
				t.Fatalf("key %d finds the site of %d", key, site.key)
			}
		}
	}
	if own > MaxSites || own < MaxSites*9/10 {
		t.Errorf("%d sites of their own, want about %d and not more", own, MaxSites)
	}
}

func TestSitesUnderConcurrency(t *testing.T) {
	var s Sites
	var group sync.WaitGroup
	var mu sync.Mutex
	written, rest := 0, uint64(0)
	for range 8 {
		group.Go(func() {
			for i := range 5000 {
				site, _ := s.At(uint64(i%50+1), func(uint64) string { return "" })
				more, ok := site.Admit(int64(i), Info, "m", "", 100)
				mu.Lock()
				if ok {
					written++
				}
				rest += more.Count
				mu.Unlock()
			}
		})
	}
	group.Wait()
	s.Due(math.MaxInt64, func(m More) { rest += m.Count })
	if written != 50*100 || rest != 8*5000-50*100 {
		t.Errorf("%d written and %d counted, want 5000 and 35000", written, rest)
	}
}

// A reader of standard output that goes away does not end the program.
func TestStdoutSurvivesItsReader(t *testing.T) {
	if os.Getenv("LOGLINE_CHILD") != "" {
		for range 100 {
			_, _ = stdout().Write([]byte("line\n"))
		}
		fmt.Fprint(os.Stderr, "alive")
		return
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = read.Close()
	child := exec.Command(os.Args[0], "-test.run=^TestStdoutSurvivesItsReader$")
	child.Env = append(os.Environ(), "LOGLINE_CHILD=1")
	child.Stdout = write
	var said strings.Builder
	child.Stderr = &said
	// The test binary itself says PASS on the broken pipe, so how it ends does not matter.
	_ = child.Run()
	_ = write.Close()
	if !strings.Contains(said.String(), "alive") {
		t.Errorf("the child ended at a broken pipe: %q", said.String())
	}
}

// FuzzText: whatever the bytes, the line is JSON of one line and the text comes back, but for what is no UTF-8 or over the limit.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a", "\x00\x1f\"\\", "é…😀", "\xff\xe2\x82", strings.Repeat("é", 3000), strings.Repeat("\xff", 5000), "\u2028"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, key, s string) {
		l := Get()
		defer Put(l)
		l.String("k"+key, s)
		l.List("list", func(e *Elements) { e.String(s) })
		line := l.AppendLine(nil, &Event{Level: Info, Message: s, Service: key})
		if strings.Count(string(line), "\n") != 1 {
			t.Fatalf("not one line: %q", line)
		}
		var read struct {
			Message    string
			Truncated  int
			Attributes map[string]any
		}
		if err := json.Unmarshal(line, &read); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		if want := strings.ToValidUTF8(s, "\uFFFD"); read.Truncated == 0 && strings.ToValidUTF8(read.Message, "") != "" && !strings.Contains(want, "\uFFFD") && read.Message != want {
			t.Errorf("message %q comes back as %q", s, read.Message)
		}
		if n := len(l.AppendRecord(nil, &Event{Level: Info, Message: s})); n > 6*(MaxMessage+3*MaxValue) {
			t.Errorf("a record of %d bytes", n)
		}
	})
}

// FuzzFloat: what is written reads back as the same number.
func FuzzFloat(f *testing.F) {
	for _, n := range []float64{0, 1, -1.5, 1e21, 1e-7, 5e-324, math.MaxFloat64, 1e-100} {
		f.Add(math.Float64bits(n))
	}
	f.Fuzz(func(t *testing.T, bits uint64) {
		n := math.Float64frombits(bits)
		text := appendFloat(nil, n)
		if math.IsNaN(n) || math.IsInf(n, 0) {
			if text[0] != '"' {
				t.Errorf("%v is %s", n, text)
			}
			return
		}
		var back float64
		if err := json.Unmarshal(text, &back); err != nil || back != n {
			t.Errorf("%v is %s, which is %v: %v", n, text, back, err)
		}
	})
}

// FuzzTime: every instant is what the standard library makes of it.
func FuzzTime(f *testing.F) {
	for _, ns := range []int64{0, -1, math.MinInt64, math.MaxInt64, 1_709_164_800_000_000_000} {
		f.Add(ns)
	}
	f.Fuzz(func(t *testing.T, ns int64) {
		want := time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000000000Z")
		if got := string(appendTime(nil, ns)); got != want {
			t.Errorf("%d: got %s, want %s", ns, got, want)
		}
	})
}
