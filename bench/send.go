package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
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

// sender is one connection to the receiver.
type sender struct{ conn *grpc.ClientConn }

func newSender(address string) (*sender, error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(asIs{})))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	return &sender{conn}, nil
}

// errPartial says that spans of a sound load were rejected.
var errPartial = errors.New("the server rejected spans of a sound request")

// send exports one request and returns when it is acknowledged.
func (s *sender) send(ctx context.Context, frame []byte) error {
	var answer []byte
	if err := s.conn.Invoke(ctx, exportMethod, &frame, &answer); err != nil {
		return err
	}
	if len(answer) > 2 { // empty, or a partial_success that says nothing
		return fmt.Errorf("%w: %q", errPartial, answer)
	}
	return nil
}

// sent is the outcome of sending a load.
type sent struct {
	frames, retries int
	took            time.Duration
}

// sendAll sends every frame over conns connections as fast as they are acknowledged.
// A refusal is tried again after a while, as stock exporters do.
func sendAll(ctx context.Context, l *load, address string, conns int) (sent, error) {
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
			s, err := newSender(address)
			if err != nil {
				o.err = err
				cancel()
				return
			}
			defer s.conn.Close()
			for frame := range frames {
				n, err := persist(ctx, s, frame)
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

// persist sends a frame until it is acknowledged, for half a minute at most.
func persist(ctx context.Context, s *sender, frame []byte) (retries int, err error) {
	for began := time.Now(); ; retries++ {
		err := s.send(ctx, frame)
		if err == nil || errors.Is(err, errPartial) || time.Since(began) > 30*time.Second {
			return retries, err
		}
		select {
		case <-ctx.Done():
			return retries, err
		case <-time.After(20 * time.Millisecond):
		}
	}
}
