// Command cmd runs the hostile collector for tests in other languages. It reads one
// script as JSON in the first line of standard input and writes lines of JSON: first
// its address and the PEM texts of its certificates, then each request it gets. It
// ends with its standard input.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/clew-dev/clew/kit/go/internal/hostile"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(stdin io.Reader, stdout io.Writer) error {
	in := bufio.NewReader(stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read script: %w", err)
	}
	var script hostile.Script
	if err := json.Unmarshal(line, &script); err != nil {
		return fmt.Errorf("parse script: %w", err)
	}
	var mu sync.Mutex
	out := json.NewEncoder(stdout)
	server, err := hostile.Start(script, func(r hostile.Request) {
		mu.Lock()
		defer mu.Unlock()
		_ = out.Encode(r)
	})
	if err != nil {
		return err
	}
	defer server.Close()
	mu.Lock()
	err = out.Encode(map[string]string{
		"url": server.URL(), "ca": string(server.CA),
		"client_cert": string(server.ClientCert), "client_key": string(server.ClientKey),
	})
	mu.Unlock()
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}
