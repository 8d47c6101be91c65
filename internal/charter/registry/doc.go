// Package registry reads vocabularies that others wrote: registries of the form
// that OpenTelemetry Weaver reads, and the OpenTelemetry semantic conventions,
// which are built in.
//
// A registry is a folder of YAML files, in either generation of the form, mixed
// as its authors like:
//
//	manifest.yaml            schema_url: https://shop.example/schemas/shop/1.2.0
//	                         dependencies: [{ schema_url: …, registry_path: ../base }]
//	orders.yaml              groups:                       # first generation
//	                           - id: registry.order
//	                             type: attribute_group
//	                             attributes: [{ id: order.id, type: string, … }]
//	pay.yaml                 file_format: definition/2     # second generation
//	                         attributes: [{ key: pay.method, type: string, … }]
//	                         spans: [{ type: pay.charge, attributes: [{ ref: order.id }] }]
//
// A registry that was published, resolved, is read as well: a manifest.yaml of the
// form manifest/2.0 and the file that it names.
//
// [Read] follows every reference and answers what Weaver would: attributes, spans,
// metrics, events and entities, sorted by name, each use of an attribute with the
// requirement level, stability and deprecation that hold there. What a use says
// wins over what a group it includes says, that over what it extends, and that
// over the definition. All errors are reported in one pass with their places, as
// charter.Errors. Nothing is downloaded: a dependency is a folder in the same tree.
//
// [Builtin] answers the conventions that stand in semconv.txt, which `go generate`
// writes from published packages; [Renames] answers what became of their old names.
//
// What is read never changes, so any number of goroutines may use it. The package
// does no I/O but through the fs.FS that it is given.
package registry

//go:generate go run ./gen -npm $SEMCONV
