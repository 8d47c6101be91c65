//go:build race

package testkit

// Race says that the race detector watches, under which memory cannot be measured:
// it keeps a shadow of what is used, and pools drop what they hold by chance.
const Race = true
