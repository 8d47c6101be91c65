package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// Every command says what it is, shows an example, and keeps to 80 columns.
func TestTableIsComplete(t *testing.T) {
	for _, c := range commands() {
		var b bytes.Buffer
		writeHelp(&b, c)
		if c.short == "" || strings.HasSuffix(c.short, ".") || c.long == "" || len(c.examples) == 0 || c.run == nil {
			t.Errorf("%s: the table lacks its short text (without a full stop), long text, examples or run", c.name)
		}
		for line := range strings.Lines(c.long + "\n") {
			if len(line) > 81 {
				t.Errorf("%s: a line of the long text is over 80 columns: %s", c.name, line)
			}
		}
		for _, f := range c.flags {
			if f.help == "" || !strings.HasSuffix(f.help, ".") || (f.kind != toggle && f.value == "") {
				t.Errorf("%s --%s: help is sentences, and a value has a name", c.name, f.name)
			}
			if f.def != "" {
				if err := f.check(f.def); err != nil {
					t.Errorf("%s --%s: its own default is refused: %v", c.name, f.name, err)
				}
			}
		}
		for _, e := range c.examples {
			if !strings.Contains(e.line, "clew "+c.name) {
				t.Errorf("%s: example %q is of another command", c.name, e.line)
			}
		}
	}
}

func TestReadCommandsTakeJSON(t *testing.T) {
	for _, name := range []string{"search", "trace", "tail", "services", "status", "flush", "version", "token list"} {
		c, _, err := lookup(commands(), strings.Fields(name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parse(c, []string{"--json", "x"}[:1+c.minArgs], func(string) string { return "" }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// docs/cli.md is the table, written out: go test ./cmd/clew -update renews it.
func TestReferenceIsCurrent(t *testing.T) {
	var b bytes.Buffer
	writeReference(&b, commands())
	golden(t, "../../docs/cli.md", b.String())
}

func TestUsageErrors(t *testing.T) {
	cases := []struct {
		line string
		env  map[string]string
		want string
	}{
		{"", nil, "no command given\nTry: clew -h"},
		{"serch", nil, `unknown command "serch"; did you mean search?` + "\nTry: clew -h"},
		{"frobnicate", nil, `unknown command "frobnicate"` + "\nTry: clew -h"},
		{"search --limti 3", nil, "search: unknown flag --limti; did you mean --limit?\nTry: clew search -h"},
		{"search --limit", nil, "search: --limit needs a value: --limit N\nTry: clew search -h"},
		{"search --limit many", nil, `search: --limit: "many" is not a whole number; write for example 20`},
		{"search --limit 1001", nil, "search: --limit: 1001 is not between 1 and 1000"},
		{"search --order oldest", nil, `search: --order: "oldest" is none of newest, slowest, spans`},
		{"search --since yesterday", nil, `search: --since: "yesterday" is not a duration; write for example 15m, 1h or 7d`},
		{"search { status", nil, `search: unexpected "status"; put the query in single quotes`},
		{"search --all=perhaps", nil, `search: --all: "perhaps" is neither true nor false`},
		{"trace", nil, "trace: ID is missing\nTry: clew trace -h"},
		{"status --server ftp://x", nil, `status: --server: "ftp://x" is not a URL`},
		{"status", map[string]string{"CLEW_SERVER": "::"}, `status: --server: "::" is not a URL`},
		{"token", nil, "token: say what to do: create, list, revoke\nTry: clew token -h"},
		{"token lsit", nil, `token: unknown verb "lsit"; did you mean list?`},
		{"token create", nil, "token create: --name is missing"},
		{"serve --role gateway", nil, `serve: --role: "gateway" is none of all`},
		{"up --memory lots", nil, `up: --memory: "lots" is not a size; write for example 450MiB or 2GiB`},
		{"up --listen.http 7700", nil, `up: --listen.http: "7700" is not an address; write for example 127.0.0.1:7700`},
		{"up --tls-cert a.pem", nil, "up: --tls-cert and --tls-key belong together"},
		{"token create --name x --tenant clew --role admin", nil, "token create: --tenant: clew holds the spans of Clew's own work, which nobody else writes; write --role read, or name another tenant\nTry: clew token create -h"},
		{"trace xyz", nil, "trace: "},
		{"verify /nowhere/at/all", nil, "verify: stat /nowhere/at/all: "},
		{"ledger --to foo", nil, `ledger: "foo" is no address: write grpc://host:4317`},
		{"ledger --to ftp://x", nil, `ledger: "ftp://x" begins with none of grpc, grpcs, http, https`},
		{"ledger --cut --process 1", nil, "ledger: process, command and cut are three ways to break a backend: choose one"},
		{"ledger --spans 100000001", nil, "ledger: spans is 100000001: write 1 to 100000000"},
		{"completion fish", nil, `completion: "fish" is none of bash, zsh`},
	}
	for _, c := range cases {
		t.Run(c.line, func(t *testing.T) {
			r := runClew(t, c.env, strings.Fields(c.line)...)
			if r.code != 2 || !strings.Contains(r.err, "clew: "+c.want) || !strings.Contains(r.err, "\nTry: clew") {
				t.Errorf("exit code %d, %q; want 2 and %q", r.code, r.err, c.want)
			}
		})
	}
}

func TestHelpGoesToStandardOutput(t *testing.T) {
	for _, line := range []string{"-h", "--help", "help", "search -h", "search x --help", "help search", "token -h", "help token", "token list -h"} {
		r := runClew(t, nil, strings.Fields(line)...)
		if r.code != 0 || !strings.Contains(r.out, "Usage: clew") || r.err != "" {
			t.Errorf("%s: exit code %d, out %q, err %q", line, r.code, r.out, r.err)
		}
	}
}

func TestFlagForms(t *testing.T) {
	c := searchCommand()
	env := func(k string) string { return map[string]string{"CLEW_SERVER": "http://env:1"}[k] }
	for _, line := range []string{"-limit 7 q -all", "--limit=7 --all q", "q --limit 7 -all=true", "--all --limit 7 -- q"} {
		in, err := parse(c, strings.Fields(line), env)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if in.count("limit") != 7 || !in.on("all") || len(in.args) != 1 || in.args[0] != "q" || in.str("server") != "http://env:1" {
			t.Errorf("%s: limit %d, all %v, args %q, server %s", line, in.count("limit"), in.on("all"), in.args, in.str("server"))
		}
	}
	in, err := parse(c, strings.Fields("--server http://flag:1 -- -q"), env)
	if err != nil || in.str("server") != "http://flag:1" || in.args[0] != "-q" {
		t.Errorf("a flag does not win over its variable, or -- does not end the flags: %v, %v", in, err)
	}
}

func TestSizesAndDurations(t *testing.T) {
	for in, want := range map[string]int64{"450MiB": 450 << 20, "2GB": 2e9, "1.5GiB": 3 << 29, "1048576": 1 << 20, "10 KiB": 10 << 10, "7B": 7} {
		if got, err := parseBytes(in); err != nil || got != want {
			t.Errorf("parseBytes(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "-1", "0", "NaN", "1e30GiB", "12 apples", "MiB"} {
		if n, err := parseBytes(in); err == nil {
			t.Errorf("parseBytes(%q) = %d; want an error", in, n)
		}
	}
	for _, in := range []string{"", "0s", "-1h", "1e300d", "d", "five"} {
		if d, err := parseDuration(in); err == nil {
			t.Errorf("parseDuration(%q) = %s; want an error", in, d)
		}
	}
	for ns, want := range map[int64]string{0: "0ns", 999: "999ns", 1000: "1.00µs", 85_200: "85.2µs", 999_499: "999µs", 999_500: "1.00ms",
		412_300_000: "412ms", 1_234_000_000: "1.23s", 59_994_999_999: "60.0s", 60_000_000_000: "1m00s", 3_723_000_000_000: "1h02m03s", -1500: "-1.50µs", -1 << 63: "-2562047h47m16s"} {
		if got := formatDuration(ns); got != want {
			t.Errorf("formatDuration(%d) = %s; want %s", ns, got, want)
		}
	}
}

// The bash script is run by bash: it completes commands, verbs, flags and values.
func TestBashCompletion(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed, and only bash can tell whether its script works")
	}
	var b bytes.Buffer
	writeBashCompletion(&b, commands())
	for line, want := range map[string]string{
		"clew sea": "search", "clew token l": "list", "clew search --ord": "--order",
		"clew search --order slo": "slowest", "clew token create --ro": "--role", "clew completion z": "zsh",
	} {
		words := strings.Fields(line)
		script := b.String() + "\nCOMP_WORDS=(" + strings.Join(words, " ") + ")\nCOMP_CWORD=$((${#COMP_WORDS[@]}-1))\n_clew\necho \"${COMPREPLY[@]}\"\n"
		out, err := exec.Command(bash, "--norc", "-c", script).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s completes to %q, %v; want %q", line, out, err, want)
		}
	}
}

// Every command and flag is in the zsh script.
func TestZshCompletionIsComplete(t *testing.T) {
	var b bytes.Buffer
	writeZshCompletion(&b, commands())
	for _, c := range commands() {
		_, section, found := strings.Cut(b.String(), "    '"+c.name+"')\n")
		section, _, _ = strings.Cut(section, ";;")
		if !found {
			t.Errorf("%s is not in the zsh script", c.name)
		}
		for _, f := range c.flags {
			if !strings.Contains(section, "'--"+f.name) {
				t.Errorf("%s: --%s is not in the zsh script", c.name, f.name)
			}
		}
	}
}
