// Package fleet is what every Go process of the shop shares: who is in the
// fleet, how a process learns its addresses, how it starts its telemetry, and
// the instrumented ends of the wires it speaks. rust/fleet is its twin.
//
// A process is told everything by its environment, so that it can also be
// started by hand:
//
//	SHOP_<NAME>_ADDR   host:port of that member, its own among them
//	SHOP_DATA          folder of the fleet's state
//	SHOP_DATABASE      postgres://… , or empty for one SQLite file per service
//	SHOP_LAUNCHED      1 under the launcher
//	SHOP_TELEMETRY     kit, stock or off: what instruments the process
//	OTEL_…             the standard variables, with their standard defaults
//
// It logs to its standard error and stops on SIGTERM. Under the launcher it also
// says "ready" in one line on its standard output once it can serve, and stops
// when its standard input ends: a pipe that the launcher holds, so that no
// process outlives a killed launcher.
//
// It does not start processes (package launch) and holds no business rules.
// Everything here may be used by many goroutines at once.
package fleet

import (
	"fmt"
	"os"
	"strings"
)

// Version is the fleet's own, reported as service.version.
const Version = "0.1.0"

// Language says which half of the fleet a member belongs to.
type Language string

// The languages of the fleet.
const (
	Go   Language = "go"
	Rust Language = "rust"
)

// Member is one process of the fleet.
type Member struct {
	Name     string
	Language Language
	// Wire is what it listens to, for people.
	Wire string
	// Stack is what instruments it unless the whole fleet is told otherwise.
	Stack Stack
	// Port is the distance from the base port; 0 means that it only consumes
	// messages.
	Port int
}

// Members lists the fleet in starting order: the bus is there before the
// members that use it. The base port itself is the launcher's.
func Members() []Member {
	return []Member{
		{Name: "bus", Language: Go, Stack: Kit, Wire: "nats", Port: 11},
		{Name: "pricing", Language: Rust, Stack: Kit, Wire: "grpc", Port: 5},
		{Name: "payment", Language: Rust, Stack: Kit, Wire: "grpc", Port: 8},
		{Name: "inventory", Language: Go, Stack: Kit, Wire: "grpc", Port: 9},
		{Name: "cart", Language: Go, Stack: Kit, Wire: "grpc", Port: 6},
		{Name: "catalog", Language: Go, Stack: Stock, Wire: "grpc", Port: 3},
		{Name: "search", Language: Rust, Stack: Stock, Wire: "http", Port: 4},
		{Name: "checkout", Language: Go, Stack: Kit, Wire: "http", Port: 7},
		{Name: "account", Language: Rust, Stack: Kit, Wire: "http", Port: 10},
		{Name: "storefront", Language: Go, Stack: Kit, Wire: "http", Port: 2},
		{Name: "gateway", Language: Rust, Stack: Kit, Wire: "http", Port: 1},
		{Name: "fulfilment", Language: Go, Stack: Kit, Wire: "nats"},
		{Name: "notification", Language: Rust, Stack: Kit, Wire: "nats"},
	}
}

// Ports is how many a fleet takes, the launcher's included.
const Ports = 12

// AddressVariable names the environment variable that holds a member's address.
func AddressVariable(member string) string {
	return "SHOP_" + strings.ToUpper(member) + "_ADDR"
}

// Address returns host:port of a member.
func Address(member string) (string, error) {
	name := AddressVariable(member)
	address := os.Getenv(name)
	if address == "" {
		return "", fmt.Errorf("%s is not set: start the fleet with `shop up`, or set it to host:port of %s", name, member)
	}
	return address, nil
}

// DataFolder returns the folder of the fleet's state.
func DataFolder() (string, error) {
	folder := os.Getenv("SHOP_DATA")
	if folder == "" {
		return "", fmt.Errorf("SHOP_DATA is not set: start the fleet with `shop up`, or set it to a folder")
	}
	return folder, nil
}
