package clew

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"

	"github.com/clew-dev/clew/kit/go/internal/wire"
)

// describe finds out who the service is, and returns the encoded message Resource.
func (k *Kit) describe(c *config) []byte {
	k.service = c.text("OTEL_SERVICE_NAME")
	if k.service == "" {
		k.service = c.name
	}
	if k.service == "" {
		k.service = "unknown_service:" + filepath.Base(os.Args[0])
	}
	var id [16]byte
	_, _ = rand.Read(id[:])
	k.instance = hex.EncodeToString(id[:])
	b := wire.AppendStringAttr(nil, 1, "service.name", k.service)
	b = wire.AppendStringAttr(b, 1, "service.version", c.version)
	b = wire.AppendStringAttr(b, 1, "service.instance.id", k.instance)
	b = wire.AppendStringAttr(b, 1, "process.runtime.version", runtime.Version())
	return b
}
