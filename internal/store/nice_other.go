//go:build !linux

package store

// withNice runs f: priorities of single threads are Linux's.
func withNice(f func()) { f() }
