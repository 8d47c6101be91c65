//go:build !unix

package logline

import (
	"io"
	"os"
)

// Stdout is standard output.
func Stdout() io.Writer { return os.Stdout }
