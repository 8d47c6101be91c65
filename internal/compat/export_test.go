package compat

import "net/url"

// OldSearch turns the parameter tags into TraceQL.
func OldSearch(tags string) (string, error) {
	return oldSearch(ask{form: url.Values{"tags": {tags}}})
}

// Usable gives the query that is made of what an editor sends, or nothing.
func Usable(q string) string {
	if p := usable(q); p != nil {
		return p.Text
	}
	return ""
}
