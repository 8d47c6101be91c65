package segment

import "github.com/clew-dev/clew/internal/telemetry"

// Table gives all rows of resources (TableResources) or scopes (TableScopes), in
// which a row's number is the id that spans refer to. Nobody may change it.
func (s *Segment) Table(letter byte) (*telemetry.Table, error) {
	key := cacheKey{serial: s.serial, kind: cacheRows, table: letter, group: -1}
	if t, ok := s.cache.get(key).(*telemetry.Table); ok {
		return t, nil
	}
	info := s.meta.File(fileNames[letter])
	if info == nil {
		return &telemetry.Table{}, nil
	}
	rows := make([]uint32, info.Rows)
	for i := range rows {
		rows[i] = uint32(i)
	}
	t := &telemetry.Table{}
	if err := s.rowTable(letter, rows, t); err != nil {
		return nil, err
	}
	size := int64(t.N) * 8
	for _, c := range t.Cols {
		size += int64(len(c.Rows))*12 + c.Dict.Bytes() + 100
	}
	s.cache.put(key, t, size)
	return t, nil
}
