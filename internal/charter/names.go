package charter

import "slices"

// AllNames gives every name that an attribute has and had, the one to use first and
// the others in alphabetical order. It may be asked with any of them.
func (c *Charter) AllNames(key string) []string {
	to, _ := c.Canonical(key)
	out := []string{to}
	for old, now := range c.words.canonical {
		if now == to {
			out = append(out, old)
		}
	}
	slices.Sort(out[1:])
	return out
}
