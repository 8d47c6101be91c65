//go:build !race

package clewgrpc

// raceDetector says whether allocations cannot be counted.
const raceDetector = false
