package segment_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// fleet makes traces of 23 spans from 14 services with the attributes of web,
// RPC and database spans, cut into runs as they lie in memory before a flush.
func fleet(traces, runs int) []*telemetry.Batch {
	r := rand.New(rand.NewPCG(11, 12))
	builders := make([]*telemetry.Builder, runs)
	for i := range builders {
		builders[i] = telemetry.NewBuilder()
		builders[i].Reset("default")
	}
	requests := make([]*telemetry.Builder, 42) // one of each instance
	start := int64(1_790_000_000_000_000_000)
	seq := start
	flush := func(i, run int) {
		seq += 1_000_003
		builders[run].Append(&requests[i].Batch, seq, nil)
		requests[i].Reset("default")
	}
	for i := range requests {
		requests[i] = telemetry.NewBuilder()
		requests[i].Reset("default")
	}
	for n := range traces {
		var trace telemetry.TraceID
		binary.BigEndian.PutUint64(trace[:], r.Uint64())
		binary.BigEndian.PutUint64(trace[8:], r.Uint64())
		start += 2_000_000
		var ids [23]telemetry.SpanID
		at := start
		for k := range ids {
			i := (k*5%14)*3 + n%3
			b := requests[i]
			if b.Batch.Spans.N == 0 {
				instance(b, i)
			}
			binary.BigEndian.PutUint64(ids[k][:], r.Uint64())
			v := telemetry.Span{TraceID: trace, SpanID: ids[k], Start: at, Duration: int64(math.Exp(r.NormFloat64()*1.2 + 15)), Kind: uint8(1 + k%3), Flags: 0x101}
			if k > 0 {
				v.Parent = ids[r.IntN(k)]
			}
			at += r.Int64N(3_000_000)
			row := b.AddSpan(v, fmt.Appendf(nil, "operation.v1.%d/Method", k%20))
			fleetAttributes(r, b, row, k)
			if b.Batch.Spans.N == 512 {
				flush(i, n*runs/traces)
			}
		}
	}
	for i := range requests {
		flush(i, runs-1)
	}
	out := make([]*telemetry.Batch, runs)
	for i, b := range builders {
		out[i] = &b.Batch
	}
	return out
}

func instance(b *telemetry.Builder, i int) {
	row := b.Resources.AddRow()
	for k, v := range []string{telemetry.KeyServiceName, "service.instance.id", "host.name", "k8s.pod.name", "cloud.region"} {
		b.Resources.Col(telemetry.ScopeResource, []byte(v), telemetry.TypeString).AddText(row, fmt.Appendf(nil, "value-%d-%d", i/3, i*k))
	}
	b.Scopes.AddRow()
}

func fleetAttributes(r *rand.Rand, b *telemetry.Builder, row uint32, k int) {
	text := func(key string, format string, v ...any) {
		b.Spans.Col(telemetry.ScopeSpan, []byte(key), telemetry.TypeString).AddText(row, fmt.Appendf(nil, format, v...))
	}
	num := func(key string, v int) {
		b.Spans.Col(telemetry.ScopeSpan, []byte(key), telemetry.TypeInt).AddNum(row, uint64(v))
	}
	switch k % 4 {
	case 0:
		text("http.request.method", "GET")
		text("http.route", "/route/%d", k)
		text("url.path", "/route/%d/%d", k, r.IntN(20_000))
		text("client.address", "10.%d.%d.%d", r.IntN(4), r.IntN(256), r.IntN(256))
		text("user_agent.original", "agent number %d of some length", r.IntN(6))
		num("http.response.status_code", 200)
		num("http.response.body.size", r.IntN(40_000))
	case 1, 2:
		text("rpc.system", "grpc")
		text("rpc.service", "operation.v1.%d", k)
		text("rpc.method", "Method")
		text("server.address", "svc-%d.prod.svc.cluster.local", k)
		text("network.peer.address", "10.12.%d.%d", r.IntN(4), r.IntN(60))
		num("rpc.grpc.status_code", 0)
		num("server.port", 50051)
	default:
		text("db.system.name", "postgresql")
		text("db.namespace", "catalog")
		text("db.collection.name", "products")
		text("db.query.text", "SELECT id, name, price FROM products WHERE category_id = %d ORDER BY rank LIMIT 40", r.IntN(500_000))
		num("db.response.returned_rows", r.IntN(40))
	}
}

func report(b *testing.B, rows int, bytes int64) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/span")
	b.ReportMetric(float64(bytes)/float64(rows), "bytes/span")
}

func BenchmarkWrite(b *testing.B) {
	batches := fleet(12_000, 5)
	var m *segment.Meta
	for i := 0; b.Loop(); i++ {
		var err error
		if m, _, err = segment.Write(wal.OS, filepath.Join(b.TempDir(), fmt.Sprint(i)), batches, segment.Options{}); err != nil {
			b.Fatal(err)
		}
	}
	report(b, m.Rows, m.Bytes)
}

func BenchmarkMerge(b *testing.B) {
	dir := b.TempDir()
	var segs []*segment.Segment
	for i, batch := range fleet(24_000, 8) {
		s, _ := write(b, filepath.Join(dir, "source", fmt.Sprint(i)), []*telemetry.Batch{batch})
		segs = append(segs, s)
	}
	var m *segment.Meta
	for i := 0; b.Loop(); i++ {
		var err error
		if m, _, err = segment.Merge(wal.OS, filepath.Join(dir, fmt.Sprint(i)), segs, segment.Options{}); err != nil {
			b.Fatal(err)
		}
	}
	report(b, m.Rows, m.Bytes)
}

func BenchmarkTrace(b *testing.B) {
	s, _ := write(b, filepath.Join(b.TempDir(), "seg"), fleet(22_000, 8))
	rows, err := s.ReadRows(0, s.Meta().Rows)
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	b.ReportAllocs()
	for b.Loop() {
		t, err := s.Trace(rows.Spans.TraceID[r.IntN(rows.Spans.N)])
		if err != nil || t.Spans.N != 23 {
			b.Fatal(t, err)
		}
	}
}
