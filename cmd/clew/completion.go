package main

import (
	"context"
	"fmt"
	"io"
	"strings"
)

func completionCommand() *command {
	return &command{
		name: "completion", args: "SHELL", minArgs: 1, maxArgs: 1,
		short: "print the completion script of a shell",
		long:  "Prints a script that completes the names of commands, verbs, flags and the\nvalues of flags that have a closed list. SHELL is bash or zsh.",
		examples: []example{
			{"source <(clew completion bash)", "complete in this bash"},
			{`clew completion zsh > "${fpath[1]}/_clew"`, "complete in every zsh from now on"},
		},
		run: runCompletion,
	}
}

func runCompletion(_ context.Context, in *invocation) error {
	switch in.args[0] {
	case "bash":
		writeBashCompletion(in.std.out, commands())
	case "zsh":
		writeZshCompletion(in.std.out, commands())
	default:
		return in.usage("%q is none of bash, zsh", in.args[0])
	}
	return nil
}

// firstWords gives the distinct first words of the commands, and the verbs of each group.
func firstWords(table []*command) (words []string, verbs map[string][]string) {
	verbs = map[string][]string{}
	for _, c := range table {
		first, verb, isGroup := strings.Cut(c.name, " ")
		if len(verbs[first]) == 0 {
			words = append(words, first)
		}
		if isGroup {
			verbs[first] = append(verbs[first], verb)
		}
	}
	return words, verbs
}

func writeBashCompletion(w io.Writer, table []*command) {
	words, verbs := firstWords(table)
	fmt.Fprint(w, "# bash completion of clew, printed by `clew completion bash`.\n_clew() {\n")
	fmt.Fprint(w, "  local cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\" cmd=\"${COMP_WORDS[1]}\"\n  COMPREPLY=()\n")
	fmt.Fprintf(w, "  if [ \"$COMP_CWORD\" -eq 1 ]; then COMPREPLY=($(compgen -W %q -- \"$cur\")); return; fi\n", strings.Join(words, " "))
	fmt.Fprint(w, "  case \"$cmd\" in\n")
	for _, word := range words {
		if len(verbs[word]) > 0 {
			fmt.Fprintf(w, "    %s)\n      if [ \"$COMP_CWORD\" -eq 2 ]; then COMPREPLY=($(compgen -W %q -- \"$cur\")); return; fi\n      cmd=\"%s ${COMP_WORDS[2]}\" ;;\n",
				word, strings.Join(verbs[word], " "), word)
		}
	}
	fmt.Fprint(w, "  esac\n  case \"$cmd:$prev\" in\n")
	for _, c := range table {
		for _, f := range c.flags {
			if len(f.choices) > 0 {
				fmt.Fprintf(w, "    %q) COMPREPLY=($(compgen -W %q -- \"$cur\")); return ;;\n", c.name+":--"+f.name, strings.Join(f.choices, " "))
			}
			if isFile(f) {
				fmt.Fprintf(w, "    %q) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n", c.name+":--"+f.name)
			}
		}
	}
	fmt.Fprint(w, "  esac\n  case \"$cmd\" in\n")
	for _, c := range table {
		var names []string
		for _, f := range c.flags {
			names = append(names, "--"+f.name)
		}
		if c.name == "completion" {
			names = append(names, "bash", "zsh")
		}
		fmt.Fprintf(w, "    %q) COMPREPLY=($(compgen -W %q -- \"$cur\")) ;;\n", c.name, strings.Join(append(names, "--help"), " "))
	}
	fmt.Fprint(w, "  esac\n}\ncomplete -o default -F _clew clew\n")
}

func isFile(f flagDef) bool { return f.value == "FILE" || f.value == "FOLDER" }

func writeZshCompletion(w io.Writer, table []*command) {
	words, verbs := firstWords(table)
	fmt.Fprint(w, "#compdef clew\n# zsh completion of clew, printed by `clew completion zsh`.\n_clew() {\n  local cmd=\"${words[2]}\"\n")
	fmt.Fprint(w, "  if (( CURRENT == 2 )); then\n    local -a commands=(\n")
	for _, word := range words {
		short := "verbs: " + strings.Join(verbs[word], ", ")
		for _, c := range table {
			if c.name == word {
				short = c.short
			}
		}
		fmt.Fprintf(w, "      %s\n", zshQuote(word+":"+short))
	}
	fmt.Fprint(w, "    )\n    _describe command commands\n    return\n  fi\n  local skip=2\n")
	for _, word := range words {
		if len(verbs[word]) > 0 {
			fmt.Fprintf(w, "  if [[ $cmd == %s ]]; then\n    if (( CURRENT == 3 )); then compadd %s; return; fi\n    cmd=\"%s ${words[3]}\"; skip=3\n  fi\n",
				word, strings.Join(verbs[word], " "), word)
		}
	}
	fmt.Fprint(w, "  shift $(( skip - 1 )) words; (( CURRENT -= skip - 1 ))\n  case \"$cmd\" in\n")
	for _, c := range table {
		fmt.Fprintf(w, "    %s)\n      _arguments \\\n", zshQuote(c.name))
		for _, f := range c.flags {
			fmt.Fprintf(w, "        %s \\\n", zshQuote(zshSpec(f)))
		}
		operand := "*::"
		if c.name == "completion" {
			operand = "1:shell:(bash zsh)"
		}
		fmt.Fprintf(w, "        %s ;;\n", zshQuote(operand))
	}
	fmt.Fprint(w, "  esac\n}\n_clew \"$@\"\n")
}

func zshSpec(f flagDef) string {
	first, _, _ := strings.Cut(f.help, ".")
	spec := "--" + f.name
	note := "[" + strings.NewReplacer("[", "(", "]", ")", ":", ",").Replace(first) + "]"
	switch {
	case f.kind == toggle:
		return spec + note
	case len(f.choices) > 0:
		return spec + "=" + note + ":" + f.value + ":(" + strings.Join(f.choices, " ") + ")"
	case isFile(f):
		return spec + "=" + note + ":" + f.value + ":_files"
	}
	return spec + "=" + note + ":" + f.value + ":"
}

func zshQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
