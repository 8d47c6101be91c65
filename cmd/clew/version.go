package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
)

// build is what this binary knows about itself.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"` // of the commit
	Modified bool   `json:"modified"`       // built from a changed work tree
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// readBuild reads the module's version and the stamps of version control.
func readBuild() build {
	b := build{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func versionCommand() *command {
	return &command{
		name:  "version",
		short: "print the version of this binary",
		long:  "Prints the version, the commit it was built from, and the Go version. It asks\nno server: the version of a server is in `clew status`.",
		flags: []flagDef{{name: "json", kind: toggle, help: "Print it as JSON."}},
		examples: []example{
			{"clew version", "what runs here"},
		},
		run: func(_ context.Context, in *invocation) error {
			b := readBuild()
			if in.on("json") {
				return json.NewEncoder(in.std.out).Encode(b)
			}
			line := "clew " + b.Version
			if b.Revision != "" {
				line += " " + b.Revision
			}
			if b.Modified {
				line += " (modified)"
			}
			_, err := fmt.Fprintf(in.std.out, "%s %s %s\n", line, b.Go, b.Platform)
			return err
		},
	}
}
