// Package resource says who the service is: the attributes of its OpenTelemetry
// resource, from its own words, the environment, files of the container and what
// the process knows of itself. It is one pure function, so that both kits give the
// same attributes for the same inputs; kit/contract/resource.json is run by both.
package resource

// Inputs is all that the attributes depend on.
type Inputs struct {
	Env  func(name string) string // "" for a variable that is not set
	File func(path string) string // the content of a file, "" when it cannot be read

	Name, Version string // of the service, in the words of the program
	Instance      string // random; for service.instance.id
	Executable    string // name of the program's file
	PID           int64
	Host          string
	Arch, OS      string // in the words of the semantic conventions
	Language      string // go or rust
	Runtime       string // name of the runtime
	RuntimeVersion,
	KitVersion string
}

// Attr is one attribute. It is an integer when Text is empty.
type Attr struct {
	Key, Text string
	Int       int64
}
