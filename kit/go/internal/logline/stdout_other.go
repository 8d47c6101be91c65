//go:build !unix

package logline

import (
	"io"
	"os"
)

// stdout is standard output.
func stdout() io.Writer { return os.Stdout }
