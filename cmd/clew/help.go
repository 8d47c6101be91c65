package main

import (
	"fmt"
	"io"
	"strings"
)

// helpWidth is the column at which help wraps: a terminal of 80 with a margin.
const helpWidth = 78

func writeOverview(w io.Writer, table []*command) {
	fmt.Fprint(w, "Clew keeps the traces of a fleet of Go and Rust services and answers questions about them.\n\n")
	fmt.Fprint(w, "Usage: clew COMMAND [flags] [arguments]\n\nCommands:\n")
	writeList(w, table)
	fmt.Fprint(w, "\nThe help of a command: clew COMMAND -h\n")
}

func writeGroup(w io.Writer, group string, table []*command) {
	var members []*command
	for _, c := range table {
		if strings.HasPrefix(c.name, group+" ") {
			members = append(members, c)
		}
	}
	fmt.Fprintf(w, "Usage: clew %s VERB [flags] [arguments]\n\n", group)
	writeList(w, members)
	fmt.Fprintf(w, "\nThe help of a verb: clew %s VERB -h\n", group)
}

func writeList(w io.Writer, table []*command) {
	wide := 0
	for _, c := range table {
		wide = max(wide, len(usageLine(c)))
	}
	for _, c := range table {
		fmt.Fprintf(w, "  %-*s  %s\n", wide, usageLine(c), c.short)
	}
}

func usageLine(c *command) string {
	if c.args == "" {
		return c.name
	}
	return c.name + " " + c.args
}

func writeHelp(w io.Writer, c *command) {
	fmt.Fprintf(w, "clew %s: %s\n\nUsage: clew %s", c.name, c.short, c.name)
	if len(c.flags) > 0 {
		fmt.Fprint(w, " [flags]")
	}
	if c.args != "" {
		fmt.Fprintf(w, " %s", c.args)
	}
	fmt.Fprintf(w, "\n\n%s\n", c.long)
	if len(c.flags) > 0 {
		fmt.Fprint(w, "\nFlags:\n")
		for _, f := range c.flags {
			fmt.Fprintf(w, "  %s\n", flagHead(f))
			for _, line := range wrap(flagText(f), helpWidth-6) {
				fmt.Fprintf(w, "      %s\n", line)
			}
		}
	}
	if len(c.examples) > 0 {
		fmt.Fprint(w, "\nExamples:\n")
		for _, e := range c.examples {
			fmt.Fprintf(w, "  # %s\n  %s\n", e.what, e.line)
		}
	}
}

func flagHead(f flagDef) string {
	if f.kind == toggle {
		return "--" + f.name
	}
	return "--" + f.name + " " + f.value
}

// flagText is the flag's help with its choices, its variable and its default.
func flagText(f flagDef) string {
	s := f.help
	if len(f.choices) > 0 {
		s += " One of " + strings.Join(f.choices, ", ") + "."
	}
	if f.env != "" {
		s += " Also taken from " + f.env + "."
	}
	if f.def != "" {
		s += " Defaults to " + f.def + "."
	}
	return s
}

// wrap breaks text at blanks so that no line is longer than width, unless one word is.
func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(s) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// writeReference renders docs/cli.md.
func writeReference(w io.Writer, table []*command) {
	fmt.Fprint(w, "<!-- Generated from the table in cmd/clew by `make generate`: edit the table. -->\n\n# The command line\n\n")
	fmt.Fprint(w, "Flags are written `-x`, `--x value` or `--x=value`, before or after the operands; `--` ends them.\n")
	fmt.Fprint(w, "Exit code 0 means done, 1 failed, 2 that the command line was wrong. Colour is used on a terminal only,\n")
	fmt.Fprint(w, "and not at all when `NO_COLOR` is set. Every command that reads takes `--json`.\n\n")
	fmt.Fprint(w, "| command | what it does |\n|---|---|\n")
	for _, c := range table {
		anchor := strings.ReplaceAll("clew "+c.name, " ", "-")
		fmt.Fprintf(w, "| [`clew %s`](#%s) | %s |\n", usageLine(c), anchor, c.short)
	}
	for _, c := range table {
		fmt.Fprintf(w, "\n## clew %s\n\n`clew %s`: %s.\n\n%s\n", c.name, usageLine(c), c.short, c.long)
		if len(c.flags) > 0 {
			fmt.Fprint(w, "\n| flag | meaning |\n|---|---|\n")
			for _, f := range c.flags {
				fmt.Fprintf(w, "| `%s` | %s |\n", flagHead(f), strings.ReplaceAll(flagText(f), "|", "\\|"))
			}
		}
		if len(c.examples) > 0 {
			fmt.Fprint(w, "\n```sh\n")
			for _, e := range c.examples {
				fmt.Fprintf(w, "# %s\n%s\n", e.what, e.line)
			}
			fmt.Fprint(w, "```\n")
		}
	}
}
