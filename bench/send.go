package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	grpcstatus "google.golang.org/grpc/status"
)

const exportMethod = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

// asIs is a codec for requests that are encoded already.
type asIs struct{}

func (asIs) Name() string { return "proto" }

func (asIs) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (asIs) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

// exporter is one connection to a receiver.
type exporter interface {
	// send exports one request and returns when it is acknowledged.
	send(ctx context.Context, frame []byte) error
	close()
}

// dial opens one more connection to a receiver.
type dial func() (exporter, error)

// overGRPC exports to an address by OTLP/gRPC.
func overGRPC(address string) dial {
	return func() (exporter, error) {
		return newSender(address)
	}
}

// sender exports by OTLP/gRPC.
type sender struct{ conn *grpc.ClientConn }

func newSender(address string) (*sender, error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(asIs{})))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	return &sender{conn}, nil
}

func (s *sender) close() { s.conn.Close() }

// errPartial says that spans of a sound load were rejected.
var errPartial = errors.New("the server rejected spans of a sound request")

// errRefused says that trying again does not help.
var errRefused = errors.New("refused")

func (s *sender) send(ctx context.Context, frame []byte) error {
	var answer []byte
	if err := s.conn.Invoke(ctx, exportMethod, &frame, &answer); err != nil {
		switch grpcstatus.Code(err) {
		case codes.Unauthenticated, codes.PermissionDenied, codes.InvalidArgument, codes.Unimplemented:
			return fmt.Errorf("%w: %w", errRefused, err)
		}
		return err
	}
	return unmarred(answer)
}

// unmarred looks at the answer to an export that succeeded.
func unmarred(answer []byte) error {
	if len(answer) > 2 { // neither empty nor a partial_success that says nothing
		return fmt.Errorf("%w: %q", errPartial, answer[:min(len(answer), 200)])
	}
	return nil
}

// overHTTP exports to a URL by OTLP/HTTP.
func overHTTP(target string) dial {
	return func() (exporter, error) {
		return httpExporter{target, &http.Client{Transport: &http.Transport{}}}, nil
	}
}

type httpExporter struct {
	target string
	client *http.Client
}

func (e httpExporter) close() { e.client.CloseIdleConnections() }

func (e httpExporter) send(ctx context.Context, frame []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.target, bytes.NewReader(frame))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	resp, err := e.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	switch {
	case err != nil:
		return err
	case resp.StatusCode/100 == 2 && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/x-protobuf"):
		return unmarred(answer)
	case resp.StatusCode/100 == 2: // some backends answer with no body, or with a text
		return nil
	case resp.StatusCode/100 == 4 && resp.StatusCode != http.StatusTooManyRequests:
		return fmt.Errorf("%w: %s: %s", errRefused, resp.Status, answer[:min(len(answer), 200)])
	}
	return fmt.Errorf("%s: %s", resp.Status, answer[:min(len(answer), 200)])
}

// sent is the outcome of sending a load.
type sent struct {
	frames, retries int
	took            time.Duration
}

// sendAll sends every frame over conns connections to an address of Clew.
func sendAll(ctx context.Context, l *load, address string, conns int) (sent, error) {
	return sendTo(ctx, l, overGRPC(address), conns, patience)
}

// sendTo sends every frame over conns connections as fast as they are acknowledged.
// A refusal is tried again after a while, as stock exporters do.
func sendTo(ctx context.Context, l *load, to dial, conns int, patience time.Duration) (sent, error) {
	type outcome struct {
		frames, retries int
		err             error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	frames := make(chan []byte, 2*conns)
	done := make(chan outcome, conns)
	began := time.Now()
	for range conns {
		go func() {
			var o outcome
			defer func() { done <- o }()
			s, err := to()
			if err != nil {
				o.err = err
				cancel()
				return
			}
			defer s.close()
			for frame := range frames {
				n, err := persist(ctx, s, frame, patience)
				o.retries += n
				if err != nil {
					o.err = err
					cancel()
					return
				}
				o.frames++
			}
		}()
	}
	err := l.each(func(_ int, frame []byte) error {
		select {
		case frames <- frame:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	close(frames)
	var total sent
	for range conns {
		o := <-done
		total.frames += o.frames
		total.retries += o.retries
		if o.err != nil && (err == nil || errors.Is(err, context.Canceled)) {
			err = o.err
		}
	}
	total.took = time.Since(began)
	if err != nil {
		return total, fmt.Errorf("send the load: %w", err)
	}
	return total, nil
}

// patience is how long Clew may take for one request or one question.
const patience = 30 * time.Second

// persist sends a frame until it is acknowledged, refused for good, or patience ends.
func persist(ctx context.Context, s exporter, frame []byte, patience time.Duration) (retries int, err error) {
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for ; ; retries++ {
		err := s.send(within, frame)
		if err == nil || errors.Is(err, errPartial) || errors.Is(err, errRefused) {
			return retries, err
		}
		select {
		case <-ctx.Done():
			return retries, err
		case <-within.Done():
			return retries, fmt.Errorf("not acknowledged in %s, tried %d times: %w", patience, retries+1, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
