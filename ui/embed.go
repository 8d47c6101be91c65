// Package ui carries the built web page inside the Go binary.
//
// The page is built by Node into dist/, which git ignores; a checkout without
// Node still compiles, and then serves one plain page that says how to build the
// real one. Files keep the names that the build gave them: index.html, theme.js and
// favicon.svg at the top, everything else under assets/ with a hash in its name, and
// beside each compressible file the same bytes as .br and .gz.
//
//	ui/src ──npm run build──► ui/dist ──go:embed──► FS()
//
// The package holds immutable data only; any number of goroutines may read it.
package ui

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

//go:embed unbuilt
var unbuilt embed.FS

// Built reports whether the binary was compiled with the built page.
func Built() bool {
	_, err := fs.Stat(dist, "dist/index.html")
	return err == nil
}

// FS is the root of the page's files: the built page, or, when Built is false, a
// folder whose index.html explains how to build it.
func FS() fs.FS {
	if Built() {
		return sub(dist, "dist")
	}
	return sub(unbuilt, "unbuilt")
}

// sub panics only on a folder name that fs.Sub rejects, which a constant cannot be.
func sub(f embed.FS, dir string) fs.FS {
	s, err := fs.Sub(f, dir)
	if err != nil {
		panic(err)
	}
	return s
}
