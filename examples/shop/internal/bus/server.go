package bus

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clew-dev/clew/examples/shop/internal/fleet"
)

const startWithin = 10 * time.Second

// Serve runs the NATS server of the fleet, with its stream in the data folder,
// until ctx ends. It calls ready once it can serve.
func Serve(ctx context.Context, ready func()) error {
	address, err := fleet.Address("bus")
	if err != nil {
		return err
	}
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("read the address of the bus: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return fmt.Errorf("read the port of the bus: %w", err)
	}
	data, err := fleet.DataFolder()
	if err != nil {
		return err
	}
	nats, err := server.NewServer(&server.Options{
		ServerName: "shop-bus",
		Host:       host,
		Port:       port,
		JetStream:  true,
		StoreDir:   filepath.Join(data, "bus"),
		NoSigs:     true,
		NoLog:      true,
	})
	if err != nil {
		return fmt.Errorf("make the bus: %w", err)
	}
	nats.Start()
	defer nats.WaitForShutdown()
	defer nats.Shutdown()
	if !nats.ReadyForConnections(startWithin) {
		return fmt.Errorf("the bus does not listen on %s after %s", address, startWithin)
	}
	if err := makeStream(ctx, nats.ClientURL()); err != nil {
		return err
	}
	ready()
	<-ctx.Done()
	return nil
}

// makeStream keeps a day of messages: long enough to look at, short enough for
// a fleet that is left running.
func makeStream(ctx context.Context, address string) error {
	connection, err := nats.Connect(address)
	if err != nil {
		return fmt.Errorf("connect to the bus: %w", err)
	}
	defer connection.Close()
	streams, err := jetstream.New(connection)
	if err != nil {
		return fmt.Errorf("open the bus: %w", err)
	}
	_, err = streams.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:     streamName,
		Subjects: []string{OrderPlaced, ShipmentCreated, NotificationSent},
		MaxAge:   24 * time.Hour,
		MaxBytes: 64 << 20,
	})
	if err != nil {
		return fmt.Errorf("make the stream %s: %w", streamName, err)
	}
	return nil
}
