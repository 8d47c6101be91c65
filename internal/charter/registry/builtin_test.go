package registry_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/charter/registry"
)

func TestBuiltin(t *testing.T) {
	r := registry.Builtin()
	if r.Version() != "1.45.0" || r.SchemaURL != "https://opentelemetry.io/schemas/1.45.0" {
		t.Errorf("version %q of %q", r.Version(), r.SchemaURL)
	}
	defined := r.Definitions()
	if !slices.IsSortedFunc(defined, func(a, b registry.Attribute) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the attributes are not sorted")
	}
	counts := map[string]int{}
	for _, a := range defined {
		counts[a.Type]++
		counts[a.Stability]++
		if a.Deprecated != nil {
			counts["deprecated"]++
			if to := a.Deprecated.RenamedTo; to != "" {
				if _, ok := r.Definition(to); !ok || to == a.Name {
					t.Errorf("%s was renamed to %s, which is not defined", a.Name, to)
				}
			}
		}
		if (a.Type == "enum") != (len(a.Members) > 0) {
			t.Errorf("%s of type %s has %d members", a.Name, a.Type, len(a.Members))
		}
		if a.Type == "" || a.Brief == "" || a.Stability == "" {
			t.Errorf("a fact of %s is missing: %+v", a.Name, a)
		}
	}
	t.Logf("%d attributes: %v", len(defined), counts)
	if len(defined) < 1000 || counts["stable"] < 120 || counts["deprecated"] < 200 {
		t.Errorf("%d attributes, of these %d stable and %d deprecated: some were lost", len(defined), counts["stable"], counts["deprecated"])
	}
}

// Facts that stand in the published conventions, one of each kind.
func TestBuiltinFacts(t *testing.T) {
	cases := []struct{ name, typ, stability, renamed string }{
		{"http.request.method", "enum", "stable", ""},
		{"http.response.status_code", "int", "stable", ""},
		{"http.request.header", "template[string[]]", "stable", ""},
		{"process.command_args", "string[]", "release_candidate", ""},
		{"http.method", "string", "development", "http.request.method"},
		{"server.port", "int", "stable", ""},
		{"jvm.thread.daemon", "boolean", "stable", ""},
		{"rpc.grpc.status_code", "enum", "development", ""},
		{"messaging.destination", "string", "development", "messaging.destination.name"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a, ok := registry.Builtin().Definition(c.name)
			if !ok {
				t.Fatal("not defined")
			}
			renamed := ""
			if a.Deprecated != nil {
				renamed = a.Deprecated.RenamedTo
			}
			if a.Type != c.typ || a.Stability != c.stability || renamed != c.renamed {
				t.Errorf("got %s %s renamed to %q, want %s %s %q", a.Type, a.Stability, renamed, c.typ, c.stability, c.renamed)
			}
		})
	}
}

func TestRenames(t *testing.T) {
	got := map[string]registry.Rename{}
	for _, r := range registry.Renames() {
		got[r.Old] = r
	}
	for old, to := range map[string]string{
		"http.method": "http.request.method", "http.status_code": "http.response.status_code", "http.url": "url.full",
		"http.scheme": "url.scheme", "http.user_agent": "user_agent.original", "http.client_ip": "client.address",
		"http.request_content_length": "", "http.retry_count": "http.request.resend_count", "net.host.name": "server.address",
		"net.host.port": "server.port", "net.sock.peer.addr": "network.peer.address", "net.protocol.name": "network.protocol.name",
		"net.app.protocol.version": "network.protocol.version", "net.host.carrier.name": "network.carrier.name",
		"db.statement": "db.query.text", "db.operation": "db.operation.name", "db.system": "db.system.name",
		"db.name": "db.namespace", "db.hbase.namespace": "db.namespace", "db.sql.table": "",
		"messaging.destination": "messaging.destination.name", "messaging.message_id": "messaging.message.id",
		"messaging.kafka.client_id": "messaging.client.id", "messaging.kafka.consumer_group": "messaging.consumer.group.name",
		"messaging.operation": "messaging.operation.type", "rpc.system": "rpc.system.name",
		"deployment.environment": "deployment.environment.name", "enduser.role": "", "code.function": "",
		"code.filepath": "code.file.path", "code.lineno": "code.line.number", "faas.id": "cloud.resource_id",
		"exception.escaped": "", "feature_flag.provider_name": "feature_flag.provider.name",
	} {
		if r := got[old]; r.New != to {
			t.Errorf("%s became %q, want %q", old, r.New, to)
		}
	}
	changed := 0
	for _, r := range got {
		if r.TypeChanged() {
			changed++
			t.Logf("%s %s became %s %s", r.Old, r.OldType, r.New, r.NewType)
		}
	}
	t.Logf("%d renames, %d with another type", len(got), changed)
	if r := got["http.method"]; !r.TypeChanged() || got["http.url"].TypeChanged() {
		t.Errorf("http.method was a string and is an enum: %+v", r)
	}
}

func BenchmarkBuiltin(b *testing.B) {
	for b.Loop() {
		registry.ParseTable()
	}
}
