package main

import (
	"context"
	"fmt"
	"strings"
)

// command is one verb. Everything that help, docs and completion say about it is here.
type command struct {
	name     string // one word, or "group verb"
	args     string // how the operands are written, as in "ID" or "[NAME]"
	minArgs  int
	maxArgs  int
	short    string // one line, no full stop
	long     string // paragraphs of plain text, at most 76 columns wide
	flags    []flagDef
	examples []example
	run      func(ctx context.Context, in *invocation) error
}

// example is a line that a reader may copy, and what it does.
type example struct{ line, what string }

// flagKind says how a flag's value is checked while the command line is read.
type flagKind uint8

const (
	text flagKind = iota
	toggle
	count    // whole number, 0 or more
	duration // as time.ParseDuration, and d for days
	size     // bytes, with the units of parseBytes
	choice   // one of flagDef.choices
)

// flagDef is one flag of a command. An empty def means that nothing is set.
type flagDef struct {
	name    string
	kind    flagKind
	value   string // what stands for the value in help, as in "DURATION"
	def     string
	env     string // variable that gives the value when the flag is not given
	choices []string
	help    string // sentences without the default, which help appends
}

// commands is the table. The order is that of the overview.
func commands() []*command {
	return []*command{
		upCommand(), serveCommand(),
		searchCommand(), traceCommand(), tailCommand(), servicesCommand(), findingsCommand(), scoreCommand(), privacyReportCommand(), kitsCommand(),
		statusCommand(), flushCommand(),
		charterCheckCommand(), charterEffectiveCommand(), charterExplainCommand(), charterSchemaCommand(), charterInitCommand(), charterDiffCommand(), charterGenerateCommand(), charterImportCommand(),
		backupCommand(), restoreCommand(), verifyCommand(), ledgerCommand(),
		tokenCreateCommand(), tokenListCommand(), tokenRevokeCommand(),
		versionCommand(), completionCommand(),
	}
}

// lookup finds the command that args start with and gives the rest. A nil command
// without an error is a group's name with -h.
func lookup(table []*command, args []string) (*command, []string, error) {
	if len(args) > 1 {
		for _, c := range table {
			if c.name == args[0]+" "+args[1] {
				return c, args[2:], nil
			}
		}
	}
	var verbs, names []string
	for _, c := range table {
		if c.name == args[0] {
			return c, args[1:], nil
		}
		group, verb, isGroup := strings.Cut(c.name, " ")
		if isGroup && group == args[0] {
			verbs = append(verbs, verb)
		}
		names = append(names, group)
	}
	if len(verbs) == 0 {
		return nil, nil, &usageError{msg: fmt.Sprintf("unknown command %q%s", args[0], didYouMean(args[0], names)), try: "clew -h"}
	}
	try := "clew " + args[0] + " -h"
	if len(args) == 1 {
		return nil, nil, &usageError{msg: fmt.Sprintf("%s: say what to do: %s", args[0], strings.Join(verbs, ", ")), try: try}
	}
	if isHelp(args[1]) {
		return nil, nil, nil
	}
	return nil, nil, &usageError{msg: fmt.Sprintf("%s: unknown verb %q%s", args[0], args[1], didYouMean(args[1], verbs)), try: try}
}

func isHelp(arg string) bool { return arg == "-h" || arg == "-help" || arg == "--help" }

// didYouMean gives "; did you mean X?" when one of names is within two edits of
// what was written, else nothing.
func didYouMean(written string, names []string) string {
	best, distance := "", 3
	for _, n := range names {
		if d := edits(written, n); d < distance {
			best, distance = n, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// edits is the Levenshtein distance in bytes. Both words are short: they come from
// a command line and from the table.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
