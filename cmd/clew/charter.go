package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/charter/registry"
)

func jsonFlag() []flagDef {
	return []flagDef{{name: "json", kind: toggle, help: "Print the answer as JSON instead of text."}}
}

func charterCheckCommand() *command {
	return &command{
		name: "charter check", args: "[PATH]", maxArgs: 1,
		short: "report everything that is wrong with a charter",
		long: `Reads a charter as a server would, its imports included, and prints every error
with file, line, column, what was found and the mend. PATH is a file or a
folder; without it, charter.yaml or the folder charter of the folder that the
command runs in.`,
		flags: jsonFlag(),
		examples: []example{
			{"clew charter check", "in a repository that has a charter.yaml"},
			{"clew charter check deploy/charter --json | jq .errors", "for an editor or a pipeline"},
		},
		run: runCharterCheck,
	}
}

func charterEffectiveCommand() *command {
	return &command{
		name: "charter effective", args: "[PATH]", maxArgs: 1,
		short: "print a charter with all defaults written out",
		long: `Prints one text that says everything the charter says, and every default that
it leaves open. The text is a charter too. PATH is as for clew charter check.`,
		flags:    jsonFlag(),
		examples: []example{{"clew charter effective | less", "what holds here"}},
		run: func(_ context.Context, in *invocation) error {
			c, err := loadCharter(in, 0)
			if err != nil {
				return err
			}
			if in.on("json") {
				return printJSON(in.std.out, c.EffectiveJSON())
			}
			_, err = io.WriteString(in.std.out, c.Effective())
			return err
		},
	}
}

func charterExplainCommand() *command {
	return &command{
		name: "charter explain", args: "KEY", minArgs: 1, maxArgs: 1,
		short: "say what a key of the language means, or a name of a charter",
		long: `KEY is a key of the language, such as services.NAME.tier. With --charter it may
be a name that the charter knows: an attribute, own or imported, or a former
name of one, a service, a team, the id of a contract. Then it says what the name
is, who owns it and what is done with it.`,
		flags: append([]flagDef{{name: "charter", value: "PATH", help: "The charter whose names are meant: a file or a folder."}}, jsonFlag()...),
		examples: []example{
			{"clew charter explain attributes.NAME.on_ingest", "what can be done to values"},
			{"clew charter explain http.route --charter charter.yaml", "what a name means"},
		},
		run: runCharterExplain,
	}
}

func charterSchemaCommand() *command {
	return &command{
		name:  "charter schema",
		short: "print the language as a JSON Schema, for editors",
		long: `Editors complete and check YAML with it (draft 2020-12). It knows each file by
itself; what depends on other names, clew charter check finds.`,
		examples: []example{
			{"clew charter schema > charter.schema.json", "then begin charter.yaml with: # yaml-language-server: $schema=charter.schema.json"},
		},
		run: func(_ context.Context, in *invocation) error {
			_, err := in.std.out.Write(charter.Schema())
			return err
		},
	}
}

func charterInitCommand() *command {
	return &command{
		name: "charter init", args: "FOLDER", minArgs: 1, maxArgs: 1,
		short: "write a small charter with comments, to begin with",
		long: `Writes charter.yaml into a folder that is empty or not there. The charter checks
as it is; change it to what holds for you.`,
		examples: []example{{"clew charter init charter", "then: clew up --charter charter"}},
		run:      runCharterInit,
	}
}

func charterDiffCommand() *command {
	return &command{
		name: "charter diff", args: "OLD NEW", minArgs: 2, maxArgs: 2,
		short: "compare two charters and mark what breaks",
		long: `Prints what was added, removed, renamed and changed, defaults included, one
difference a line. An exclamation mark stands before what breaks those who rely
on the old charter: a name that is gone without a rename, another type, a value
that is allowed no longer, a new duty. Each is a file or a folder. The exit code
is 0 whether they differ or not.`,
		flags: jsonFlag(),
		examples: []example{
			{"clew charter diff old/charter charter", "before a change is merged"},
			{"clew charter diff a.yaml b.yaml --json | jq -e 'any(.changes[]; .breaking) | not'", "fail when something breaks"},
		},
		run: runCharterDiff,
	}
}

// charterPath gives the path of the operand, or that of the charter of the working folder.
func charterPath(in *invocation, operand int) (string, error) {
	if operand < len(in.args) {
		return in.args[operand], nil
	}
	for _, name := range []string{"charter.yaml", "charter"} {
		if _, err := os.Stat(name); err == nil {
			return name, nil
		}
	}
	return "", in.usage("PATH is missing, and there is no charter.yaml and no folder charter here")
}

// loadCharter reads the charter of an operand. What is wrong with it was printed
// when the error is errQuiet.
func loadCharter(in *invocation, operand int) (*charter.Charter, error) {
	name, err := charterPath(in, operand)
	if err != nil {
		return nil, err
	}
	c, err := charter.Load(name, resolveImport)
	if errs := charter.Errors(nil); errors.As(err, &errs) {
		for _, one := range errs {
			fmt.Fprintln(in.std.err, clean(one.Error()))
		}
		return nil, errQuiet
	}
	return c, err
}

// checkAnswer is what clew charter check says as JSON.
type checkAnswer struct {
	Checks     bool         `json:"checks"`
	Version    string       `json:"version,omitempty"`
	Teams      int          `json:"teams"`
	Services   int          `json:"services"`
	Attributes int          `json:"attributes"` // own
	Imported   int          `json:"imported"`
	Contracts  int          `json:"contracts"`
	Errors     []checkError `json:"errors"`
}

type checkError struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Key     string `json:"key,omitempty"`
	Message string `json:"message"`
}

func runCharterCheck(_ context.Context, in *invocation) error {
	name, err := charterPath(in, 0)
	if err != nil {
		return err
	}
	c, err := charter.Load(name, resolveImport)
	var errs charter.Errors
	if err != nil && !errors.As(err, &errs) {
		return err
	}
	a := checkAnswer{Checks: err == nil, Errors: []checkError{}}
	for _, e := range errs {
		a.Errors = append(a.Errors, checkError{e.File, e.Line, e.Col, e.Path, e.Message})
	}
	if c != nil {
		a.Version, a.Teams, a.Services, a.Contracts = c.Version(), len(c.Teams()), len(c.Services()), len(c.Contracts())
		a.Attributes = c.OwnAttributes()
		a.Imported = len(c.Attributes()) - a.Attributes
	}
	if in.on("json") {
		if err := printAnswer(in, a); err != nil {
			return err
		}
	} else if c == nil {
		for _, one := range errs {
			fmt.Fprintln(in.std.out, clean(one.Error()))
		}
	} else {
		count := func(n int, one, many string) string { return number(int64(n), one, many) }
		fmt.Fprintf(in.std.out, "%s checks: %s, %s, %s and %d imported, %s; version %s\n", clean(name), count(a.Teams, "team", "teams"),
			count(a.Services, "service", "services"), count(a.Attributes, "attribute", "attributes"), a.Imported,
			count(a.Contracts, "contract", "contracts"), a.Version)
	}
	if c == nil {
		return errQuiet
	}
	return nil
}

// printAnswer prints an answer of this process as JSON, like those of a server.
func printAnswer(in *invocation, answer any) error {
	e := json.NewEncoder(in.std.out)
	e.SetEscapeHTML(false)
	return e.Encode(answer)
}

// explained is what there is to say about a name of a charter.
type explained struct {
	Name    string `json:"name"`
	Is      string `json:"is"` // attribute, service, team, contract
	Meaning string `json:"meaning,omitempty"`
	Facts   []fact `json:"facts"`
}

type fact struct {
	What string `json:"what"`
	Is   string `json:"is"`
}

// add notes a fact unless there is nothing to say.
func (e *explained) add(what string, parts ...string) {
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	if len(parts) > 0 {
		e.Facts = append(e.Facts, fact{what, strings.Join(parts, ", ")})
	}
}

func runCharterExplain(_ context.Context, in *invocation) error {
	key := in.args[0]
	var found []explained
	if in.given["charter"] {
		c, err := charter.Load(in.str("charter"), resolveImport)
		if err != nil {
			return err
		}
		found = explainName(c, key)
	}
	if len(found) == 0 {
		k, err := charter.Explain(key)
		if err != nil {
			if in.given["charter"] {
				return fmt.Errorf("%s knows no attribute, service, team or contract of that name, and %w", in.str("charter"), err)
			}
			return fmt.Errorf("%w; names of a charter need --charter", err)
		}
		if in.on("json") {
			return printAnswer(in, k)
		}
		printKey(in.std.out, k)
		return nil
	}
	if in.on("json") {
		return printAnswer(in, found)
	}
	for _, e := range found {
		fmt.Fprintf(in.std.out, "%s: %s\n", clean(e.Name), e.Is)
		if e.Meaning != "" {
			for _, line := range wrap(clean(e.Meaning), helpWidth-2) {
				fmt.Fprintf(in.std.out, "  %s\n", line)
			}
		}
		for _, f := range e.Facts {
			fmt.Fprintf(in.std.out, "  %-14s %s\n", f.What, clean(f.Is))
		}
	}
	return nil
}

func printKey(w io.Writer, k charter.Key) {
	fmt.Fprintf(w, "%s: %s\n", k.Path, k.Kind)
	for _, line := range wrap(k.Doc, helpWidth-2) {
		fmt.Fprintf(w, "  %s\n", line)
	}
	line := func(what, is string) {
		if is != "" {
			fmt.Fprintf(w, "  %-14s %s\n", what, is)
		}
	}
	if k.Required {
		line("mandatory", "yes")
	}
	line("bounds", k.Bounds)
	line("default", k.Default)
	line("example", k.Example)
	line("keys", strings.Join(k.Keys, ", "))
	for _, word := range k.Words {
		if word.Doc != "" {
			line(word.Word, word.Doc)
		}
	}
}

// meaning gives what the language says of a word at a key.
func meaning(key, word string) string {
	if k, err := charter.Explain(key); err == nil {
		for _, w := range k.Words {
			if w.Word == word && w.Doc != "" {
				return word + ": " + w.Doc
			}
		}
	}
	return word
}

// explainName tells everything that a charter calls name.
func explainName(c *charter.Charter, name string) []explained {
	var found []explained
	if a, ok := c.Attribute(name); ok {
		found = append(found, explainAttribute(c, name, a))
	} else if to, former := c.Canonical(name); former {
		e := explained{Name: name, Is: "former name of an attribute"}
		e.add("now", to)
		found = append(found, e)
		if a, ok := c.Attribute(to); ok {
			found = append(found, explainAttribute(c, to, a))
		}
	}
	if s, ok := c.Service(name); ok {
		found = append(found, explainService(c, s))
	}
	if t, ok := c.Team(name); ok {
		e := explained{Name: name, Is: "team"}
		e.add("contact", t.Contact)
		e.add("escalation", t.Escalation)
		e.add("runbook", t.Runbook)
		e.add("services", pick(c.Services(), func(s string) bool { one, _ := c.Service(s); return one.Team == name })...)
		e.add("attributes", pick(c.Attributes(), func(s string) bool { one, _ := c.Attribute(s); return one.Owner == name })...)
		found = append(found, e)
	}
	for _, s := range c.Contracts() {
		if s.ID == name {
			found = append(found, explainContract(s))
		}
	}
	return found
}

func pick(names []string, want func(string) bool) []string {
	return slices.DeleteFunc(names, func(s string) bool { return !want(s) })
}

// owner is a team with how to reach it.
func owner(c *charter.Charter, name string) string {
	if t, ok := c.Team(name); ok && t.Contact != "" {
		return name + " (" + t.Contact + ")"
	}
	return name
}

func explainAttribute(c *charter.Charter, name string, a charter.Attribute) explained {
	e := explained{Name: name, Is: "attribute, " + string(a.Type), Meaning: strings.TrimSpace(a.Brief + " " + a.Note)}
	if a.Name != name {
		e.add("of the family", a.Name)
	}
	e.add("defined by", a.Source)
	e.add("owner", owner(c, a.Owner))
	if a.Personal != "" {
		e.add("personal", meaning("attributes.NAME.personal", string(a.Personal)))
	}
	switch a.OnIngest.Kind {
	case charter.ActionTruncate:
		e.add("on ingest", fmt.Sprintf("truncate: cut after %d bytes", a.OnIngest.Length))
	case charter.ActionReplace:
		e.add("on ingest", fmt.Sprintf("replace: by %q", a.OnIngest.Text))
	case "":
		e.add("on ingest", meaning("attributes.NAME.on_ingest", string(charter.ActionKeep)))
	default:
		e.add("on ingest", meaning("attributes.NAME.on_ingest", string(a.OnIngest.Kind)))
	}
	if a.Common {
		e.add("common", "every resource has to have it")
	}
	e.add("examples", a.Examples...)
	for _, m := range a.Members {
		e.add("member", strings.TrimSuffix(m.Value+": "+m.Brief, ": "))
	}
	e.add("stability", a.Stability)
	if d := a.Deprecated; d != nil {
		e.add("deprecated", meaning("attributes.NAME.deprecated.reason", d.Reason), d.Note)
		e.add("use instead", d.RenamedTo)
	}
	e.add("formerly", a.Formerly...)
	var required []string
	for _, s := range c.Contracts() {
		if slices.Contains(s.Requires, name) {
			required = append(required, s.ID)
		}
	}
	e.add("required by", required...)
	return e
}

func explainService(c *charter.Charter, s charter.Service) explained {
	e := explained{Name: s.Name, Is: "service"}
	if t, ok := c.OwnerOf(s.Name); ok {
		e.add("owner", owner(c, t.Name))
		e.add("escalation", t.Escalation)
		e.add("runbook", t.Runbook)
	} else {
		e.add("owner", "nobody")
	}
	e.add("language", s.Language)
	e.add("tier", s.Tier)
	e.add("journeys", s.Journeys...)
	var contracts, callers []string
	for _, one := range c.Contracts() {
		if one.Service == s.Name {
			contracts = append(contracts, one.ID)
		}
		if slices.Contains(one.MayCall, s.Name) {
			callers = append(callers, one.ID)
		}
	}
	e.add("contracts", contracts...)
	e.add("called by", callers...)
	return e
}

func explainContract(s charter.SpanContract) explained {
	e := explained{Name: s.ID, Is: "contract of spans", Meaning: s.Brief}
	e.add("service", s.Service)
	e.add("kind", s.Kind)
	for _, match := range []fact{{"name", s.MatchName}, {"http.route", s.MatchRoute}, {"rpc.method", s.MatchRPC}} {
		if match.Is != "" {
			e.add("match", match.What+" "+match.Is)
		}
	}
	e.add("requires", s.Requires...)
	e.add("at start", s.AtStart...)
	if s.MayCall != nil && len(s.MayCall) == 0 {
		e.add("may call", "nobody")
	}
	e.add("may call", s.MayCall...)
	e.add("business", s.BusinessErrors...)
	if s.CountAsFailure {
		e.add("", "errors of the business count as failures")
	}
	return e
}

func runCharterInit(_ context.Context, in *invocation) error {
	dir := in.args[0]
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write charter: %w", err)
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("write charter: %w", err)
	}
	if len(there) > 0 {
		return fmt.Errorf("%s is not empty (%s); name a folder that is, or one that is not there", dir, there[0].Name())
	}
	name := filepath.Join(dir, "charter.yaml")
	if err := os.WriteFile(name, []byte(charter.Sample), 0o644); err != nil {
		return fmt.Errorf("write charter: %w", err)
	}
	_, err = fmt.Fprintf(in.std.out, "wrote %s; change it to what holds for you, then: clew charter check %s\n", name, dir)
	return err
}

func runCharterDiff(_ context.Context, in *invocation) error {
	from, err := loadCharter(in, 0)
	if err != nil {
		return err
	}
	to, err := loadCharter(in, 1)
	if err != nil {
		return err
	}
	changes := charter.Diff(from, to)
	if in.on("json") {
		return printAnswer(in, map[string]any{"from": from.Version(), "to": to.Version(), "changes": changes})
	}
	for _, c := range changes {
		mark, what := " ", ""
		if c.Breaking {
			mark = "!"
		}
		switch {
		case c.What == "renamed":
			what = ": " + c.From + " is now " + c.To
		case c.What != "changed":
		case c.From == "":
			what = ": now " + c.To
		case c.To == "":
			what = ": no longer " + c.From
		default:
			what = ": " + c.From + " is now " + c.To
		}
		fmt.Fprintf(in.std.out, "%s %-7s %s%s\n", mark, c.What, clean(c.Path), clean(what))
	}
	return nil
}

// resolveImport gives the words of an import.
func resolveImport(folder fs.FS, i charter.Import) ([]charter.Attribute, error) {
	if i.Kind == charter.ImportSemconv {
		return registry.Builtin().Attributes(), nil
	}
	r, err := registry.ReadAt(folder, i.Value)
	if err != nil {
		return nil, err
	}
	return r.Attributes(), nil
}
