package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// ledgerResult is as much of the answer of clew ledger as goes into the table.
type ledgerResult struct {
	Acknowledged int `json:"acknowledged"`
	Lost         int `json:"lost"`
	Doubled      int `json:"doubled"`
	Damaged      int `json:"damaged"`
}

func (r ledgerResult) err() error {
	if r.Lost > 0 || r.Doubled > 0 || r.Damaged > 0 {
		return fmt.Errorf("the ledger does not balance: of %d acknowledged spans %d are lost, %d doubled, %d damaged", r.Acknowledged, r.Lost, r.Doubled, r.Damaged)
	}
	return nil
}

// ledgerSpans are sent in each cycle.
const ledgerSpans = 5_000

// runLedger has clew's own ledger kill clew in the middle of its work.
func runLedger(ctx context.Context, binary string, cycles int) (r ledgerResult, err error) {
	folder, err := os.MkdirTemp("", "clew-ledger-")
	if err != nil {
		return r, fmt.Errorf("run the ledger: %w", err)
	}
	defer os.RemoveAll(folder)
	path, err := filepath.Abs(binary)
	if err != nil {
		return r, fmt.Errorf("run the ledger: %w", err)
	}
	var addresses [3]string
	for i := range addresses {
		if addresses[i], err = freeAddress(); err != nil {
			return r, err
		}
	}
	cmd := exec.CommandContext(ctx, path, "ledger", "--json", "--quiet", "--cycles", fmt.Sprint(cycles), "--spans", fmt.Sprint((cycles+1)*ledgerSpans),
		"--to", "grpc://"+addresses[1], "--server", "http://"+addresses[0],
		"--command", fmt.Sprintf(`exec "%s" serve --data "%s" --listen.http %s --listen.otlp-grpc %s --listen.otlp-http %s`,
			path, filepath.Join(folder, "data"), addresses[0], addresses[1], addresses[2]))
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if len(out) == 0 { // it fails as well when the ledger does not balance, and then says so in its answer
		return r, fmt.Errorf("run the ledger: %w: %s", err, said.String())
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("read the answer of clew ledger: %w", err)
	}
	return r, nil
}
