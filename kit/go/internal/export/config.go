package export

import (
	"crypto/tls"
	"time"

	"github.com/clew-dev/clew/kit/go/internal/self"
)

// Config says what to send where. The zero value of each field is its default.
type Config struct {
	// Resource is the encoded message Resource, without tag and length.
	Resource []byte
	// SchemaURL is the schema of the resource's attributes.
	SchemaURL string
	// Counters gets everything that is counted. nil: counted nowhere.
	Counters *self.Counters
	Signals  [self.Signals]Target
	// QueueBytes bounds the memory of each signal's queue. Default 16 MiB.
	QueueBytes int
	// Problem is told in one line what keeps a signal from being delivered, at most
	// once a minute and signal, on the worker's goroutine. nil: nobody is told.
	Problem func(line string)
	// Note is told what may be meant so: that the collector does not take metrics or
	// logs, once until it does. nil: nobody is told.
	Note func(line string)

	// transport takes the place of the network in tests.
	transport func(Signal) sender
}

// Target is where and how one signal is sent.
type Target struct {
	// Off: records are not taken and nothing is started.
	Off bool
	// URL is the whole address of the request, path included. Default
	// http://127.0.0.1:4318/v1/traces and its like.
	URL string
	// GRPC selects unary gRPC over HTTP/2 instead of protobuf over HTTP/1.1.
	GRPC    bool
	Headers []Header
	// Timeout bounds an attempt: connecting, writing, reading. Default 5 s.
	Timeout time.Duration
	// Compression of bodies over 1 KiB.
	Compression Compression
	// TLS is used when the URL's scheme is https. nil: the system's roots.
	TLS *tls.Config
	// Delay is how long a record waits for others. Default 1 s.
	Delay time.Duration
	// Steady is how long it waits while batches follow each other, so that a busy
	// program makes a third of the requests and a quiet one shows its spans at once.
	// Default 3 s, and Delay when that is set or longer.
	Steady time.Duration
	// BatchRecords closes a batch. Default and most: 2,048.
	BatchRecords int
}

// Header is sent with every request.
type Header struct{ Name, Value string }

// Compression of request bodies.
type Compression uint8

const (
	// CompressionAuto is gzip, but none to a loopback address.
	CompressionAuto Compression = iota
	CompressionGzip
	CompressionNone
)

const (
	defaultQueueBytes   = 16 << 20
	defaultTimeout      = 5 * time.Second
	defaultDelay        = time.Second
	defaultSteady       = 3 * time.Second
	defaultBatchRecords = 2048
	// maxBatchBytes closes a batch; a record over it is too large to be sent.
	maxBatchBytes = 512 << 10
	// gzipOver is the size from which compressing pays for its header.
	gzipOver = 1 << 10
)

func (c Config) withDefaults() Config {
	if c.Counters == nil {
		c.Counters = new(self.Counters)
	}
	if c.QueueBytes <= 0 {
		c.QueueBytes = defaultQueueBytes
	}
	if c.Problem == nil {
		c.Problem = func(string) {}
	}
	if c.Note == nil {
		c.Note = func(string) {}
	}
	for s := range c.Signals {
		t := &c.Signals[s]
		if t.URL == "" {
			t.URL = "http://127.0.0.1:4318" + httpPath(Signal(s))
		}
		if t.Timeout <= 0 {
			t.Timeout = defaultTimeout
		}
		if t.Delay <= 0 {
			t.Delay = defaultDelay
			if t.Steady <= 0 && Signal(s) != self.Metrics { // metrics have an interval of their own
				t.Steady = defaultSteady
			}
		}
		t.Steady = max(t.Steady, t.Delay)
		if t.BatchRecords <= 0 || t.BatchRecords > defaultBatchRecords {
			t.BatchRecords = defaultBatchRecords
		}
	}
	return c
}

func httpPath(s Signal) string { return "/v1/" + s.String() }

func grpcPath(s Signal) string {
	switch s {
	case self.Traces:
		return "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
	case self.Metrics:
		return "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
	default:
		return "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
	}
}
