package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// invocation is a command line that has been read and checked: every value has
// the kind that its flag asks for.
type invocation struct {
	cmd    *command
	args   []string
	values map[string]string
	given  map[string]bool // flags set on the command line or by their variable
	help   bool
	std    stdio
	env    func(string) string
}

// parse reads flags and operands in any order. A flag is -x, --x or --x=value;
// a bare -- ends the flags, so that an operand may start with a dash.
func parse(cmd *command, args []string, env func(string) string) (*invocation, error) {
	in := &invocation{cmd: cmd, values: map[string]string{}, given: map[string]bool{}}
	for _, f := range cmd.flags {
		in.values[f.name] = f.def
		if f.env != "" {
			if v := env(f.env); v != "" {
				if err := f.check(v); err != nil {
					return nil, in.usage("%s: %s", f.env, err)
				}
				in.values[f.name] = v
				in.given[f.name] = true
			}
		}
	}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			in.args = append(in.args, args[i+1:]...)
			i = len(args)
		case isHelp(arg):
			in.help = true
			return in, nil
		case len(arg) > 1 && arg[0] == '-':
			used, err := in.flag(args[i:])
			if err != nil {
				return nil, err
			}
			i += used - 1
		default:
			in.args = append(in.args, arg)
		}
	}
	if len(in.args) < cmd.minArgs {
		return nil, in.usage("%s is missing", strings.Trim(cmd.args, "[]"))
	}
	if len(in.args) > cmd.maxArgs {
		extra := in.args[cmd.maxArgs]
		hint := ""
		if cmd.args == "QUERY" || cmd.args == "[QUERY]" {
			hint = "; put the query in single quotes"
		}
		return nil, in.usage("unexpected %q%s", extra, hint)
	}
	return in, nil
}

// flag reads the flag that args start with and says how many arguments it took.
func (in *invocation) flag(args []string) (int, error) {
	name, value, hasValue := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(args[0], "-"), "-"), "=")
	at := slices.IndexFunc(in.cmd.flags, func(f flagDef) bool { return f.name == name })
	if at < 0 {
		var names []string
		for _, f := range in.cmd.flags {
			names = append(names, "--"+f.name)
		}
		return 0, in.usage("unknown flag --%s%s", name, didYouMean("--"+name, names))
	}
	f, used := &in.cmd.flags[at], 1
	if !hasValue {
		switch {
		case f.kind == toggle:
			value = "true"
		case len(args) > 1:
			value, used = args[1], 2
		default:
			return 0, in.usage("--%s needs a value: --%s %s", name, name, f.value)
		}
	}
	if err := f.check(value); err != nil {
		return 0, in.usage("--%s: %s", name, err)
	}
	in.values[name] = value
	in.given[name] = true
	return used, nil
}

func (f *flagDef) check(value string) error {
	var err error
	switch f.kind {
	case toggle:
		if _, wrong := strconv.ParseBool(value); wrong != nil {
			err = fmt.Errorf("%q is neither true nor false", value)
		}
	case count:
		if n, wrong := strconv.Atoi(value); wrong != nil || n < 0 {
			err = fmt.Errorf("%q is not a whole number; write for example %s", value, cmpOr(f.def, "20"))
		}
	case duration:
		_, err = parseDuration(value)
	case size:
		_, err = parseBytes(value)
	case choice:
		if !slices.Contains(f.choices, value) {
			err = fmt.Errorf("%q is none of %s", value, strings.Join(f.choices, ", "))
		}
	}
	return err
}

func cmpOr(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// usage builds the error of a wrong command line for this command, whose name run
// puts before it as before any other.
func (in *invocation) usage(format string, args ...any) error {
	return &usageError{msg: fmt.Sprintf(format, args...), try: "clew " + in.cmd.name + " -h"}
}

func (in *invocation) str(name string) string { return in.values[name] }

func (in *invocation) on(name string) bool {
	v, _ := strconv.ParseBool(in.values[name])
	return v
}

func (in *invocation) count(name string) int {
	n, _ := strconv.Atoi(in.values[name])
	return n
}

func (in *invocation) duration(name string) time.Duration {
	d, _ := parseDuration(in.values[name])
	return d
}

func (in *invocation) bytes(name string) int64 {
	n, _ := parseBytes(in.values[name])
	return n
}

// parseDuration reads what time.ParseDuration does, and whole or broken days as in "7d".
func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseFloat(days, 64); err == nil && n > 0 && n < 100_000 {
			return time.Duration(n * 24 * float64(time.Hour)), nil
		}
	} else if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return d, nil
	}
	return 0, fmt.Errorf("%q is not a duration; write for example 15m, 1h or 7d", s)
}

var byteUnits = []struct {
	suffix string
	bytes  float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// parseBytes reads a size such as 450MiB, 2GB or 1048576. Binary and decimal
// units keep their own meaning.
func parseBytes(s string) (int64, error) {
	number, unit := s, 1.0
	for _, u := range byteUnits {
		if n, ok := strings.CutSuffix(s, u.suffix); ok {
			number, unit = n, u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || math.IsNaN(n) || n <= 0 || n*unit >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is not a size; write for example 450MiB or 2GiB", s)
	}
	return int64(n * unit), nil
}
