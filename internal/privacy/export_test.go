package privacy

// Steps gives the steps that Find takes for a value.
func (s *Scanner) Steps(key string, value []byte) int {
	k := NewKey(key)
	_, n := s.find(nil, &k, value)
	return n
}
