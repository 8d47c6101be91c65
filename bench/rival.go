package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// rival is an OpenTelemetry Collector that this program started: it answers when a
// request is fsynced in the queue of an exporter that reaches nobody, so that its CPU
// is that of taking and keeping requests, and nothing else.
type rival struct {
	cmd    *exec.Cmd
	grpc   string
	folder string
	log    string
	ended  chan struct{}
}

// rivalConfig has one consumer of the queue, which takes one request and waits.
const rivalConfig = `
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: %q
        max_recv_msg_size_mib: 64
exporters:
  otlp_grpc:
    endpoint: %q
    tls: {insecure: true}
    retry_on_failure: {enabled: true, initial_interval: 1h, max_interval: 1h, max_elapsed_time: 0}
    sending_queue: {enabled: true, storage: file_storage, queue_size: 10000000, num_consumers: 1}
extensions:
  file_storage: {directory: %q, fsync: true}
service:
  extensions: [file_storage]
  pipelines:
    traces: {receivers: [otlp], exporters: [otlp_grpc]}
  telemetry:
    metrics: {level: none}
    logs: {level: error}
`

// startRival starts the Collector on an empty folder and waits until it takes requests.
func startRival(ctx context.Context, binary, folder string) (*rival, error) {
	r := &rival{folder: folder, log: folder + ".log", ended: make(chan struct{})}
	var nobody string
	for _, address := range []*string{&r.grpc, &nobody} {
		free, err := freeAddress()
		if err != nil {
			return nil, err
		}
		*address = free
	}
	if err := os.Mkdir(folder, 0o755); err != nil {
		return nil, fmt.Errorf("start the collector: %w", err)
	}
	config := folder + ".yaml"
	if err := os.WriteFile(config, fmt.Appendf(nil, rivalConfig, r.grpc, nobody, folder), 0o644); err != nil {
		return nil, fmt.Errorf("start the collector: %w", err)
	}
	log, err := os.Create(r.log)
	if err != nil {
		return nil, fmt.Errorf("start the collector: %w", err)
	}
	defer log.Close()
	path, err := filepath.Abs(binary)
	if err != nil {
		return nil, fmt.Errorf("start the collector: %w", err)
	}
	r.cmd = exec.Command(path, "--config", config)
	r.cmd.Stdout, r.cmd.Stderr = log, log
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the collector: %w; make bin/bench-collector builds it", err)
	}
	go func() {
		r.cmd.Wait()
		close(r.ended)
	}()
	return r, r.takes(ctx)
}

// takes waits until a request without spans is acknowledged.
func (r *rival) takes(ctx context.Context) error {
	s, err := newSender(r.grpc)
	if err != nil {
		return err
	}
	defer s.close()
	for began := time.Now(); ; {
		within, cancel := context.WithTimeout(ctx, time.Second)
		err := s.send(within, nil)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-r.ended:
			return fmt.Errorf("start the collector: it ended at once; its log is %s", tailOf(r.log))
		case <-ctx.Done():
			r.stop()
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
		if time.Since(began) > time.Minute {
			r.stop()
			return fmt.Errorf("start the collector: it takes no requests after a minute: %w; its log is %s", err, tailOf(r.log))
		}
	}
}

// stop ends it as a crash would: nothing of it is needed any more.
func (r *rival) stop() {
	r.cmd.Process.Signal(syscall.SIGKILL)
	<-r.ended
}

// kept is what one run of the Collector came to.
type kept struct {
	perCPU, peak float64
	bytes        int64
}

// runRival has the Collector keep a load, in a folder that is removed afterwards.
func (b *bench) runRival(ctx context.Context, l *load) (k kept, err error) {
	folder := filepath.Join(b.folder, "collector")
	defer os.RemoveAll(folder)
	r, err := startRival(ctx, b.collector, folder)
	if err != nil {
		return k, err
	}
	defer r.stop()
	before, err := cpuOf(r.cmd.Process.Pid)
	if err != nil {
		return k, err
	}
	if _, err := sendAll(ctx, l, r.grpc, b.conns); err != nil {
		return k, fmt.Errorf("%w; the log of the collector is %s", err, tailOf(r.log))
	}
	after, err := cpuOf(r.cmd.Process.Pid)
	if err != nil {
		return k, err
	}
	k.perCPU = float64(l.facts.spans) / (after - before)
	if _, k.peak, err = memoryOf(r.cmd.Process.Pid); err != nil {
		return k, err
	}
	if k.bytes, err = bytesBelow(folder); err != nil {
		return k, err
	}
	if k.bytes < l.bytes {
		return k, fmt.Errorf("the collector acknowledged %d bytes and keeps %d: this is no queue on disk; its log is %s", l.bytes, k.bytes, tailOf(r.log))
	}
	return k, nil
}
