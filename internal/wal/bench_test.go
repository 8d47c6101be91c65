//go:build unix

package wal_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/wal"
)

// processTime is the CPU time of this process, the kernel's share included.
func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAppend writes 64 KiB records to the real disk from writers that send
// the next record when the one before is acknowledged.
func BenchmarkAppend(b *testing.B) {
	for _, delay := range []time.Duration{-1, 0} {
		for _, writers := range []int{1, 4, 16} {
			b.Run(fmt.Sprintf("wait=%t/writers=%d", delay == 0, writers), func(b *testing.B) {
				benchmarkAppend(b, wal.Options{Delay: delay, MaxBytes: 64 << 30}, writers, 64<<10)
			})
		}
	}
}

func benchmarkAppend(b *testing.B, o wal.Options, writers, size int) {
	l, err := wal.Open(b.TempDir(), o)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	record := make([]byte, size)
	for i := range record {
		record[i] = byte(i * 7)
	}
	latencies := make([]time.Duration, b.N)
	b.SetBytes(int64(size))
	b.ResetTimer()
	cpu := processTime()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := w; i < b.N; i += writers {
				start := time.Now()
				_, end, err := l.Append(context.Background(), record)
				if err != nil {
					b.Error(err)
					return
				}
				latencies[i] = time.Since(start)
				if i%1000 == 999 { // the disk of a benchmark is bounded as well
					if err := l.Truncate(end); err != nil {
						b.Error(err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	cpu = processTime() - cpu
	b.StopTimer()
	slices.Sort(latencies)
	n := float64(b.N)
	b.ReportMetric(n/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(l.Stats().Syncs)/b.Elapsed().Seconds(), "fsyncs/s")
	b.ReportMetric(cpu.Seconds()*1e6/n, "cpu-µs/record")
	b.ReportMetric(float64(latencies[b.N/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(latencies[b.N*99/100].Microseconds())/1000, "p99-ms")
}

// BenchmarkRead replays a log from the page cache.
func BenchmarkRead(b *testing.B) {
	l, err := wal.Open(b.TempDir(), wal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	const count, size = 512, 64 << 10
	for range count {
		if _, _, err := l.Append(context.Background(), make([]byte, size)); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(count * size)
	for b.Loop() {
		if got, _ := readCount(b, l); got != count {
			b.Fatalf("%d records", got)
		}
	}
}

func readCount(b *testing.B, l *wal.Log) (n int, d wal.Damage) {
	r, err := l.Reader(0)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	for {
		if _, _, _, err := r.Next(); err != nil {
			return n, r.Damage()
		}
		n++
	}
}
