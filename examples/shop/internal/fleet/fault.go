package fleet

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Fault is one thing that can be made to go wrong while the fleet runs.
type Fault struct {
	Name string
	// Effect is what it does, in words for people.
	Effect string
}

// The faults that Go services look at. rust/fleet has the others.
const (
	FailingInventory = "failing-inventory"
	NPlusOne         = "n-plus-one"
	LostContext      = "lost-context"
	RetryStorm       = "retry-storm"
)

// Faults lists every fault of the fleet, by name.
func Faults() []Fault {
	return []Fault{
		{"crash", "payment's process dies in the middle of every third charge since it started"},
		{FailingInventory, "inventory answers every reservation with an error"},
		{LostContext, "storefront calls search without traceparent and baggage"},
		{NPlusOne, "catalog reads the products of a page one by one"},
		{RetryStorm, "account answers 503; gateway and storefront each try four times without a pause"},
		{"slow-payment", "payment's card network takes 1.5 s longer"},
	}
}

// FaultPath returns the file whose existence switches a fault on: a service
// looks at the moment of decision, so that a change acts on the next request in
// either language without a connection to the launcher.
func FaultPath(data, name string) (string, error) {
	var names []string
	for _, fault := range Faults() {
		if fault.Name == name {
			return filepath.Join(data, "faults", name), nil
		}
		names = append(names, fault.Name)
	}
	return "", fmt.Errorf("no fault %q; the faults are %s", name, strings.Join(names, ", "))
}

// FaultOn says whether a fault is switched on.
func FaultOn(name string) bool {
	_, err := os.Stat(filepath.Join(os.Getenv("SHOP_DATA"), "faults", name))
	return err == nil
}
