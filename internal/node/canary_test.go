package node_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/clew-dev/clew/internal/node"
)

// canaries is how many secrets are planted.
const canaries = 10_000

// TestCanary plants secrets wherever a sender can put a text or a number, has them
// logged, flushed and merged, and then looks for each in every byte under the data
// folder, in a backup and in the server's own log: as it was sent, URL-encoded, in base64, in hexadecimal and escaped as in
// JSON; in files as they are and in every zstd frame within them. With detectors off
// the same search finds every one, or it would prove nothing.
func TestCanary(t *testing.T) {
	if testing.Short() {
		t.Skip("sends 10,000 spans twice")
	}
	for _, tt := range []struct {
		name, charter string
		want          int
	}{
		{"redacted", "charter: 1\n", 0},
		{"control", "charter: 1\nprivacy: { detectors: none }\n", canaries},
	} {
		t.Run(tt.name, func(t *testing.T) {
			secrets := newSecrets()
			dir := t.TempDir()
			file := filepath.Join(dir, "charter.yaml")
			if err := os.WriteFile(file, []byte(tt.charter), 0o600); err != nil {
				t.Fatal(err)
			}
			data := filepath.Join(dir, "data")
			found := map[int]string{}
			// What the server says of itself and what leaves it whole are searched like its folder.
			aside := filepath.Join(dir, "aside")
			if err := os.Mkdir(aside, 0o700); err != nil {
				t.Fatal(err)
			}
			said, err := os.Create(filepath.Join(aside, "log.txt"))
			if err != nil {
				t.Fatal(err)
			}
			defer said.Close()
			log := slog.New(slog.NewTextHandler(said, &slog.HandlerOptions{Level: slog.LevelDebug}))
			n := open(t, data, file, log)
			for at := 0; at < canaries; at += 500 {
				send(t, n, secrets, at, at+500)
			}
			search(t, data, secrets, found) // in the log
			post(t, "http://"+n.HTTPAddr()+"/api/flush", "")
			search(t, data, secrets, found) // in segments, and what is left of the log
			// Numbers are packed in files; the engine that reads these tells what is in them.
			for _, path := range []string{"/api/tags/span.number/values?limit=1000", "/api/findings?limit=5000", "/metrics"} {
				look(get(t, "http://"+n.HTTPAddr()+path), path, secrets, found)
			}
			archive := filepath.Join(aside, "backup.tar")
			if err := os.WriteFile(archive, post(t, "http://"+n.HTTPAddr()+"/api/backup", ""), 0o600); err != nil {
				t.Fatal(err)
			}
			stop(t, n)
			search(t, data, secrets, found) // findings, state
			n = open(t, data, file, log)
			stop(t, n)
			search(t, data, secrets, found)
			outside := map[int]string{}
			search(t, aside, secrets, outside)
			if len(outside) < tt.want*9/10 {
				t.Errorf("the archive shows %d secrets of %d: its search proves nothing", len(outside), tt.want)
			}
			maps.Copy(found, outside)
			if len(found) != tt.want {
				t.Errorf("%d of %d secrets are under the data folder, want %d", len(found), canaries, tt.want)
				shown := 0
				for i, where := range found {
					if shown++; tt.want == 0 && shown <= 10 {
						t.Logf("%s (%s) in %s", secrets[i].text, secrets[i].kind, where)
					}
				}
			}
		})
	}
}

type secret struct{ kind, text string }

// newSecrets makes secrets of several kinds, no two with the same first characters.
func newSecrets() []secret {
	random := rand.New(rand.NewPCG(3, 4))
	letters := func(n int, of string) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = of[random.IntN(len(of))]
		}
		return string(b)
	}
	const lower, upper, digit = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
	out := make([]secret, canaries)
	for i := range out {
		switch i % 6 {
		case 0:
			out[i] = secret{"email", letters(10, lower) + "." + letters(4, lower) + "@" + letters(6, lower) + ".example.org"}
		case 1:
			out[i] = secret{"payment_card", card(random)}
		case 2:
			out[i] = secret{"aws_key", "AKIA" + letters(16, upper+"234567")}
		case 3:
			out[i] = secret{"github_token", "ghp_" + letters(36, lower+upper+digit)}
		case 4:
			out[i] = secret{"iban", iban(random)}
		case 5:
			out[i] = secret{"jwt", "eyJ" + letters(20, lower+upper+digit) + ".eyJ" + letters(30, lower+upper+digit) + "." + letters(43, lower+upper+digit)}
		}
	}
	return out
}

// card gives a number that passes Luhn's check.
func card(random *rand.Rand) string {
	digits := []byte("4" + strconv.Itoa(10_000_000_000_000+random.IntN(89_999_999_999_999)))
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return string(digits) + strconv.Itoa((10-sum%10)%10)
}

// iban gives a German account number that passes the check of ISO 7064.
func iban(random *rand.Rand) string {
	account := strconv.Itoa(100_000_000_000_000_000 + random.IntN(899_999_999_999_999_999))
	rest := 0
	for _, c := range account + "131400" { // D, E and two zeros
		rest = (rest*10 + int(c-'0')) % 97
	}
	return fmt.Sprintf("DE%02d%s", 98-rest, account)
}

func open(t *testing.T, data, charter string, log *slog.Logger) *node.Node {
	t.Helper()
	n, err := node.Open(t.Context(), node.Options{Data: data, Charter: charter, ListenHTTP: "127.0.0.1:0", ListenGRPC: "127.0.0.1:0", ListenOTLPHTTP: "127.0.0.1:0", Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func stop(t *testing.T, n *node.Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := n.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

func post(t *testing.T, to, body string) []byte {
	t.Helper()
	resp, err := http.Post(to, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil || resp.StatusCode >= 300 {
		t.Fatalf("POST %s: %s %v %.1000s", to, resp.Status, err, text.String())
	}
	return text.Bytes()
}

func get(t *testing.T, from string) []byte {
	t.Helper()
	resp, err := http.Get(from)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s %v %s", from, resp.Status, err, body.String())
	}
	return body.Bytes()
}

// places are where a secret can stand in a span, each a way to write one.
var places = []func(s *map[string]any, secret string){
	func(s *map[string]any, v string) { (*s)["name"] = "charge " + v },
	func(s *map[string]any, v string) { attr(s, "note", text("for "+v+".")) },
	func(s *map[string]any, v string) {
		attr(s, "url.full", text("https://a.example/x?q="+url.QueryEscape(v)+"&z=1"))
	},
	func(s *map[string]any, v string) {
		attr(s, "db.query.text", text("SELECT 1 FROM t WHERE c = '"+v+"' LIMIT 1"))
	},
	func(s *map[string]any, v string) { attr(s, "body", text(`{"field":"`+v+`","n":1}`)) },
	func(s *map[string]any, v string) { attr(s, v, text("x")) },
	func(s *map[string]any, v string) {
		(*s)["status"] = map[string]any{"code": 2, "message": "failed for " + v}
	},
	func(s *map[string]any, v string) {
		(*s)["events"] = []any{map[string]any{"name": "said " + v, "timeUnixNano": "1"}}
	},
	func(s *map[string]any, v string) {
		(*s)["events"] = []any{map[string]any{"name": "e", "attributes": []any{kv("exception.message", text(v))}}}
	},
	func(s *map[string]any, v string) {
		(*s)["links"] = []any{map[string]any{"traceId": strings.Repeat("ab", 16), "spanId": strings.Repeat("cd", 8), "attributes": []any{kv("why", text(v))}}}
	},
	func(s *map[string]any, v string) {
		attr(s, "list", map[string]any{"arrayValue": map[string]any{"values": []any{text("a"), text(v)}}})
	},
	func(s *map[string]any, v string) {
		attr(s, "map", map[string]any{"kvlistValue": map[string]any{"values": []any{kv("inner", text(v)), kv("n", map[string]any{"intValue": "7"})}}})
	},
	func(s *map[string]any, v string) {
		attr(s, "raw", map[string]any{"bytesValue": base64.StdEncoding.EncodeToString([]byte(v))})
	},
	func(s *map[string]any, v string) { attr(s, "seldom."+strconv.Itoa(len(v))+v[len(v)-3:], text(v)) },
}

func text(v string) map[string]any { return map[string]any{"stringValue": v} }

func kv(key string, value any) map[string]any { return map[string]any{"key": key, "value": value} }

func attr(s *map[string]any, key string, value any) {
	have, _ := (*s)["attributes"].([]any)
	(*s)["attributes"] = append(have, kv(key, value))
}

// send sends one span for each secret of [lo, hi), and one in thirty in the resource,
// in the scope, or as a number.
func send(t *testing.T, n *node.Node, secrets []secret, lo, hi int) {
	t.Helper()
	var groups []any
	now := time.Now().UnixNano()
	for i := lo; i < hi; i++ {
		v := secrets[i].text
		span := map[string]any{"traceId": fmt.Sprintf("%032x", i+1), "spanId": fmt.Sprintf("%016x", i+1), "name": "work", "kind": 2,
			"startTimeUnixNano": strconv.FormatInt(now, 10), "endTimeUnixNano": strconv.FormatInt(now+1000, 10)}
		resource := []any{kv("service.name", text("canary"))}
		scope := map[string]any{"name": "lib"}
		switch {
		case i%30 == 7:
			resource = append(resource, kv("host.owner", text(v)))
		case i%30 == 8:
			scope["version"] = v
		case i%30 == 9:
			resource = []any{kv("service.name", text("canary "+v))}
		case i%30 == 10:
			scope["name"] = v
		case i%30 == 11:
			span["traceState"] = "vendor=" + v
		case i%30 == 12:
			span["links"] = []any{map[string]any{"traceId": strings.Repeat("ab", 16), "spanId": strings.Repeat("cd", 8), "traceState": "vendor=" + v}}
		case i%30 == 13 && secrets[i].kind == "payment_card":
			attr(&span, "number", map[string]any{"intValue": v})
		default:
			places[i%len(places)](&span, v)
		}
		groups = append(groups, map[string]any{"resource": map[string]any{"attributes": resource},
			"scopeSpans": []any{map[string]any{"scope": scope, "spans": []any{span}}}})
	}
	body, err := json.Marshal(map[string]any{"resourceSpans": groups})
	if err != nil {
		t.Fatal(err)
	}
	post(t, "http://"+n.OTLPHTTPAddr()+"/v1/traces", string(body))
}

// prefix is how much of a form is looked up at every place; no form is shorter.
const prefix = 12

// form is one way in which a secret may be written.
type form struct {
	of   int
	text string
}

func formsOf(secrets []secret) map[string][]form {
	forms := map[string][]form{}
	for i, s := range secrets {
		escaped, _ := json.Marshal(s.text)
		all := []string{s.text, url.QueryEscape(s.text), base64.StdEncoding.EncodeToString([]byte(s.text)), hex.EncodeToString([]byte(s.text)), strings.Trim(string(escaped), `"`)}
		for _, text := range all {
			forms[text[:prefix]] = append(forms[text[:prefix]], form{i, text})
		}
	}
	return forms
}

// look notes which secrets are in some bytes.
func look(content []byte, where string, secrets []secret, found map[int]string) {
	lookFor(formsOf(secrets), content, where, found)
}

func lookFor(forms map[string][]form, content []byte, where string, found map[int]string) {
	for at := 0; at+prefix <= len(content); at++ {
		for _, f := range forms[string(content[at:at+prefix])] {
			if bytes.HasPrefix(content[at:], []byte(f.text)) {
				found[f.of] = where
			}
		}
	}
}

// search notes which secrets are under a folder, and where.
func search(t *testing.T, dir string, secrets []secret, found map[int]string) {
	t.Helper()
	forms := formsOf(secrets)
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	magic := []byte{0x28, 0xb5, 0x2f, 0xfd}
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		lookFor(forms, content, path, found)
		for at := bytes.Index(content, magic); at >= 0; {
			// The frame ends where the next begins at the latest; what follows one is no part of it.
			if plain := frame(decoder, content[at:]); plain != nil {
				lookFor(forms, plain, path+" (a frame)", found)
			}
			next := bytes.Index(content[at+1:], magic)
			if next < 0 {
				break
			}
			at += 1 + next
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// frame decompresses the zstd frame at the beginning of content, whatever follows it.
func frame(decoder *zstd.Decoder, content []byte) []byte {
	if err := decoder.Reset(bytes.NewReader(content)); err != nil {
		return nil
	}
	var out bytes.Buffer
	_, _ = out.ReadFrom(decoder) // what follows the frame is an error, after the frame
	return out.Bytes()
}
