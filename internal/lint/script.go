package lint

import "regexp"

var scriptImport = regexp.MustCompile(`(?m)(?:^\s*(?:import|export)\b[^;'"]*?\bfrom\s*|^\s*import\s*|\bimport\s*\(\s*)['"]([^'"]+)['"]`)

// importsOfScript gives what a TypeScript file imports, exports again or loads later.
func importsOfScript(content []byte) []string {
	var out []string
	for _, m := range scriptImport.FindAllSubmatch(content, -1) {
		out = append(out, string(m[1]))
	}
	return out
}
