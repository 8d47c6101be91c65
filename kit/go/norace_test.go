//go:build !race

package clew_test

// raceDetector says whether allocations cannot be counted.
const raceDetector = false
