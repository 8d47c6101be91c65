// Command gen writes semconv.txt, the table of the OpenTelemetry semantic
// conventions that internal/charter/registry carries. It does not fetch anything:
//
//	npm pack @opentelemetry/semantic-conventions && tar xf opentelemetry-semantic-conventions-*.tgz
//	SEMCONV=package go generate
//
// Names, briefs, members and deprecations are those of the npm package; types and
// stability those of the newest Go package go.opentelemetry.io/otel/semconv/v… that
// has the name, from the module that go.mod requires; names that were renamed
// before deprecations were kept stand in former.txt. Run again it writes the same.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

func main() {
	npm := flag.String("npm", "", "the folder of the unpacked package @opentelemetry/semantic-conventions")
	to := flag.String("o", "semconv.txt", "the table to write")
	flag.Parse()
	if err := run(*npm, *to); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(npm, to string) error {
	if npm == "" {
		return errors.New("-npm is missing: unpack `npm pack @opentelemetry/semantic-conventions` and name its folder; without it the table stays as it is")
	}
	folder, version, err := module()
	if err != nil {
		return err
	}
	g, err := readGo(filepath.Join(folder, "semconv"))
	if err != nil {
		return err
	}
	n, err := readNPM(npm)
	if err != nil {
		return err
	}
	former, err := os.ReadFile("gen/former.txt")
	if err != nil {
		return err
	}
	t, err := combine(g, n, string(former))
	if err != nil {
		return err
	}
	t.sources = fmt.Sprintf("go.opentelemetry.io/otel %s (semconv %s and older)", version, g.versions[0])
	return os.WriteFile(to, []byte(t.text()), 0o644)
}

// module finds the Go module in the cache, at the version that go.mod requires.
func module() (folder, version string, err error) {
	out, err := exec.Command("go", "list", "-m", "-json", "go.opentelemetry.io/otel").Output()
	if err != nil {
		return "", "", fmt.Errorf("list the module go.opentelemetry.io/otel: %w", err)
	}
	var m struct{ Dir, Version string }
	if err := json.Unmarshal(out, &m); err != nil {
		return "", "", err
	}
	if m.Dir == "" {
		return "", "", errors.New("the module go.opentelemetry.io/otel is not in the cache: run go mod download")
	}
	return m.Dir, m.Version, nil
}
