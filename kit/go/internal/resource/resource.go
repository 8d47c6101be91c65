// Package resource says who the service is: the attributes of its OpenTelemetry
// resource, from its own words, the environment, files of the container and what
// the process knows of itself. It is one pure function, so that both kits give the
// same attributes for the same inputs; kit/contract/resource.json is run by both.
package resource

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Inputs is all that the attributes depend on. Empty texts stand for what is not
// known.
type Inputs struct {
	Env  func(name string) string // a variable of the environment
	File func(path string) string // the content of a file

	Name, Version  string // of the service, in the words of the program
	Instance       string // random; for service.instance.id
	Executable     string // name of the program's file
	PID            int64
	Host           string
	Arch, OS       string // in the words of the semantic conventions
	Language       string // go or rust
	Runtime        string // name of the runtime
	RuntimeVersion string
	KitVersion     string
}

// Attr is one attribute.
type Attr struct {
	Key  string
	Text string
	Int  int64
	// IsInt says that the value is Int.
	IsInt bool
	// Env says that the environment has it, so that the program's own attributes do
	// not replace it.
	Env bool
}

// Limits of what is read.
const (
	maxAttributes = 128   // of the variable
	maxKey        = 256   // bytes of a key of the variable; a longer one is malformed
	maxValue      = 4096  // bytes of a value; a longer one is cut
	maxFile       = 65536 // bytes of a file that are looked at
)

// variable has attributes for everything.
const variable = "OTEL_RESOURCE_ATTRIBUTES"

// kubernetes is what the downward API is asked for: attribute, variable, and the
// variable that counts inside a cluster when that is not set.
var kubernetes = [...][3]string{
	{"k8s.cluster.name", "K8S_CLUSTER_NAME", ""},
	{"k8s.container.name", "K8S_CONTAINER_NAME", "CONTAINER_NAME"},
	{"k8s.deployment.name", "K8S_DEPLOYMENT_NAME", ""},
	{"k8s.namespace.name", "K8S_NAMESPACE_NAME", "POD_NAMESPACE"},
	{"k8s.node.name", "K8S_NODE_NAME", "NODE_NAME"},
	{"k8s.pod.name", "K8S_POD_NAME", "POD_NAME"},
	{"k8s.pod.uid", "K8S_POD_UID", "POD_UID"},
}

// Read returns the attributes sorted by key. OTEL_RESOURCE_ATTRIBUTES wins over
// what was found out, OTEL_SERVICE_NAME over it, and nothing over telemetry.sdk.*.
// Problem says what is wrong with the variable, "" when nothing is; one that is
// malformed counts as absent.
func Read(in Inputs) (attrs []Attr, problem string) {
	f := found{}
	executable := in.Executable
	if executable == "" {
		executable = "process"
	}
	if in.Name != "" {
		f.text("service.name", in.Name)
	} else {
		f.text("service.name", "unknown_service:"+executable)
	}
	f.text("service.version", in.Version)
	f.text("service.instance.id", in.Instance)
	f.text("process.executable.name", in.Executable)
	f.text("process.runtime.name", in.Runtime)
	f.text("process.runtime.version", in.RuntimeVersion)
	f.text("host.name", in.Host)
	f.text("host.arch", in.Arch)
	f.text("os.type", in.OS)
	f.text("container.id", containerID(in.File))
	f.kubernetes(in)
	if in.PID > 0 {
		f["process.pid"] = Attr{Key: "process.pid", Int: in.PID, IsInt: true}
	}
	fromEnv, problem := parse(in.Env(variable))
	for _, a := range fromEnv {
		f[a.Key] = a
	}
	if name := in.Env("OTEL_SERVICE_NAME"); name != "" {
		f["service.name"] = Attr{Key: "service.name", Text: cut(name, maxValue), Env: true}
	}
	for _, sdk := range [...][2]string{
		{"telemetry.sdk.name", "clew"}, {"telemetry.sdk.language", in.Language}, {"telemetry.sdk.version", in.KitVersion},
	} {
		f[sdk[0]] = Attr{Key: sdk[0], Text: sdk[1], Env: true}
	}
	for _, a := range f {
		attrs = append(attrs, a)
	}
	slices.SortFunc(attrs, func(a, b Attr) int { return strings.Compare(a.Key, b.Key) })
	return attrs, problem
}

type found map[string]Attr

// text sets a text unless it is empty.
func (f found) text(key, value string) {
	if value != "" {
		f[key] = Attr{Key: key, Text: cut(value, maxValue)}
	}
}

const space = " \t\r\n"

func (f found) kubernetes(in Inputs) {
	inside := in.Env("KUBERNETES_SERVICE_HOST") != ""
	if inside {
		f.text("k8s.namespace.name", strings.Trim(in.File("/var/run/secrets/kubernetes.io/serviceaccount/namespace"), space))
		f.text("k8s.pod.name", in.Env("HOSTNAME"))
	}
	for _, k := range kubernetes {
		if inside && k[2] != "" {
			f.text(k[0], in.Env(k[2]))
		}
		f.text(k[0], in.Env(k[1]))
	}
}

// cut shortens a text on a character's border. What is no UTF-8 becomes U+FFFD
// first: an attribute is text.
func cut(s string, most int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= most {
		return s
	}
	for !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// parse reads key=value,… with percent-encoding on both sides. A key that comes
// again replaces the value.
func parse(text string) (out []Attr, problem string) {
	for i, element := range strings.Split(text, ",") {
		if element = strings.Trim(element, space); element == "" {
			continue
		}
		wrong := func(what string) ([]Attr, string) {
			return nil, fmt.Sprintf("parse %s: element %d: %s; the variable counts as absent", variable, i+1, what)
		}
		key, value, ok := strings.Cut(element, "=")
		if !ok {
			return wrong("no =")
		}
		key, ok = decode(strings.Trim(key, space))
		value, ok2 := decode(strings.Trim(value, space))
		switch {
		case !ok || !ok2:
			return wrong("not percent-encoded UTF-8")
		case key == "" || len(key) > maxKey:
			return wrong("the key has no or over 256 bytes")
		case len(out) == maxAttributes:
			return wrong("over 128 attributes")
		}
		out = append(out, Attr{Key: key, Text: cut(value, maxValue), Env: true})
	}
	return out, ""
}

func decode(s string) (string, bool) {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		hi, lo := hexValue(s[i+1]), hexValue(s[i+2])
		if hi|lo > 15 {
			return "", false
		}
		b = append(b, hi<<4|lo)
		i += 2
	}
	return string(b), utf8.Valid(b)
}

// hexValue is the value of a hex digit of either case, 0xff of anything else.
func hexValue(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 0xff
}

// containerID finds the 64 digits that container runtimes give: anywhere in the
// control group's path, or behind containers/ in the mounts, where other digests of
// that length stand too.
func containerID(file func(string) string) string {
	if id := digest(cut(file("/proc/self/cgroup"), maxFile)); id != "" {
		return id
	}
	rest := cut(file("/proc/self/mountinfo"), maxFile)
	for {
		_, after, ok := strings.Cut(rest, "containers/")
		if !ok {
			return ""
		}
		if n := run(after); n == 64 {
			return after[:n]
		}
		rest = after
	}
}

// digest is the first run of exactly 64 lower-case hex digits.
func digest(s string) string {
	for at := 0; at < len(s); {
		n := run(s[at:])
		if n == 64 {
			return s[at : at+n]
		}
		at += n + 1
	}
	return ""
}

// run is how many lower-case hex digits s begins with.
func run(s string) int {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return i
		}
	}
	return len(s)
}
