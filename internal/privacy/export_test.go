package privacy

// Steps gives the steps that Find takes for a value.
func (s *Scanner) Steps(key string, value []byte) int {
	_, n := s.find(nil, key, value)
	return n
}
