//go:build !linux

package store

func niceOfThread() int { return 0 }
