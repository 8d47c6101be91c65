package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/finding"
	"github.com/clew-dev/clew/internal/telemetry"
)

// contract is a SpanContract with what is compared made ready.
type contract struct {
	charter.SpanContract
	kind uint8 // 0: any
}

var kindWords = []string{telemetry.KindInternalOp: "internal", telemetry.KindServer: "server", telemetry.KindClient: "client",
	telemetry.KindProducer: "producer", telemetry.KindConsumer: "consumer"}

func contractsOf(c *charter.Charter) map[string][]contract {
	out := map[string][]contract{}
	for _, one := range c.Contracts() {
		k := max(slices.Index(kindWords, one.Kind), 0)
		if one.Kind == "" {
			k = 0
		}
		out[one.Service] = append(out[one.Service], contract{one, uint8(k)})
	}
	return out
}

// Keys that contracts look at.
const (
	keyHTTPRoute = "http.route"
	keyRPCMethod = "rpc.method"
	keyErrorType = "error.type"
)

// keysOfPeers name the service that a call goes to, the surest first.
var keysOfPeers = []string{"service.peer.name", "peer.service", "server.address"}

// contracts judges the spans of services that have contracts.
func (w *checking) contracts() {
	if len(w.Rules.contracts) == 0 {
		return
	}
	s := &w.b.Spans
	for resource := range uint32(w.b.Resources.N) {
		of := w.Rules.contracts[w.t.serviceOf(resource)]
		if len(of) == 0 {
			continue
		}
		if w.cells == nil {
			w.cells = newCells(&s.Table)
		}
		for row := range uint32(s.N) {
			if s.Resource[row] != resource {
				continue
			}
			for i := range of {
				if w.matches(&of[i], row) {
					w.keep(&of[i], row)
					break
				}
			}
			if s.Kind[row] == telemetry.KindClient || s.Kind[row] == telemetry.KindProducer {
				w.call(of, row)
			}
		}
	}
}

func (w *checking) matches(c *contract, row uint32) bool {
	s := &w.b.Spans
	switch {
	case c.MatchName != "":
		return string(s.Names.At(s.Name[row])) == c.MatchName
	case c.MatchRoute != "":
		// A client's span has the route of whom it calls at best.
		return s.Kind[row] != telemetry.KindClient && string(w.cells.text(keyHTTPRoute, row)) == c.MatchRoute
	case c.MatchRPC != "":
		return s.Kind[row] != telemetry.KindClient && string(w.cells.text(keyRPCMethod, row)) == c.MatchRPC
	}
	return false
}

// seen is what a batch has of a contract.
type seen struct {
	count uint64
	trace telemetry.TraceID
}

// keep holds a span against its contract.
func (w *checking) keep(c *contract, row uint32) {
	s := &w.b.Spans
	if w.seen == nil {
		w.seen = map[string]seen{}
	}
	w.seen[c.ID] = seen{w.seen[c.ID].count + 1, s.TraceID[row]}
	if c.kind != 0 && s.Kind[row] != c.kind {
		sent := "unspecified"
		if k := int(s.Kind[row]); k > 0 && k < len(kindWords) {
			sent = kindWords[k]
		}
		w.found(charter.RuleWrongKind, row, finding.Observation{Key: finding.Key{Subject: c.ID, Detail: sent}, Severity: finding.Violation,
			Message: fmt.Sprintf("the span of contract %s is of kind %s; the contract says %s", c.ID, sent, c.Kind),
			Mend:    fmt.Sprintf("Start the span with kind %s, or change spans.%s.kind.", c.Kind, c.ID)})
	}
	for _, key := range c.Requires {
		if !w.cells.has(key, row) {
			w.found(charter.RuleMissingRequired, row, finding.Observation{Key: finding.Key{Subject: key, Detail: c.ID}, Severity: finding.Violation, Name: key,
				Message: fmt.Sprintf("the span of contract %s ended without %s", c.ID, key),
				Mend:    fmt.Sprintf("Set %s before the span ends; the generated builder of %s asks for it.", key, c.ID)})
		}
	}
	failure := string(w.cells.text(keyErrorType, row))
	if failure == "" || !slices.Contains(c.BusinessErrors, failure) {
		return
	}
	failed := s.Status[row] == telemetry.StatusError
	switch {
	case failed && !c.CountAsFailure:
		w.found(charter.RuleErrorMarking, row, finding.Observation{Key: finding.Key{Subject: failure, Detail: c.ID}, Severity: finding.Violation,
			Message: fmt.Sprintf("%s belongs to the business of contract %s, and the span was marked as failed", failure, c.ID),
			Mend:    "Leave the span's status unset and set error.type alone."})
	case !failed && c.CountAsFailure:
		w.found(charter.RuleErrorMarking, row, finding.Observation{Key: finding.Key{Subject: failure, Detail: c.ID}, Severity: finding.Violation,
			Message: fmt.Sprintf("%s counts as a failure of contract %s, and the span was not marked as failed", failure, c.ID),
			Mend:    "Set the span's status to error beside error.type."})
	}
}

// maxAncestors bounds the walk from a call to the span whose contract holds for it.
const maxAncestors = 64

// call judges a call to another service by the contract of the span within which
// it is made, as far as that is in the same batch.
func (w *checking) call(of []contract, row uint32) {
	s := &w.b.Spans
	target := ""
	for _, key := range keysOfPeers {
		name, _, _ := strings.Cut(string(w.cells.text(key, row)), ".") // the first label of a host's name
		if _, known := w.charter.Service(name); known {
			target = name
			break
		}
	}
	if target == "" {
		return
	}
	if w.rowOf == nil {
		w.rowOf = make(map[telemetry.SpanID]uint32, s.N)
		for i, id := range s.SpanID {
			w.rowOf[id] = uint32(i)
		}
	}
	at := row
	for range maxAncestors {
		above, here := w.rowOf[s.Parent[at]]
		if !here || s.TraceID[above] != s.TraceID[row] || s.Resource[above] != s.Resource[row] {
			return
		}
		at = above
		for i := range of {
			c := &of[i]
			if !w.matches(c, at) {
				continue
			}
			if c.MayCall != nil && !slices.Contains(c.MayCall, target) {
				w.found(charter.RuleCallNotAllowed, row, finding.Observation{Key: finding.Key{Subject: target, Detail: c.ID}, Severity: finding.Violation,
					Message: fmt.Sprintf("contract %s does not allow a call to %s", c.ID, target),
					Mend:    fmt.Sprintf("Call a service of spans.%s.may_call, or add %s to it.", c.ID, target)})
			}
			return
		}
	}
}

// cells finds values of rows by key, in columns and in the rest, without a search
// through all columns for each.
type cells struct {
	t    *telemetry.Table
	cols map[string][]*telemetry.Column
}

func newCells(t *telemetry.Table) *cells {
	c := &cells{t, map[string][]*telemetry.Column{}}
	for _, col := range t.Cols {
		if col.Scope != telemetry.ScopeIntrinsic {
			c.cols[col.Key] = append(c.cols[col.Key], col)
		}
	}
	return c
}

func (c *cells) text(key string, row uint32) []byte {
	for _, col := range c.cols[key] {
		if col.Type == telemetry.TypeString {
			if at, ok := col.Find(row); ok {
				return col.Dict.At(col.Codes[at])
			}
		}
	}
	r := &c.t.Rest
	for lo, hi := r.Of(row); lo < hi; lo++ {
		if r.Types[lo] == telemetry.TypeString && string(r.Keys.At(uint32(lo))) == key {
			return r.Text(lo)
		}
	}
	return nil
}

func (c *cells) has(key string, row uint32) bool {
	for _, col := range c.cols[key] {
		if _, ok := col.Find(row); ok {
			return true
		}
	}
	r := &c.t.Rest
	for lo, hi := r.Of(row); lo < hi; lo++ {
		if string(r.Keys.At(uint32(lo))) == key {
			return true
		}
	}
	return false
}
