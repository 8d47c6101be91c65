package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

func kitsCommand() *command {
	return &command{
		name:  "kits",
		short: "list the kits inside services and the policy they have applied",
		long: `Lists every process whose kit asked for its policy in the last ten minutes: what
language and version it is, which version of the policy it has applied, the
levels of its components where they differ from standard, how many records it
lost, and how many its collector does not take: Clew takes no metrics or logs.`,
		flags: append(outputFlags(), clientFlags()...),
		examples: []example{
			{"clew kits", "who is instrumented, and who is behind"},
			{"clew kits --json | jq '.instances[] | select(.current | not)'", "who has not applied the policy in force"},
		},
		run: runKits,
	}
}

// notServed is the kits' reason for what the collector does not take.
const notServed = "not_served"

// kitsAnswer is GET /api/kit/instances.
type kitsAnswer struct {
	File, Error string
	Instances   []struct {
		Service, Instance, Language, Version, Applied string
		Current                                       bool
		Levels                                        map[string]string
		Dropped                                       map[string]int64
		LastSeen                                      decimal
	}
}

func runKits(ctx context.Context, in *invocation) error {
	c, err := newClient(in)
	if err != nil {
		return err
	}
	var a kitsAnswer
	body, err := c.get(ctx, "/api/kit/instances", nil, &a)
	if err != nil {
		return err
	}
	if in.on("json") {
		return printJSON(in.std.out, body)
	}
	if a.Error != "" {
		fmt.Fprintf(in.std.err, "The charter is not in force as it stands: %s\n", clean(strings.ReplaceAll(a.Error, "\n", "; ")))
	}
	if len(a.Instances) == 0 {
		fmt.Fprintln(in.std.err, "No kit has asked for its policy; set CLEW_ENDPOINT to this server in the services.")
		return nil
	}
	s := newScreen(in)
	t := newTable("SERVICE", "INSTANCE", "KIT", "POLICY", "LEVELS", ">LOST", ">NOT TAKEN", "LAST SEEN")
	for _, i := range a.Instances {
		applied := cmpOr(clean(i.Applied), "none")
		if !i.Current {
			applied += " (behind)"
		}
		// What the collector does not take at all, as Clew metrics and logs, is no loss on the way.
		var lost int64
		for reason, n := range i.Dropped {
			if reason != notServed {
				lost += n
			}
		}
		row := t.add(clean(i.Service), clean(i.Instance), clean(i.Language+" "+i.Version), applied, levelsOf(i.Levels),
			strconv.FormatInt(lost, 10), strconv.FormatInt(i.Dropped[notServed], 10), formatTime(int64(i.LastSeen)))
		if !i.Current {
			row.style[3] = styleError
		}
		if lost > 0 {
			row.style[5] = styleError
		}
	}
	return t.write(s)
}

// levelsOf names the components that are not at the usual level.
func levelsOf(levels map[string]string) string {
	var out []string
	for _, component := range slices.Sorted(maps.Keys(levels)) {
		if level := levels[component]; level != "standard" {
			out = append(out, clean(component+"="+level))
		}
	}
	return cmpOr(strings.Join(out, " "), "standard")
}
