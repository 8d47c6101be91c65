package sanitise

// Statement is what is said about a statement without its literals.
type Statement struct {
	Text       string // literals are ?, comments are gone, at most 4,096 bytes
	Summary    string // SELECT orders
	Operation  string // the first one: SELECT
	Collection string // the table, when there is exactly one
}
