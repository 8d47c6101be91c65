package clew

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/clew-dev/clew/kit/go/internal/policy"
	"github.com/clew-dev/clew/kit/go/internal/self"
)

// policyPath is where Clew has the policies of services.
const policyPath = "/api/kit/policy"

// pollPauses are the waits before the poller starts anew after a panic, which is a defect of the kit's own; from the third on the last holds.
var pollPauses = [...]time.Duration{100 * time.Millisecond, time.Second, time.Minute}

// poll asks for policies on a goroutine of its own, if there is somebody to ask.
func (k *Kit) poll(ctx context.Context, c *config) {
	if c.policyURL == "" {
		return
	}
	base := strings.TrimSuffix(strings.TrimRight(c.policyURL, "/"), policyPath)
	if !strings.Contains(base, "://") {
		k.refused("CLEW_POLICY_URL, or else CLEW_ENDPOINT: it has no scheme; http:// is taken")
		base = "http://" + base
	}
	if u, err := url.Parse(base); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		k.refused("CLEW_POLICY_URL, or else CLEW_ENDPOINT: write an address such as http://127.0.0.1:7700; no policy is asked for")
		return
	}
	transport := policyTransport()
	p := &policy.Poller{
		Holder: k.policy, URL: policy.RequestURL(base+policyPath, k.service), Status: k.report, Cache: c.policyCache,
		Do: policy.Fetch(transport, c.policyHeaders()), Now: time.Now, Sleep: policy.Sleep, Random: rand.Float64,
	}
	ctx, k.cancel = context.WithCancel(ctx)
	k.polled = make(chan struct{})
	go func() {
		defer close(k.polled)
		defer transport.CloseIdleConnections()
		for panics := 0; ctx.Err() == nil; panics++ {
			k.pollOnce(ctx, p)
			policy.Sleep(ctx, pollPauses[min(panics, len(pollPauses)-1)])
		}
	}()
}

// policyTransport has what the program has set up in http.DefaultTransport, such as its authorities, unless it is one of another kind there,
// which may make telemetry.
func policyTransport() *http.Transport {
	t, ok := http.DefaultTransport.(*http.Transport)
	if ok {
		t = t.Clone()
	} else {
		t = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	}
	// One connection is enough.
	t.MaxConnsPerHost, t.MaxResponseHeaderBytes = 1, 64<<10
	return t
}

// pollOnce runs the poller until ctx ends, or until it panics.
func (k *Kit) pollOnce(ctx context.Context, p *policy.Poller) {
	defer func() {
		if recover() != nil {
			k.problems.add("asking for policies panicked; it starts anew after a pause")
		}
	}()
	p.Run(ctx)
}

// policyHeaders are those of every request, from CLEW_POLICY_HEADERS, written like OTEL_EXPORTER_OTLP_HEADERS: name=value,name=value with
// percent-encoded values.
func (c *config) policyHeaders() http.Header {
	h := http.Header{}
	for _, member := range list(c.text("CLEW_POLICY_HEADERS")) {
		name, value, found := strings.Cut(member, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); !found || err != nil || name == "" || strings.ContainsAny(name+value, "\r\n") {
			continue
		}
		h.Set(name, value)
	}
	return h
}

// report is what the kit says of itself with each question. It is asked right before one, and so after the last answer took effect.
func (k *Kit) report() policy.Status {
	k.levelsChanged()
	snapshot := k.policy.Load()
	s := policy.Status{Language: "go", Version: Version, Service: k.service, Instance: k.instance, Applied: snapshot.Version()}
	for c := range s.Levels {
		s.Levels[c] = snapshot.Level(policy.Component(c))
	}
	for r := range self.Reasons {
		var n int64
		for i := range k.counters.Signal {
			n += k.counters.Signal[i].Dropped[r].Load()
		}
		if n > 0 {
			s.Dropped = append(s.Dropped, policy.Dropped{Reason: r.String(), Count: uint64(n)})
		}
	}
	return s
}
