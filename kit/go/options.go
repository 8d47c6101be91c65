package clew

import (
	"fmt"
	"io"
	"os"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/clew-dev/clew/kit/go/internal/policy"
	"github.com/clew-dev/clew/kit/go/internal/sampling"
)

// Option changes what Start starts. What the environment says wins over options, so that who runs a program can steer it without building
// it anew.
type Option func(*config)

type config struct {
	name, version string
	resource      []Attr
	own           policy.Document
	limits        limits
	output        io.Writer
	endpoint      string
	policyURL     string
	policyCache   string
	interval      time.Duration
	propagates    propagators
	provider      trace.TracerProvider
	flagsLevel    int
	export        bool
	global        bool
	disabled      bool
	leaks         string

	lookup  func(string) (string, bool)
	refused []string
	stderr  io.Writer
}

func newConfig(options []Option) *config {
	c := &config{
		limits: defaultLimits(), output: os.Stdout, propagates: propagators{context: true, baggage: true}, flagsLevel: 2,
		export: true, global: true, lookup: os.LookupEnv, stderr: os.Stderr,
	}
	for _, o := range options {
		if o != nil {
			o(c)
		}
	}
	return c
}

// refuse notes a value that is not taken. Start goes on with the default.
func (c *config) refuse(format string, args ...any) {
	c.refused = append(c.refused, fmt.Sprintf(format, args...))
}

// Service names the service and its version, which may be "". OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over it.
func Service(name, version string) Option {
	return func(c *config) { c.name, c.version = name, version }
}

// Resource adds attributes to the resource: what is the same for all telemetry of the process.
func Resource(attrs ...Attr) Option {
	return func(c *config) { c.resource = append(c.resource, attrs...) }
}

// Endpoint is the base address of the OTLP collector, http://127.0.0.1:4318 by default. OTEL_EXPORTER_OTLP_ENDPOINT wins over it.
func Endpoint(url string) Option { return func(c *config) { c.endpoint = url } }

// Sample sets the share of traces that roots keep, written exactly: "1/10", "10%", "0.1" or "1", the default. It is the last word only
// about traces that begin here; others go as their parent says.
func Sample(ratio string) Option {
	return func(c *config) {
		r, err := sampling.ParseRatio(ratio)
		if err != nil {
			c.refuse("%v; all traces are kept", err)
			return
		}
		c.own.Sampling.Threshold = policy.Some(r.Threshold())
	}
}

// Policy is a policy document (kit/contract/README.md, section 3) that is compiled into the program: levels, sampling rules, redaction,
// propagate_to. It holds until another one comes from Clew, and after that one has expired; its redactions hold always, beside those
// that options before it have named.
func Policy(document []byte) Option {
	return func(c *config) {
		d, err := policy.Parse(document)
		if err != nil {
			c.refuse("%v", err)
			return
		}
		d.Redact = append(c.own.Redact, d.Redact...)
		c.own = *d
	}
}

// Redact names attributes that are never sent; a last * matches the rest of a key. Live policies add to these rules and take none away.
func Redact(key string) Option { return redaction(key, policy.Action{Do: policy.Drop}) }

// Mask names attributes that are sent as ***, as Redact does.
func Mask(key string) Option { return redaction(key, policy.Action{Do: policy.Mask}) }

// Truncate names attributes whose texts are cut to so many bytes, at a character's border, as Redact does.
func Truncate(key string, bytes int) Option {
	return redaction(key, policy.Action{Do: policy.Truncate, Length: max(bytes, 0)})
}

func redaction(key string, action policy.Action) Option {
	return func(c *config) { c.own.Redact = append(c.own.Redact, policy.Redaction{Key: key, Action: action}) }
}

// Options makes one of several.
func Options(all ...Option) Option {
	return func(c *config) {
		for _, one := range all {
			one(c)
		}
	}
}

// PropagateTo names the hosts and subjects that may have baggage: "orders.internal" exactly, ".example.com" with all below, "orders.>" a
// tree of NATS subjects, "*" all. By default none.
func PropagateTo(targets ...string) Option {
	return func(c *config) { c.own.PropagateTo = policy.Some(targets) }
}

// PolicyURL is the base address of Clew, or of another server of policies, as in http://127.0.0.1:7700; /api/kit/policy is added to it.
// CLEW_POLICY_URL wins over it, and then CLEW_ENDPOINT. Without any of them no policy is asked for.
func PolicyURL(url string) Option { return func(c *config) { c.policyURL = url } }

// Output takes the lines of Logger, standard output by default; nil writes none.
func Output(w io.Writer) Option { return func(c *config) { c.output = w } }

// MetricInterval is the time between two collections of metrics, 15 s by default. OTEL_METRIC_EXPORT_INTERVAL wins over it.
func MetricInterval(d time.Duration) Option { return func(c *config) { c.interval = d } }

// WithoutExport records as always and sends nothing: for tests.
func WithoutExport() Option { return func(c *config) { c.export = false } }

// WithoutGlobals leaves the OpenTelemetry API's global providers and propagator alone.
func WithoutGlobals() Option { return func(c *config) { c.global = false } }

// Environment replaces the environment variables: for tests.
func Environment(lookup func(name string) (value string, set bool)) Option {
	return func(c *config) { c.lookup = lookup }
}
