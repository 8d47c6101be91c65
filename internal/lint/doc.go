// Package lint holds the house rules that a program can check, as functions over
// a source tree. Its tests run them on this repository, and on small trees that
// break each rule, so that a rule cannot fall silent.
//
//	Arrows     which package may import which, and who may use which library
//	Packages   every package opens with a comment
//	Budgets    lines a file: median, nine in ten, most
//	Words      marks without an issue, skips without a reason, paths and hosts of a workplace
//	Stale      files that a program writes are as it writes them (deps_test.go, cmd/clew)
//
// A finding names the file, what is wrong, and what to use instead. The functions
// read an fs.FS and nothing else; they keep no state and may run concurrently.
package lint
