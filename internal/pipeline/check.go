package pipeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/finding"
	"github.com/clew-dev/clew/internal/telemetry"
)

// Check is the stage that holds what arrives against the charter: names, types and
// values of attributes, contracts of spans, owners of services. A name is judged
// once and remembered; rows are only gone through where something is wrong. What
// a rule finds is counted as a finding. A rule in mode mend also writes the right
// name, and one in mode refuse leaves the span out, of which the sender is told.
type Check struct {
	next     telemetry.Sink
	rules    func() *Rules
	findings Findings
	coverage Coverage
	counted  func(what string) Counter
}

// NewCheck returns the stage in front of next. counted gives the counter of spans
// or values for "renamed", "rename_conflict", "refused" and "finding_lost".
func NewCheck(next telemetry.Sink, rules func() *Rules, findings Findings, coverage Coverage, counted func(what string) Counter) *Check {
	return &Check{next, rules, findings, coverage, counted}
}

// Write implements telemetry.Sink. Its error is a *telemetry.Rejected when spans
// were refused and the others are safe.
func (s *Check) Write(b *telemetry.Batch) error {
	w := checking{Rules: s.rules(), b: b, t: newTally(b)}
	w.services()
	for i, t := range b.Tables() {
		w.attributes(table(i), t)
	}
	w.spanNames()
	w.contracts()
	w.t.flush(s.findings, s.counted("finding_lost"))
	for id, seen := range w.seen {
		s.coverage.Saw(b.Tenant, id, seen.count, seen.trace)
	}
	s.counted("renamed").Add(float64(w.renamed))
	s.counted("rename_conflict").Add(float64(w.conflicts))
	if len(w.refused) == 0 {
		return s.next.Write(b)
	}
	s.counted("refused").Add(float64(len(w.refused)))
	rejected := &telemetry.Rejected{Spans: len(w.refused), Message: w.why}
	if len(w.refused) == b.Spans.N {
		return rejected
	}
	var rows []uint32
	for row := range uint32(b.Spans.N) {
		if !w.refused[row] {
			rows = append(rows, row)
		}
	}
	if err := s.next.Write(telemetry.Gather(b, rows)); err != nil {
		return err
	}
	return rejected
}

// checking is the work on one batch.
type checking struct {
	*Rules
	b       *telemetry.Batch
	t       *tally
	cells   *cells
	rowOf   map[telemetry.SpanID]uint32
	seen    map[string]seen // spans of contracts, by id
	refused map[uint32]bool // span rows
	why     string          // of the first that was refused

	renamed, conflicts int
}

// found counts what a rule found in one span.
func (w *checking) found(rule charter.Rule, span uint32, o finding.Observation) {
	w.foundRows(rule, tableSpans, []uint32{span}, o)
}

// foundRows counts what a rule found in rows of a table, and refuses their spans
// when the rule says so.
func (w *checking) foundRows(rule charter.Rule, of table, rows []uint32, o finding.Observation) {
	mode := w.byRule[rule]
	if mode == charter.ModeOff || len(rows) == 0 {
		return
	}
	o.Key.Rule, o.Action = string(rule), cmp.Or(o.Action, string(mode))
	w.t.addRows(of, rows, o)
	if mode != charter.ModeRefuse {
		return
	}
	if w.refused == nil {
		w.refused = map[uint32]bool{}
		w.why = fmt.Sprintf("%s: %s. %s", rule, o.Message, o.Mend)
	}
	for _, row := range rows {
		w.refuse(of, row)
	}
}

func (w *checking) refuse(of table, row uint32) {
	s := &w.b.Spans
	switch of {
	case tableResources:
		for i, r := range s.Resource {
			if r == row {
				w.refused[uint32(i)] = true
			}
		}
	case tableScopes:
		for i, r := range s.Scope {
			if r == row {
				w.refused[uint32(i)] = true
			}
		}
	default:
		w.refused[w.t.span(of, row)] = true
	}
}

// services judges who sends: whether the charter names it and a team answers for
// it, and whether it says what all services have to say of themselves.
func (w *checking) services() {
	for row := range uint32(w.b.Resources.N) {
		service := w.t.serviceOf(row)
		if definition, known := w.charter.Service(service); w.named && !known {
			w.foundRows(charter.RuleUnknownService, tableResources, []uint32{row}, finding.Observation{Key: finding.Key{Subject: service}, Severity: finding.Improvement,
				Message: fmt.Sprintf("the charter does not name the service %q", service),
				Mend:    fmt.Sprintf("Add it to services with its team, or set OTEL_SERVICE_NAME to the name that it has there.%s", w.nearService(service))})
		} else if known && definition.Team == "" {
			w.foundRows(charter.RuleNoOwner, tableResources, []uint32{row}, finding.Observation{Key: finding.Key{Subject: service}, Severity: finding.Improvement,
				Message: fmt.Sprintf("no team answers for the service %q", service),
				Mend:    fmt.Sprintf("Write services.%s.team.", service)})
		}
	}
	for _, key := range w.common {
		missing := make([]uint32, 0, w.b.Resources.N)
		c := newCells(&w.b.Resources)
		for row := range uint32(w.b.Resources.N) {
			if !c.has(key, row) {
				missing = append(missing, row)
			}
		}
		w.foundRows(charter.RuleMissingCommon, tableResources, missing, finding.Observation{Key: finding.Key{Subject: key}, Severity: finding.Violation, Name: key,
			Message: fmt.Sprintf("the resource has no %s, which the charter asks of every service", key),
			Mend:    fmt.Sprintf("Add %s=… to OTEL_RESOURCE_ATTRIBUTES.", key)})
	}
}

func (w *checking) nearService(name string) string {
	for _, known := range w.charter.Services() {
		if len(known) <= maxNearestBytes && len(name) <= maxNearestBytes && (fold(known) == fold(name) || edits(name, known, 2) <= min(2, len(name)/4)) {
			return fmt.Sprintf(" Did you mean %s?", known)
		}
	}
	return ""
}

// attributeVerdict is what is to be said of a key with a type, whatever its values.
type attributeVerdict struct {
	rule    charter.Rule // empty: nothing
	o       finding.Observation
	rename  string   // the name to write instead
	members []string // sorted; of an enum of texts or numbers
	own     bool     // defined by the charter itself
}

// attributes judges the keys of a table, and the values of enums.
func (w *checking) attributes(of table, t *telemetry.Table) {
	for i := 0; i < len(t.Cols); i++ {
		c := t.Cols[i]
		if c.Scope == telemetry.ScopeIntrinsic || len(c.Rows) == 0 {
			continue
		}
		v := w.verdict([]byte(c.Key), c.Type)
		if v.rule != "" {
			w.foundRows(v.rule, of, c.Rows, v.o)
		}
		if v.members != nil {
			w.members(of, c, &v)
		}
		if v.rename != "" && w.rename(t, i, v.rename) {
			i--
		}
	}
	r := &t.Rest
	var renamed *telemetry.Rest
	for i := range r.Len() {
		v := w.verdict(r.Keys.At(uint32(i)), r.Types[i])
		if v.rule != "" {
			w.foundRows(v.rule, of, r.Rows[i:i+1], v.o)
		}
		if v.members != nil && r.Types[i].IsText() && !isMember(v.members, r.Text(i)) {
			w.badValue(of, r.Rows[i:i+1], r.Keys.Str(uint32(i)), r.Text(i), &v)
		}
		if v.rename != "" && renamed == nil {
			renamed = &telemetry.Rest{Scope: r.Scope}
			for j := range i {
				copyEntry(renamed, r, j)
			}
		}
		switch {
		case renamed == nil:
		case v.rename == "":
			copyEntry(renamed, r, i)
		case hasCell(t, r.Rows[i], v.rename, r.Types[i]):
			w.conflicts++
		default:
			w.renamed++
			var text []byte
			if r.Types[i].IsText() {
				text = r.Text(i)
			}
			renamed.Add(r.Rows[i], r.Types[i], []byte(v.rename), r.Nums[i], text)
		}
	}
	if renamed != nil {
		t.Rest = *renamed
	}
}

// hasCell reports whether a row has a key with a type already.
func hasCell(t *telemetry.Table, row uint32, key string, typ telemetry.Type) bool {
	for _, c := range t.Cols {
		if c.Key == key && c.Type == typ && c.Scope != telemetry.ScopeIntrinsic {
			if _, ok := c.Find(row); ok {
				return true
			}
		}
	}
	for lo, hi := t.Rest.Of(row); lo < hi; lo++ {
		if t.Rest.Types[lo] == typ && string(t.Rest.Keys.At(uint32(lo))) == key {
			return true
		}
	}
	return false
}

// rename gives column i of a table another name. Rows that have a value under that
// name keep it, which is counted. It reports whether the column is gone, because
// another one took its values.
func (w *checking) rename(t *telemetry.Table, i int, to string) bool {
	old := t.Cols[i]
	t.Cols = slices.Clone(t.Cols)
	at := slices.IndexFunc(t.Cols, func(c *telemetry.Column) bool { return c.Key == to && c.Type == old.Type && c.Scope == old.Scope })
	taken := restKeys(&t.Rest, to, old.Type)
	if at < 0 && len(taken) == 0 {
		out := *old
		out.Key = to
		t.Cols[i] = &out
		w.renamed += len(old.Rows)
		return false
	}
	var into telemetry.Column
	if at >= 0 {
		into = *t.Cols[at]
	}
	out := &telemetry.Column{Scope: old.Scope, Type: old.Type, Key: to}
	a, b := 0, 0
	for a < len(into.Rows) || b < len(old.Rows) {
		switch {
		case b == len(old.Rows) || a < len(into.Rows) && into.Rows[a] <= old.Rows[b]:
			if b < len(old.Rows) && into.Rows[a] == old.Rows[b] {
				w.conflicts++
				b++
			}
			appendCell(out, &into, a)
			a++
		case taken[old.Rows[b]]:
			w.conflicts++
			b++
		default:
			w.renamed++
			appendCell(out, old, b)
			b++
		}
	}
	if at < 0 {
		t.Cols[i] = out
		return false
	}
	t.Cols[at] = out
	t.Cols = slices.Delete(t.Cols, i, i+1)
	return true
}

// restKeys gives the rows whose rest has a key with a type.
func restKeys(r *telemetry.Rest, key string, typ telemetry.Type) map[uint32]bool {
	var rows map[uint32]bool
	for i := range r.Len() {
		if r.Types[i] == typ && string(r.Keys.At(uint32(i))) == key {
			if rows == nil {
				rows = map[uint32]bool{}
			}
			rows[r.Rows[i]] = true
		}
	}
	return rows
}

func appendCell(to, from *telemetry.Column, i int) {
	to.Rows = append(to.Rows, from.Rows[i])
	if from.Type.IsText() {
		to.Codes = append(to.Codes, to.Dict.Append(from.Dict.At(from.Codes[i])))
	} else {
		to.Nums = append(to.Nums, from.Nums[i])
	}
}

// members judges the values of an enum, once for each entry of a dictionary.
func (w *checking) members(of table, c *telemetry.Column, v *attributeVerdict) {
	if c.Type != telemetry.TypeString {
		return
	}
	var bad map[uint32][]uint32 // rows of each entry that is no member
	for code := range uint32(c.Dict.Len()) {
		if !isMember(v.members, c.Dict.At(code)) {
			if bad == nil {
				bad = map[uint32][]uint32{}
			}
			bad[code] = nil
		}
	}
	if bad == nil {
		return
	}
	for i, code := range c.Codes {
		if rows, is := bad[code]; is {
			bad[code] = append(rows, c.Rows[i])
		}
	}
	for code, rows := range bad {
		w.badValue(of, rows, c.Key, c.Dict.At(code), v)
	}
}

// badValue says that an enum has no such member. The enums of the OpenTelemetry
// conventions are open, so a value of one's own is no violation of them.
func (w *checking) badValue(of table, rows []uint32, key string, value []byte, v *attributeVerdict) {
	o := finding.Observation{Key: finding.Key{Subject: key, Detail: telemetry.Clip(string(value))}, Severity: finding.Violation,
		Message: fmt.Sprintf("%q is no value of %s", telemetry.Clip(string(value)), key),
		Mend:    "Write one of " + listed(v.members) + "."}
	if !v.own {
		o.Severity = finding.Information
		o.Mend = "If it is one of " + listed(v.members) + ", write that. Else leave it: the conventions let others be."
	}
	w.foundRows(charter.RuleBadEnumValue, of, rows, o)
}

// listed gives at most six names for a sentence.
func listed(names []string) string {
	if len(names) > 6 {
		return strings.Join(names[:6], ", ") + fmt.Sprintf(" or %d others", len(names)-6)
	}
	return strings.Join(names, ", ")
}

func (w *checking) verdict(key []byte, typ telemetry.Type) attributeVerdict {
	var buf [160]byte
	name := append(append(buf[:0], byte(typ)), key...)
	if v, ok := w.keys.get(name); ok {
		return v
	}
	v, final := w.judge(string(key), typ)
	if v.rename == "" && w.byRule[v.rule] == charter.ModeMend {
		v.o.Action = string(charter.ModeObserve) // there is nothing to write instead
	}
	if final {
		w.keys.put(name, v)
	}
	return v
}

// judge says what is wrong with a key and a type. final is false when there was no
// time to look for the name that was meant.
func (w *checking) judge(key string, typ telemetry.Type) (v attributeVerdict, final bool) {
	if to, former := w.charter.Canonical(key); former {
		v.rule = charter.RuleDeprecatedAttribute
		v.o = finding.Observation{Key: finding.Key{Subject: key}, Severity: finding.Improvement, Name: to,
			Message: fmt.Sprintf("%s is a former name of %s", key, to), Mend: fmt.Sprintf("Write %s.", to)}
		if definition, _ := w.charter.Attribute(to); w.byRule[v.rule] == charter.ModeMend {
			if fits(definition.Type, typ) {
				v.rename = to
			} else {
				v.o.Key.Detail = typeWord(typ)
				v.o.Message += fmt.Sprintf(", whose type is %s; values of type %s keep the old name", definition.Type, typeWord(typ))
			}
		}
		return v, true
	}
	a, known := w.charter.Attribute(key)
	if key == telemetry.KeyServiceName {
		return v, true // every part needs it, whatever is imported
	}
	if !known {
		near, searched := w.nearest.to(key)
		if near == "" {
			v.rule = charter.RuleUnknownAttribute
			v.o = finding.Observation{Key: finding.Key{Subject: key}, Severity: finding.Information,
				Message: fmt.Sprintf("neither the charter nor an import defines %s", key),
				Mend:    fmt.Sprintf("Define it: attributes: { %s: { type: %s, brief: … } }.", key, typeWord(typ))}
			return v, searched
		}
		v.rule = charter.RuleMisspelledAttribute
		v.o = finding.Observation{Key: finding.Key{Subject: key}, Severity: finding.Violation, Name: near,
			Message: fmt.Sprintf("%s is unknown; %s is nearly the same", key, near),
			Mend:    fmt.Sprintf("Write %s, or define %s if it is meant.", near, key)}
		if definition, _ := w.charter.Attribute(near); w.byRule[v.rule] == charter.ModeMend && fits(definition.Type, typ) {
			v.rename = near
		}
		return v, true
	}
	v.own = a.Source == charter.SourceCharter || key == keyEnvironment && len(w.charter.Environments()) > 0
	switch {
	case a.Deprecated != nil:
		v.rule = charter.RuleDeprecatedAttribute
		v.o = finding.Observation{Key: finding.Key{Subject: key}, Severity: finding.Improvement,
			Message: fmt.Sprintf("%s is deprecated (%s)", key, a.Deprecated.Reason), Mend: "Leave it out. " + a.Deprecated.Note}
	case !fits(a.Type, typ):
		v.rule = charter.RuleWrongType
		v.o = finding.Observation{Key: finding.Key{Subject: key, Detail: typeWord(typ)}, Severity: finding.Violation, Name: key,
			Message: fmt.Sprintf("%s was sent as %s; its type is %s", key, typeWord(typ), a.Type),
			Mend:    fmt.Sprintf("Send it as %s.", a.Type)}
	case a.Type == charter.TypeEnum:
		for _, m := range a.Members {
			v.members = append(v.members, m.Value)
		}
		slices.Sort(v.members)
		// A charter without environments allows all; error.type has one word for what
		// has none of its own, and any other.
		if !v.own && (key == keyEnvironment || slices.Equal(v.members, []string{"_OTHER"})) {
			v.members = nil
		}
	}
	return v, true
}

// fits reports whether values of a column's type may be those of an attribute.
// Lists are one type in columns; their elements are not looked at.
func fits(want charter.AttributeType, typ telemetry.Type) bool {
	if element, template := want.Element(); template {
		want = element
	}
	switch want {
	case charter.TypeString:
		return typ == telemetry.TypeString
	case charter.TypeInt:
		return typ == telemetry.TypeInt
	case charter.TypeDouble:
		return typ == telemetry.TypeDouble
	case charter.TypeBoolean:
		return typ == telemetry.TypeBool
	case charter.TypeEnum:
		return typ == telemetry.TypeString || typ == telemetry.TypeInt
	case charter.TypeStrings, charter.TypeInts, charter.TypeDoubles, charter.TypeBooleans:
		return typ == telemetry.TypeValue
	}
	return true
}

func typeWord(t telemetry.Type) string {
	switch t {
	case telemetry.TypeString:
		return "string"
	case telemetry.TypeInt:
		return "int"
	case telemetry.TypeDouble:
		return "double"
	case telemetry.TypeBool:
		return "boolean"
	case telemetry.TypeBytes:
		return "bytes"
	}
	return "any"
}

// spanNames judges the names of spans, once for each.
func (w *checking) spanNames() {
	if w.byRule[charter.RuleNameWithID] == charter.ModeOff {
		return
	}
	s := &w.b.Spans
	var bad []bool
	for code := range uint32(s.Names.Len()) {
		name := s.Names.At(code)
		id, known := w.names.get(name)
		if !known {
			id = holdsID(name)
			w.names.put(name, id)
		}
		if id && bad == nil {
			bad = make([]bool, s.Names.Len())
		}
		if id {
			bad[code] = true
		}
	}
	for row := 0; bad != nil && row < s.N; row++ {
		if bad[s.Name[row]] {
			w.found(charter.RuleNameWithID, uint32(row), finding.Observation{Key: finding.Key{Subject: shape(s.Names.At(s.Name[row]))}, Severity: finding.Improvement,
				Message: fmt.Sprintf("the name %q holds an id, so that no two spans have the same", telemetry.Clip(s.Names.Str(s.Name[row]))),
				Mend:    "Name the span after its route or operation and put the id into an attribute."})
		}
	}
}

// shape gives a name with its digits taken out, so that the names of one place in
// the code are one finding.
func shape(name []byte) string {
	var out strings.Builder
	for start, i := 0, 0; i <= len(name); i++ {
		if i < len(name) && (isLetter(name[i]) || isDigit(name[i])) {
			continue
		}
		token := name[start:i]
		if slices.ContainsFunc(token, isDigit) && len(token) >= 3 {
			out.WriteString("{id}")
		} else {
			out.Write(token)
		}
		if i < len(name) {
			out.WriteByte(name[i])
		}
		start = i + 1
	}
	return out.String()
}
