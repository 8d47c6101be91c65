package export

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/clew-dev/clew/kit/go/internal/self"
)

const (
	minQueueBytes = 1 << 20
	maxQueueBytes = 1 << 30
)

// FromEnv sets what the environment says, by OpenTelemetry's words. A value that
// cannot be used leaves the default and gives one line, which never holds a
// header's value, since those are secrets.
func (c *Config) FromEnv(get func(name string) string) (problems []string) {
	e := environment{get: get}
	c.QueueBytes = e.number("CLEW_QUEUE_BYTES", minQueueBytes, maxQueueBytes)
	if e.get("OTEL_BSP_MAX_QUEUE_SIZE") != "" {
		e.wrong("OTEL_BSP_MAX_QUEUE_SIZE", "the queue is bounded in bytes; use CLEW_QUEUE_BYTES")
	}
	for s := range c.Signals {
		e.target(Signal(s), &c.Signals[s])
	}
	return e.problems
}

type environment struct {
	get      func(string) string
	problems []string
}

func (e *environment) wrong(name, why string) {
	line := name + ": " + why
	for _, known := range e.problems {
		if known == line {
			return
		}
	}
	e.problems = append(e.problems, line)
}

// of is a setting of one signal, else of all, with the name that it has.
func (e *environment) of(signal Signal, setting string) (name, value string) {
	name = "OTEL_EXPORTER_OTLP_" + strings.ToUpper(signal.String()) + "_" + setting
	if value = strings.TrimSpace(e.get(name)); value != "" {
		return name, value
	}
	name = "OTEL_EXPORTER_OTLP_" + setting
	return name, strings.TrimSpace(e.get(name))
}

func (e *environment) number(name string, least, most int) int {
	text := strings.TrimSpace(e.get(name))
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		e.wrong(name, fmt.Sprintf("write a whole number from %d to %d; the default holds", least, most))
		return 0
	}
	return n
}

func (e *environment) target(signal Signal, t *Target) {
	e.exporter(signal, t)
	switch name, protocol := e.of(signal, "PROTOCOL"); protocol {
	case "", "http/protobuf":
	case "grpc":
		t.GRPC = true
	default:
		e.wrong(name, "write http/protobuf or grpc; http/protobuf is spoken")
	}
	e.endpoint(signal, t)
	name, headers := e.of(signal, "HEADERS")
	t.Headers = e.headers(name, headers)
	name, _ = e.of(signal, "TIMEOUT")
	t.Timeout = time.Duration(e.number(name, 1, 60_000)) * time.Millisecond
	switch name, compression := e.of(signal, "COMPRESSION"); compression {
	case "":
	case "gzip":
		t.Compression = CompressionGzip
	case "none":
		t.Compression = CompressionNone
	default:
		e.wrong(name, "write gzip or none")
	}
	switch signal {
	case self.Traces:
		e.batch("OTEL_BSP", t)
	case self.Logs:
		e.batch("OTEL_BLRP", t)
	}
	t.TLS = e.tls(signal)
}

func (e *environment) exporter(signal Signal, t *Target) {
	name := "OTEL_" + strings.ToUpper(signal.String()) + "_EXPORTER"
	value := strings.TrimSpace(e.get(name))
	for one := range strings.SplitSeq(value, ",") {
		switch strings.TrimSpace(one) {
		case "", "otlp":
		case "none":
			t.Off = value == "none"
		default:
			e.wrong(name, "write otlp or none")
		}
	}
}

func (e *environment) batch(prefix string, t *Target) {
	t.Delay = time.Duration(e.number(prefix+"_SCHEDULE_DELAY", 10, 60_000)) * time.Millisecond
	t.BatchRecords = e.number(prefix+"_MAX_EXPORT_BATCH_SIZE", 1, 1<<20)
}

// endpoint follows the rules of OTLP's exporters: a signal's own address is taken
// as it is, the common one gets the signal's path. gRPC knows only host and port.
func (e *environment) endpoint(signal Signal, t *Target) {
	name, value := e.of(signal, "ENDPOINT")
	if value == "" {
		if t.GRPC {
			t.URL = "http://127.0.0.1:4317"
		}
		return
	}
	if !strings.Contains(value, "://") {
		scheme := "http://"
		if t.GRPC {
			insecureName, insecure := e.of(signal, "INSECURE")
			switch strings.ToLower(insecure) {
			case "true":
			case "", "false":
				scheme = "https://"
			default:
				scheme = "https://"
				e.wrong(insecureName, "write true or false")
			}
		} else {
			e.wrong(name, "it has no scheme; http:// is taken")
		}
		value = scheme + value
	}
	address, err := url.Parse(value)
	if err != nil || address.Hostname() == "" || (address.Scheme != "http" && address.Scheme != "https") {
		e.wrong(name, "write an address such as http://127.0.0.1:4318; the variable counts as absent")
		return
	}
	if !strings.Contains(name, strings.ToUpper(signal.String())) && !t.GRPC {
		address.Path = strings.TrimSuffix(address.Path, "/") + httpPath(signal)
	}
	if address.Path == "" && !t.GRPC {
		address.Path = "/"
	}
	t.URL = address.String()
}

// headers reads a list such as "api-key=abc,other=%20x".
func (e *environment) headers(name, list string) []Header {
	var all []Header
	for member := range strings.SplitSeq(list, ",") {
		member = strings.TrimSpace(member)
		if member == "" {
			continue
		}
		key, value, found := strings.Cut(member, "=")
		key = strings.TrimSpace(key)
		decoded, err := url.PathUnescape(strings.TrimSpace(value))
		if !found || err != nil || !utf8.ValidString(decoded) || !validHeader(key, decoded) {
			e.wrong(name, "write name=value,name=value with percent-encoded values")
			continue
		}
		all = append(all, Header{Name: key, Value: decoded})
	}
	return all
}

func validHeader(name, value string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	for i := range len(value) {
		if c := value[i]; (c < ' ' && c != '\t') || c == 0x7f {
			return false
		}
	}
	// These are the request's own; another value would break it.
	switch http.CanonicalHeaderKey(name) {
	case "", "Content-Length", "Transfer-Encoding", "Connection", "Content-Type", "Content-Encoding":
		return false
	}
	return true
}

// tls reads the files once, when the kit starts.
func (e *environment) tls(signal Signal) *tls.Config {
	var config tls.Config
	set := false
	if name, path := e.of(signal, "CERTIFICATE"); path != "" {
		pool, err := readRoots(path)
		if err != nil {
			e.wrong(name, err.Error())
		} else {
			config.RootCAs, set = pool, true
		}
	}
	name, path := e.of(signal, "CLIENT_CERTIFICATE")
	_, key := e.of(signal, "CLIENT_KEY")
	if path != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(path, key)
		if err != nil {
			e.wrong(name, err.Error())
		} else {
			config.Certificates, set = []tls.Certificate{pair}, true
		}
	}
	if !set {
		return nil
	}
	return &config
}

func readRoots(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("read " + path + ": there is no certificate in it")
	}
	return pool, nil
}
