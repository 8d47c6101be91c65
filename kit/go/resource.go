package clew

import (
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/clew-dev/clew/kit/go/internal/resource"
	"github.com/clew-dev/clew/kit/go/internal/wire"
)

const (
	// maxResourceFile bounds what is read of a file that says where the process runs.
	maxResourceFile = 64 << 10
	// maxResource bounds the attributes that the program adds to the resource.
	maxResource = 128
	// resourceAttributes is the field of the message Resource.
	resourceAttributes = 1
)

// describe finds out who the service is, and returns the encoded message Resource.
func (k *Kit) describe(c *config) []byte {
	k.instance = randomUUID()
	executable := ""
	if path, err := os.Executable(); err == nil {
		executable = filepath.Base(path)
	}
	host, _ := os.Hostname() // "" is left out.
	attrs, problem := resource.Read(resource.Inputs{
		Env: c.text, File: readStart, Name: c.name, Version: c.version, Instance: k.instance, Executable: executable,
		PID: int64(os.Getpid()), Host: host, Arch: architecture(), OS: runtime.GOOS, Language: "go", Runtime: "go",
		RuntimeVersion: runtime.Version(), KitVersion: Version,
	})
	if problem != "" {
		c.refused = append(c.refused, problem)
	}
	if len(c.resource) > maxResource {
		c.refuse("resource: there are %d attributes of the program; the first %d are kept", len(c.resource), maxResource)
		c.resource = c.resource[:maxResource]
	}
	var b []byte
	taken := map[string]bool{}
	for _, a := range attrs {
		own := ownAttr(c.resource, a.Key)
		switch {
		case a.Env || own == nil:
			if a.IsInt {
				b = wire.AppendIntAttr(b, resourceAttributes, a.Key, a.Int)
			} else {
				b = wire.AppendStringAttr(b, resourceAttributes, a.Key, wire.Text(a.Text, c.limits.value))
			}
			switch a.Key {
			case "service.name":
				k.service = a.Text
			case "service.instance.id":
				k.instance = a.Text
			}
			taken[a.Key] = true
		case a.Key == "service.name":
			k.service = own.text()
		case a.Key == "service.instance.id":
			k.instance = own.text()
		}
	}
	if strings.HasPrefix(k.service, "unknown_service:") {
		k.problems.add(fmt.Sprintf("the service has no name and goes by %s: name it with Service, or set OTEL_SERVICE_NAME", k.service))
	}
	for i := range c.resource {
		key := wire.Text(c.resource[i].key, maxKey)
		if key == "" || taken[key] {
			continue
		}
		taken[key] = true
		b, _ = ownAttr(c.resource, c.resource[i].key).append(b, resourceAttributes, key, c.limits.value)
	}
	return b
}

// ownAttr is the last attribute with this key, nil when there is none.
func ownAttr(attrs []Attr, key string) *Attr {
	for i := len(attrs) - 1; i >= 0; i-- {
		if attrs[i].key == key && attrs[i].kind() != noKind {
			return &attrs[i]
		}
	}
	return nil
}

// readStart reads the start of a file, "" when it cannot be read.
func readStart(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxResourceFile))
	if err != nil {
		return ""
	}
	return string(b)
}

// architecture is GOARCH in the words of the semantic conventions.
func architecture() string {
	switch runtime.GOARCH {
	case "386":
		return "x86"
	case "arm":
		return "arm32"
	case "ppc64le":
		return "ppc64"
	}
	return runtime.GOARCH
}

// randomUUID is a UUID of version 4, as service.instance.id should be.
func randomUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // It never fails.
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
