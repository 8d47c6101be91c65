package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/clew-dev/clew/internal/health"
)

func versionCommand() *command {
	return &command{
		name:     "version",
		short:    "print the version of this binary",
		long:     "Prints the version, the commit it was built from, and the Go version. It asks\nno server: the version of a server is in `clew status`.",
		flags:    []flagDef{{name: "json", kind: toggle, help: "Print it as JSON."}},
		examples: []example{{"clew version", "what runs here"}},
		run: func(_ context.Context, in *invocation) error {
			b, platform := health.ReadBuild(), runtime.GOOS+"/"+runtime.GOARCH
			if in.on("json") {
				return json.NewEncoder(in.std.out).Encode(map[string]string{"version": b.Version, "revision": b.Revision, "go": b.Go, "platform": platform})
			}
			line := "clew " + b.Version
			if b.Revision != "" {
				line += " " + b.Revision
			}
			_, err := fmt.Fprintf(in.std.out, "%s %s %s\n", line, b.Go, platform)
			return err
		},
	}
}
