//go:build race

package clewgrpc

// raceDetector says that allocations cannot be counted: under the race detector pools drop what they hold by chance.
const raceDetector = true
