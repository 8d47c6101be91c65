package telemetry_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/clew-dev/clew/internal/telemetry"
)

// BenchmarkAppendManyKeys appends requests of 512 spans, each with one attribute under
// one of 20,000 keys, as fresh rows take them up. It reports what a span costs.
func BenchmarkAppendManyKeys(b *testing.B) {
	const spans, keys, requests = 512, 20_000, 100
	r := rand.New(rand.NewPCG(1, 2))
	batches := make([]*telemetry.Batch, requests)
	for i := range batches {
		build := telemetry.NewBuilder()
		build.Scopes.AddRow()
		build.Resources.AddRow()
		for range spans {
			row := build.AddSpan(telemetry.Span{}, []byte("step"))
			build.Spans.Col(telemetry.ScopeSpan, fmt.Appendf(nil, "label.%05d", r.IntN(keys)), telemetry.TypeString).AddText(row, fmt.Appendf(nil, "%x", r.Uint32()))
		}
		batches[i] = &build.Batch
	}
	b.ReportAllocs()
	for b.Loop() {
		fresh := telemetry.NewBuilder()
		for _, batch := range batches {
			fresh.Append(batch, 1, nil)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(spans*requests), "ns/span")
}
