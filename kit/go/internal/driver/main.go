// Command driver answers cases of the contract: it reads one JSON object a line and
// writes one JSON object a line. The Rust kit has the same command, and for every
// case both must write the same bytes; kit/contract/fuzz compares them. The tests
// here run the vectors of kit/contract, which are cases with the answer that is
// wanted.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// maxLine bounds a case: the longest hold a policy over its limit, escaped.
const maxLine = 4 << 20

func run(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	w := bufio.NewWriterSize(out, 64<<10)
	for n := 1; lines.Scan(); n++ {
		answer, err := answerTo(lines.Bytes())
		if err != nil {
			return fmt.Errorf("answer case %d: %w", n, err)
		}
		w.Write(append(render(nil, answer), '\n'))
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return w.Flush()
}

// operations are what cases ask for.
var operations = map[string]func(*fields) any{
	"threshold":      threshold,
	"decide":         decide,
	"limiter":        limiter,
	"traceparent":    traceparent,
	"tracestate":     tracestate,
	"replace_ot":     replaceOT,
	"baggage":        baggage,
	"baggage_write":  baggageWrite,
	"b3":             b3,
	"b3_multi":       b3Multi,
	"targets":        targets,
	"policy":         policies,
	"redact":         redact,
	"status":         status,
	"request_url":    requestURL,
	"resource":       resources,
	"url":            sanitiseURL,
	"query":          sanitiseQuery,
	"sql":            sanitiseSQL,
	"log":            logs,
	"export_answer":  exportAnswer,
	"export_pace":    exportPace,
	"export_headers": exportHeaders,
}

func answerTo(line []byte) (any, error) {
	f, err := read(line)
	if err != nil {
		return nil, err
	}
	name := f.text("op")
	operation, ok := operations[name]
	if !ok {
		return nil, fmt.Errorf("op %q is not known", name)
	}
	answer := operation(f)
	return answer, f.done()
}
