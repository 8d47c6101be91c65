package telemetry

// ServiceNames gives the service.name of each resource of the batch, "" where a
// resource has none.
func ServiceNames(b *Batch) []string {
	names := make([]string, b.Resources.N)
	if c := b.Resources.Find(ScopeResource, KeyServiceName, TypeString); c != nil {
		for i, row := range c.Rows {
			names[row] = c.Dict.Str(c.Codes[i])
		}
	}
	return names
}
