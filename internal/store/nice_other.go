//go:build !linux

package store

// niceness is that of the whole process where threads have none of their own.
const niceness = 0

// withNice runs f: priorities of single threads are Linux's.
func withNice(f func()) { f() }
