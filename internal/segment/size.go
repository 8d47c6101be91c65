package segment

// ColumnBytes is what a column takes in the file of its table, as stored.
func (m *Meta) ColumnBytes(table byte, column string) int64 {
	info := m.File(fileNames[table])
	if info == nil {
		return 0
	}
	var n int64
	specs := tableSpecs(m.Columns, table)
	for i, c := range info.Chunks {
		if specs[i%len(specs)].name == column {
			n += c.Bytes
		}
	}
	return n
}
