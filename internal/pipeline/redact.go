package pipeline

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/finding"
	"github.com/clew-dev/clew/internal/privacy"
	"github.com/clew-dev/clew/internal/telemetry"
)

// Subjects of findings that are in no attribute.
const (
	subjectName      = "(span name)"
	subjectEventName = "(event name)"
	subjectKey       = "(attribute name)"
)

// Redact is the stage that keeps personal data and secrets off the disk: it does
// what the charter says of an attribute's values and replaces what detectors find
// in every other text and number that a batch holds. A value on which a detector
// fails is dropped, and the span is taken.
type Redact struct {
	next     telemetry.Sink
	rules    func() *Rules
	findings Findings
	redacted func(reason string) Counter
}

// NewRedact returns the stage in front of next. rules gives the rules in force;
// redacted gives the counter of values for the name of a detector or action.
func NewRedact(next telemetry.Sink, rules func() *Rules, findings Findings, redacted func(reason string) Counter) *Redact {
	return &Redact{next, rules, findings, redacted}
}

// Write implements telemetry.Sink.
func (s *Redact) Write(b *telemetry.Batch) error {
	w := redaction{Rules: s.rules(), t: newTally(b), counts: map[string]int{}}
	w.t.redact = w.service // findings are written to disk, too
	s.names(&w, &b.Spans.Names, &b.Spans.Name, tableSpans, subjectName)
	s.names(&w, &b.Events.Names, &b.Events.Name, tableEvents, subjectEventName)
	for i, t := range b.Tables() {
		w.table(table(i), t)
	}
	for reason, n := range w.counts {
		s.redacted(reason).Add(float64(n))
	}
	w.t.flush(s.findings, s.redacted("finding_lost"))
	return s.next.Write(b)
}

func (s *Redact) names(w *redaction, names *telemetry.Dict, codes *[]uint32, of table, subject string) {
	dict, found := w.dict(names, "", charter.Action{})
	if dict == nil {
		return
	}
	var rows rowsBy
	for row, code := range *codes {
		if d := found[code]; d != "" {
			rows.add(d, uint32(row))
		}
	}
	w.countAll(of, rows, subject)
	*names = *dict
}

// redaction is the work on one batch.
type redaction struct {
	*Rules
	t      *tally
	counts map[string]int
	buf    []byte
	key    privacy.Key // of the last value
}

// service gives the name of a service as it is stored. It is asked for in the midst of
// other values, whose buffer it leaves alone.
func (w *redaction) service(name string) string {
	action, _ := w.action([]byte(telemetry.KeyServiceName))
	if action.Kind == charter.ActionDrop {
		return UnknownService
	}
	apart := redaction{Rules: w.Rules}
	out, _ := apart.value(telemetry.KeyServiceName, []byte(name), action)
	return string(out)
}

// reasonFailed counts values on which a detector failed.
const reasonFailed = "detector_failed"

// table redacts the columns and the rest of a table.
func (w *redaction) table(of table, t *telemetry.Table) {
	for i := 0; i < len(t.Cols); i++ {
		c := t.Cols[i]
		if d := w.inKey(c.Key); d != "" {
			w.count(of, c.Rows, subjectKey, d)
			t.Cols = slices.Delete(slices.Clone(t.Cols), i, i+1)
			i--
			continue
		}
		var action charter.Action
		if c.Scope != telemetry.ScopeIntrinsic {
			action, _ = w.action([]byte(c.Key))
		}
		out := w.column(of, c, action)
		switch {
		case out == nil:
			t.Cols = slices.Delete(slices.Clone(t.Cols), i, i+1)
			i--
		case out != c:
			t.Cols = slices.Clone(t.Cols)
			t.Cols[i] = out
		}
	}
	w.rest(of, t)
}

// inKey gives what a detector finds in the name of an attribute.
func (w *redaction) inKey(key string) string {
	out, what := w.value("", []byte(key), charter.Action{})
	_ = out
	return what
}

// column gives c itself when nothing is to be done, nil when no value stays, and
// otherwise a new column.
func (w *redaction) column(of table, c *telemetry.Column, action charter.Action) *telemetry.Column {
	if action.Kind == charter.ActionDrop {
		w.count(of, c.Rows, c.Key, string(charter.ActionDrop))
		return nil
	}
	if c.Type.IsText() {
		return w.textColumn(of, c, action)
	}
	return w.numColumn(of, c, action)
}

func (w *redaction) textColumn(of table, c *telemetry.Column, action charter.Action) *telemetry.Column {
	var dict *telemetry.Dict
	var found []string
	switch c.Type {
	case telemetry.TypeValue:
		dict, found = w.each(&c.Dict, func(v []byte) ([]byte, string) { return w.nested(c.Key, v, action) })
	default:
		dict, found = w.dict(&c.Dict, c.Key, action)
	}
	if dict == nil {
		return c
	}
	out := *c
	out.Dict = *dict
	var rows rowsBy
	for i, code := range c.Codes {
		if d := found[code]; d != "" {
			rows.add(d, c.Rows[i])
		}
	}
	w.countAll(of, rows, c.Key)
	return &out
}

// dict redacts the entries of a dictionary; nil when none changes. found says of
// each entry what was found or done, and is empty for one that stays.
func (w *redaction) dict(d *telemetry.Dict, key string, action charter.Action) (*telemetry.Dict, []string) {
	return w.each(d, func(v []byte) ([]byte, string) { return w.value(key, v, action) })
}

func (w *redaction) each(d *telemetry.Dict, redact func([]byte) ([]byte, string)) (*telemetry.Dict, []string) {
	var out *telemetry.Dict
	var found []string
	for i := range uint32(d.Len()) {
		v := d.At(i)
		to, what := redact(v)
		if what != "" && out == nil {
			out, found = &telemetry.Dict{}, make([]string, d.Len())
			for j := range i {
				out.Append(d.At(j))
			}
		}
		if out != nil {
			out.Append(to)
			found[i] = what
		}
	}
	return out, found
}

// value redacts one text. what is empty when it stays; to may alias a buffer that
// the next call writes to.
func (w *redaction) value(key string, v []byte, action charter.Action) (to []byte, what string) {
	defer func() {
		if failed := recover(); failed != nil {
			to, what = []byte("["+reasonFailed+"]"), reasonFailed
		}
	}()
	if action.Kind != "" && action.Kind != charter.ActionKeep {
		if to = w.apply(action, v); !bytes.Equal(to, v) {
			what = string(action.Kind)
		}
		if action.Kind == charter.ActionHash {
			return to, what
		}
		v = to
	}
	if w.key.Name() != key {
		w.key = privacy.NewKey(key)
	}
	out, matches := w.scanner.RedactOf(w.buf[:0], &w.key, v)
	if len(matches) == 0 {
		return v, what
	}
	w.buf = out
	return out, string(matches[0].Detector)
}

// apply does to a text what the charter says.
func (w *redaction) apply(action charter.Action, v []byte) []byte {
	switch action.Kind {
	case charter.ActionMask, charter.ActionDrop:
		return privacy.MaskText(nil, v)
	case charter.ActionTruncate:
		if string(v) == privacy.Hidden {
			return v // a kit has masked what it could not cut
		}
		return privacy.TruncateText(v, action.Length)
	case charter.ActionTruncateIP:
		return privacy.TruncateIP(nil, v)
	case charter.ActionReplace:
		return []byte(action.Text)
	case charter.ActionHash:
		return w.hasher.Hash(nil, v)
	}
	return v
}

// numColumn looks at numbers. One that has to go is dropped from the column: a
// column of numbers cannot say what was there, the finding does.
func (w *redaction) numColumn(of table, c *telemetry.Column, action charter.Action) *telemetry.Column {
	if k := action.Kind; k != "" && k != charter.ActionKeep {
		w.count(of, c.Rows, c.Key, string(k))
		return nil
	}
	if c.Type == telemetry.TypeBool {
		return c
	}
	var out *telemetry.Column
	for i, num := range c.Nums {
		what := w.number(c.Key, c.Type, num)
		if what != "" && out == nil {
			out = &telemetry.Column{Scope: c.Scope, Type: c.Type, Key: c.Key, Rows: slices.Clone(c.Rows[:i]), Nums: slices.Clone(c.Nums[:i])}
		}
		if what != "" {
			w.count(of, c.Rows[i:i+1], c.Key, what)
		} else if out != nil {
			out.Rows, out.Nums = append(out.Rows, c.Rows[i]), append(out.Nums, num)
		}
	}
	if out == nil {
		return c
	}
	if len(out.Rows) == 0 {
		return nil
	}
	return out
}

// leastNumber is the smallest number that any detector takes for something: an id
// of nine digits.
const leastNumber = 100_000_000

func (w *redaction) number(key string, typ telemetry.Type, num uint64) (what string) {
	v := int64(num)
	if typ == telemetry.TypeDouble {
		f := math.Float64frombits(num)
		if f != math.Trunc(f) || math.Abs(f) >= 1<<63 {
			return ""
		}
		v = int64(f)
	}
	if v < leastNumber {
		return ""
	}
	defer func() {
		if failed := recover(); failed != nil {
			what = reasonFailed
		}
	}()
	if d, found := w.scanner.FindInt(key, v); found {
		return string(d)
	}
	return ""
}

// rest redacts the entries of seldom keys. What is dropped is left out.
func (w *redaction) rest(of table, t *telemetry.Table) {
	r := &t.Rest
	var out *telemetry.Rest
	for i := range r.Len() {
		key := r.Keys.At(uint32(i))
		drop, text, what, subject := w.entry(r, i, key)
		if what != "" {
			w.count(of, r.Rows[i:i+1], subject, what)
			if out == nil {
				out = &telemetry.Rest{Scope: r.Scope}
				for j := range i {
					copyEntry(out, r, j)
				}
			}
		}
		switch {
		case out == nil || drop:
		case what == "":
			copyEntry(out, r, i)
		default:
			out.Add(r.Rows[i], r.Types[i], key, 0, text)
		}
	}
	if out != nil {
		t.Rest = *out
	}
}

func copyEntry(to, from *telemetry.Rest, i int) {
	var text []byte
	if from.Types[i].IsText() {
		text = from.Text(i)
	}
	to.Add(from.Rows[i], from.Types[i], from.Keys.At(uint32(i)), from.Nums[i], text)
}

func (w *redaction) entry(r *telemetry.Rest, i int, key []byte) (drop bool, text []byte, what, subject string) {
	if _, what = w.value("", key, charter.Action{}); what != "" {
		return true, nil, what, subjectKey
	}
	action, _ := w.action(key)
	typ := r.Types[i]
	if action.Kind == charter.ActionDrop {
		return true, nil, string(action.Kind), string(key)
	}
	switch {
	case typ == telemetry.TypeValue:
		text, what = w.nested(string(key), r.Text(i), action)
	case typ.IsText():
		text, what = w.value(string(key), r.Text(i), action)
	case action.Kind != "" && action.Kind != charter.ActionKeep:
		return true, nil, string(action.Kind), string(key)
	case typ != telemetry.TypeBool:
		what, drop = w.number(string(key), typ, r.Nums[i]), true
	}
	if what == "" {
		return false, nil, "", ""
	}
	return drop, text, what, string(key)
}

// rowsBy holds rows by what was found in them, which is one of a few.
type rowsBy struct {
	what []string
	rows [][]uint32
}

func (r *rowsBy) add(what string, row uint32) {
	i := slices.Index(r.what, what)
	if i < 0 {
		i = len(r.what)
		r.what, r.rows = append(r.what, what), append(r.rows, nil)
	}
	r.rows[i] = append(r.rows[i], row)
}

func (w *redaction) countAll(of table, r rowsBy, subject string) {
	for i, what := range r.what {
		w.count(of, r.rows[i], subject, what)
	}
}

// count says that the values of these rows were changed: what is the name of a detector or action.
func (w *redaction) count(of table, rows []uint32, subject, what string) {
	w.counts[what] += len(rows)
	if w.byRule[charter.RulePersonalData] == charter.ModeOff {
		return
	}
	o := finding.Observation{Key: finding.Key{Rule: string(charter.RulePersonalData), Subject: subject, Detail: what},
		Severity: finding.Violation, Action: "redact"}
	switch {
	case what == reasonFailed:
		o.Message = "a detector failed on a value, which was dropped"
		o.Mend = "Report this as a defect of Clew; the value was not written."
	case w.expected(subject):
		o.Severity = finding.Information
		o.Message = fmt.Sprintf("%s is marked personal; its values were redacted (%s)", subject, what)
		o.Mend = "Nothing: the charter says so. What is not sent costs nothing, so leave it out where it is not needed."
	case w.actions[subject].Action.Kind != "":
		o.Severity = finding.Information
		o.Message = fmt.Sprintf("values of %s were redacted, as the charter says (%s)", subject, what)
		o.Mend = "Nothing: the charter says so."
	case subject == subjectName:
		o.Message = fmt.Sprintf("the name of a span held personal data (%s); it was redacted", what)
		o.Mend = "Name the span after what is done, such as its route; put what varies into an attribute that the charter marks personal."
	case subject == subjectKey:
		o.Message = fmt.Sprintf("the name of an attribute held personal data (%s); the attribute was dropped", what)
		o.Mend = "Write a fixed name and put what varies into the value."
	default:
		o.Message = fmt.Sprintf("%s held personal data (%s); it was redacted", subject, what)
		o.Mend = "Do not send it, or define " + strconv.Quote(subject) + " in the charter with personal and on_ingest."
	}
	w.t.addRows(of, rows, o)
}
