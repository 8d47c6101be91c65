package clew

import "github.com/clew-dev/clew/kit/go/internal/export"

// exporter says what is sent where. The program's own endpoint counts as the variable of that purpose, when that is not set.
func (c *config) exporter() export.Config {
	x := export.Config{}
	c.refused = append(c.refused, x.FromEnv(func(name string) string {
		v := c.text(name)
		if v == "" && name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
			return c.endpoint
		}
		return v
	})...)
	return x
}
