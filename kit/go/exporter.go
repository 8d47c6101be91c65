package clew

import (
	"strings"

	"github.com/clew-dev/clew/kit/go/internal/export"
	"github.com/clew-dev/clew/kit/go/internal/self"
)

// exporter says what is sent where.
func (c *config) exporter() export.Config {
	x := export.Config{}
	if base := strings.TrimRight(c.endpoint, "/"); base != "" {
		for s := range x.Signals {
			x.Signals[s].URL = base + "/v1/" + self.Signal(s).String()
		}
	}
	return x
}
