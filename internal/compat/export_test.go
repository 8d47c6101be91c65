package compat

import (
	"net/http/httptest"
	"net/url"
)

// OldSearch turns the parameter tags into TraceQL.
func OldSearch(tags string) (string, error) {
	return oldSearch(httptest.NewRequest("GET", "/?tags="+url.QueryEscape(tags), nil))
}
