package main

import (
	"bytes"
	"testing"

	"github.com/clew-dev/clew/internal/charter"
)

// docs/charter.md is the table of the language, written out: go test ./cmd/clew -update renews it.
func TestCharterReferenceIsCurrent(t *testing.T) {
	var b bytes.Buffer
	charter.WriteReference(&b)
	golden(t, "../../docs/charter.md", b.String())
}
