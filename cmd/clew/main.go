// Command clew is the whole of Clew in one binary: the server and the tools that ask it.
//
//	main ── run(ctx, args, env, stdio) ── commands() ── one file a command
//	                                          │
//	                 up, serve ── node.Open ──┤
//	                 token ────── auth ───────┤  the data folder
//	restore, verify, backup --data ─ backup ──┤  data folders that no server needs
//	                 ledger ───── ledger ─────┤  OTLP and the API of any backend
//	                 all others ─ client ─────┘  the HTTP API of a running server
//
// A command is a value in the table that commands returns. The table is the only
// source of -h, of docs/cli.md and of the shell completions, so they cannot
// disagree with what the parser accepts. Client commands talk to the HTTP API and
// never open the data folder; those that do say so.
//
// Text from spans is foreign: it reaches a terminal only through clean, which
// makes control characters visible instead of letting them act.
//
// Exit codes: 0 done, 1 failed, 2 the command line was wrong.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// stdio is what a command may read and write.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	os.Exit(mainCode())
}

// mainCode runs the program on the process's own arguments and gives its exit
// code, so that the script tests can run the very same main in a child process.
func mainCode() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the default takes over again: a second Ctrl-C ends
	// the process at once when a graceful stop takes too long for its user.
	context.AfterFunc(ctx, stop)
	defer stop()
	err := run(ctx, os.Args[1:], os.Getenv, stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	if err != nil && !errors.Is(err, errQuiet) {
		fmt.Fprintf(os.Stderr, "clew: %s\n", err)
	}
	return exitCode(err)
}

// run executes one command line. env looks up environment variables, and "" means
// that one is not set.
func run(ctx context.Context, args []string, env func(string) string, std stdio) error {
	if len(args) == 0 {
		writeOverview(std.err, commands())
		return &usageError{msg: "no command given", try: "clew -h"}
	}
	switch args[0] {
	case "-h", "--help", "help":
		return runHelp(args[1:], std)
	case "-v", "--version":
		args = append([]string{"version"}, args[1:]...)
	}
	cmd, rest, err := lookup(commands(), args)
	if err != nil {
		return err
	}
	if cmd == nil { // the name of a group, with a request for help
		writeGroup(std.out, args[0], commands())
		return nil
	}
	in, err := parse(cmd, rest, env)
	if err != nil {
		return fmt.Errorf("%s: %w", cmd.name, err)
	}
	if in.help {
		writeHelp(std.out, cmd)
		return nil
	}
	in.std = std
	in.env = env
	if err := cmd.run(ctx, in); err != nil {
		return fmt.Errorf("%s: %w", cmd.name, err)
	}
	return nil
}

func runHelp(args []string, std stdio) error {
	if len(args) == 0 {
		writeOverview(std.out, commands())
		return nil
	}
	cmd, _, err := lookup(commands(), append(args, "-h"))
	if err != nil {
		return err
	}
	if cmd == nil {
		writeGroup(std.out, args[0], commands())
		return nil
	}
	writeHelp(std.out, cmd)
	return nil
}

// errQuiet ends a command as failed without a further word: it has said why itself.
var errQuiet = errors.New("failed")

// usageError is a command line that means nothing: exit code 2.
type usageError struct{ msg, try string }

func (e *usageError) Error() string { return e.msg + "\nTry: " + e.try }

func exitCode(err error) int {
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		return 2
	}
	return 1
}
