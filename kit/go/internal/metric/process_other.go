//go:build !linux

package metric

func readProcess() process { return noProcess() }
