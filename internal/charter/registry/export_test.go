package registry

// ParseTable reads the built-in table as the first call of Builtin does.
func ParseTable() *Registry {
	r, err := parseTable(semconv)
	if err != nil {
		panic(err)
	}
	return r
}
