package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"
)

// The results as JSON; docs/bench.md describes them. Names and meanings of fields
// that are there do not change while version stays; fields may be added.
type results struct {
	Version int         `json:"version"`
	Began   time.Time   `json:"began"`
	Machine machineJSON `json:"machine"`
	Options optionsJSON `json:"options"`
	Rows    []rowJSON   `json:"rows"`
	Missed  []string    `json:"missed"`
	Failed  string      `json:"failed,omitempty"`
}

type machineJSON struct {
	System     string `json:"system"`
	Processors int    `json:"processors"`
}

type optionsJSON struct {
	Clew        string   `json:"clew"` // as `clew version` has it
	Collector   bool     `json:"collector"`
	Quick       bool     `json:"quick"`
	Seed        uint64   `json:"seed"`
	Spans       int      `json:"spans"`
	Connections int      `json:"connections"`
	Runs        int      `json:"runs"`
	Cycles      int      `json:"cycles"`
	Parts       []string `json:"parts"` // empty: all
	Peers       []string `json:"peers"`
}

type rowJSON struct {
	ID         string     `json:"id"`
	What       string     `json:"what"`
	Value      float64    `json:"value"`
	Unit       string     `json:"unit,omitempty"`
	Better     string     `json:"better"` // more or less
	Floor      *float64   `json:"floor,omitempty"`
	Goal       *float64   `json:"goal,omitempty"`
	TimesFloor *float64   `json:"times_floor,omitempty"` // how many times better than the floor
	TimesGoal  *float64   `json:"times_goal,omitempty"`
	Verdict    string     `json:"verdict"` // missed, floor, goal, not yet, unbounded or not judged
	Runs       []float64  `json:"runs,omitempty"`
	Note       string     `json:"note,omitempty"`
	Peers      []cellJSON `json:"peers,omitempty"`
}

type cellJSON struct {
	Name  string   `json:"name"`
	Value *float64 `json:"value,omitempty"`
	Times *float64 `json:"times,omitempty"` // how many times better Clew is
	Why   string   `json:"why,omitempty"`   // there is no value, because of this
}

func optional(v float64, ok bool) *float64 {
	if !ok {
		return nil
	}
	return &v
}

var verdictJSON = map[string]string{"NO": "missed", "": "unbounded"}

func (r row) json(peers []string) rowJSON {
	out := rowJSON{ID: r.id, What: r.what, Value: r.value, Unit: r.unit, Better: "less", Verdict: r.verdict(), Runs: r.runs, Note: r.note,
		Floor: optional(r.must, r.must != none), Goal: optional(r.aim, r.aim != none),
		TimesFloor: optional(r.better(r.value, r.must)), TimesGoal: optional(r.better(r.value, r.aim))}
	if r.atLeast {
		out.Better = "more"
	}
	if r.unjudged {
		out.Verdict = "not judged"
	} else if v, ok := verdictJSON[out.Verdict]; ok {
		out.Verdict = v
	}
	for i, c := range r.peers {
		cell := cellJSON{Name: peers[i], Why: c.why}
		if c.why == "" {
			cell.Value, cell.Times = &c.value, optional(r.better(r.value, c.value))
		}
		out.Peers = append(out.Peers, cell)
	}
	return out
}

// results gives what was measured, failed being the reason why it is not all.
func (b *bench) results(failed error) results {
	names := b.peerNames()
	out := results{Version: 1, Began: b.began.UTC().Truncate(time.Second), Rows: []rowJSON{}, Missed: []string{},
		Machine: machineJSON{runtime.GOOS + "/" + runtime.GOARCH, runtime.NumCPU()},
		Options: optionsJSON{Clew: b.version, Collector: b.collector != "", Quick: b.quick, Seed: b.seed, Spans: b.spans,
			Connections: b.conns, Runs: b.repeats, Cycles: b.cycles, Parts: append([]string{}, b.parts...), Peers: names}}
	for _, r := range b.judged() {
		out.Rows = append(out.Rows, r.json(names))
		if r.verdict() == "NO" {
			out.Missed = append(out.Missed, r.id)
		}
	}
	if failed != nil {
		out.Failed = failed.Error()
	}
	return out
}

// writeJSON writes the results to a file, or to out when path is "-".
func (b *bench) writeJSON(path string, out io.Writer, failed error) error {
	text, err := json.MarshalIndent(b.results(failed), "", "  ")
	if err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	text = append(text, '\n')
	if path == "-" {
		_, err = out.Write(text)
	} else {
		err = os.WriteFile(path, text, 0o644)
	}
	if err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	return nil
}
