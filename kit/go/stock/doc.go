// Package stock holds the Go kit against the stock OpenTelemetry stack: the same spans through the kit and through the generated protocol
// buffers, libraries that know only the OpenTelemetry API on top of the kit, the kit's methods against the API's latest version, the
// weight of a program with the kit, and in the folder bench the time and the allocations of both in the same run. It is a module of its
// own, so that none of this is a dependency of the kit.
package stock
