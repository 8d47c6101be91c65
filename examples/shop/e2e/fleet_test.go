package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
)

// TestFleet is one test since starting a fleet is the dear part. Its parts share
// the shop; each looks at traces of its own.
func TestFleet(t *testing.T) {
	if testing.Short() {
		t.Skip("starts thirteen processes")
	}
	s := open(t)
	t.Run("journeys", func(t *testing.T) { journeys(t, s) })
	t.Run("search crosses the languages four times", func(t *testing.T) { fourCrossings(t, s) })
	t.Run("messages are traces of their own", func(t *testing.T) { messages(t, s) })
	t.Run("a batch links to all its producers", func(t *testing.T) { batches(t, s) })
	t.Run("conventions", func(t *testing.T) { conventions(t, s) })
	t.Run("fault slow-payment", func(t *testing.T) { slowPayment(t, s) })
	t.Run("fault failing-inventory", func(t *testing.T) { failingInventory(t, s) })
	t.Run("fault n-plus-one", func(t *testing.T) { nPlusOne(t, s) })
	t.Run("fault lost-context", func(t *testing.T) { lostContext(t, s) })
	t.Run("fault retry-storm", func(t *testing.T) { retryStorm(t, s) })
	crashed := make(map[string]bool)
	t.Run("fault crash", func(t *testing.T) { crash(t, s, crashed) })
	t.Run("unknown fault", func(t *testing.T) { unknownFault(t, s) })

	s.close(t)
	for _, line := range s.lines {
		if strings.Contains(line, "did not stop") {
			t.Errorf("the launcher says: %s", line)
		}
	}
	if err := listenToAll(s.basePort); err != nil {
		t.Errorf("a port is still taken after the stop: %v", err)
	}
	spans, _ := s.all()
	t.Logf("%d spans received", len(spans))
	// What a dying process had not sent is lost, so its traces may have holes.
	spans = slices.DeleteFunc(spans, func(s span) bool { return crashed[s.trace] })
	if lost := orphans(spans); len(lost) > 0 {
		t.Errorf("%d orphans among %d spans:%s", len(lost), len(spans), describe(lost))
	}
}

func journeys(t *testing.T, s *shop) {
	for place, journey := range []struct {
		name     string
		services []string
	}{
		{"browse", []string{"catalog", "gateway", "pricing", "shopper", "storefront"}},
		{"search", []string{"catalog", "gateway", "pricing", "search", "shopper", "storefront"}},
		{"product", []string{"catalog", "gateway", "inventory", "pricing", "shopper", "storefront"}},
		{"cart", []string{"cart", "catalog", "gateway", "pricing", "shopper", "storefront"}},
		{"checkout", []string{"cart", "catalog", "checkout", "gateway", "inventory", "payment", "pricing", "shopper", "storefront"}},
		{"account", []string{"account", "checkout", "gateway", "shopper", "storefront"}},
	} {
		t.Run(journey.name, func(t *testing.T) {
			got := s.walkOne(t, journey.name, 100+place, journey.services...)
			if tops := roots(got); len(tops) != 1 {
				t.Errorf("%d roots; want 1:%s", len(tops), describe(tops))
			}
			languages := make(map[string]bool)
			for _, span := range got {
				languages[span.resource["telemetry.sdk.language"]] = true
				if span.failed {
					t.Errorf("%s %q failed: %v", span.service, span.name, span.events)
				}
			}
			if want := map[string]bool{"go": true, "rust": true}; !cmp.Equal(languages, want) {
				t.Errorf("languages %v; want %v", languages, want)
			}
		})
	}
}

// fourCrossings is the fleet's reason to be: from storefront on, one request
// goes Go, Rust, Go, Rust, and the baggage of the first is read in the last.
func fourCrossings(t *testing.T, s *shop) {
	got := s.walkOne(t, "search", 7, "catalog", "gateway", "pricing", "search", "shopper", "storefront")
	quotes := named(got, "pricing", "shop.v1.Pricing/Quote")
	if len(quotes) != 1 {
		t.Fatalf("%d quotes; want 1:%s", len(quotes), describe(got))
	}
	want := []string{"shopper", "gateway", "storefront", "search", "catalog", "pricing"}
	if diff := cmp.Diff(ancestry(got, quotes[0]), want); diff != "" {
		t.Errorf("the way to pricing (-got +want):\n%s", diff)
	}
	doors := named(got, "gateway", "GET /search")
	if len(doors) != 1 || doors[0].attributes["shop.session.id"] == "" {
		t.Fatalf("the gateway's span has no session:%s", describe(doors))
	}
	if got, want := quotes[0].attributes["shop.session.id"], doors[0].attributes["shop.session.id"]; got != want {
		t.Errorf("the session in pricing is %q; the gateway set %q", got, want)
	}
}

// messages follows an order from the request through three consumers.
func messages(t *testing.T, s *shop) {
	got := s.walkOne(t, "checkout", 8,
		"cart", "catalog", "checkout", "gateway", "inventory", "payment", "pricing", "shopper", "storefront")
	session := named(got, "gateway", "POST /orders")[0].attributes["shop.session.id"]
	sender := only(t, got, "checkout", "send orders.placed")
	for _, hop := range []struct {
		subject, consumer, sends string
		services                 []string
	}{
		{"orders.placed", "fulfilment", "send shipments.created", []string{"fulfilment", "inventory"}},
		{"shipments.created", "notification", "send notifications.sent", []string{"notification"}},
		{"notifications.sent", "fulfilment", "", []string{"fulfilment"}},
	} {
		if sender.kind != tracev1.Span_SPAN_KIND_PRODUCER {
			t.Errorf("%q is %v; want a producer", sender.name, sender.kind)
		}
		root := s.consumerOf(t, sender)
		if root.service != hop.consumer || root.name != "process "+hop.subject {
			t.Errorf("the consumer of %q is %s %q; want %s", hop.subject, root.service, root.name, hop.consumer)
		}
		if root.parent != "" || root.trace == sender.trace || root.kind != tracev1.Span_SPAN_KIND_CONSUMER {
			t.Errorf("the consumer of %q is no root of its own:%s", hop.subject, describe([]span{root}))
		}
		// A batch may have many sessions and then carries none.
		if len(root.links) == 1 && root.attributes["shop.session.id"] != session {
			t.Errorf("the session in %q is %q; want %q", root.name, root.attributes["shop.session.id"], session)
		}
		trace := s.whole(t, root.trace, hop.services...)
		if hop.sends != "" {
			sender = only(t, trace, hop.consumer, hop.sends)
		}
	}
}

// batches checks that one span closes several shipments and links to all.
func batches(t *testing.T, s *shop) {
	s.walk(t, "checkout", 40, 5)
	s.await(t, func(spans []span) error {
		for _, batch := range named(spans, "fulfilment", "process notifications.sent") {
			if count := len(batch.links); count > 1 && batch.attributes["messaging.batch.message_count"] == strconv.Itoa(count) {
				return nil
			}
		}
		return errors.New("no batch of several messages links to each of them")
	})
}

// consumerOf waits for the span that links to a producer.
func (s *shop) consumerOf(t *testing.T, producer span) span {
	t.Helper()
	var found span
	s.await(t, func(spans []span) error {
		for _, candidate := range spans {
			if slices.Contains(candidate.links, link{producer.trace, producer.id}) {
				found = candidate
				return nil
			}
		}
		return fmt.Errorf("nothing links to %q", producer.name)
	})
	return found
}

func only(t *testing.T, spans []span, service, name string) span {
	t.Helper()
	found := named(spans, service, name)
	if len(found) != 1 {
		t.Fatalf("%d spans %s %q; want 1, among%s", len(found), service, name, describe(spans))
	}
	return found[0]
}

// conventions checks one span of every wire in both languages.
func conventions(t *testing.T, s *shop) {
	checkout := s.walkOne(t, "checkout", 9,
		"cart", "catalog", "checkout", "gateway", "inventory", "payment", "pricing", "shopper", "storefront")
	account := s.walkOne(t, "account", 9, "account", "checkout", "gateway", "shopper", "storefront")
	consumed := s.consumerOf(t, only(t, checkout, "checkout", "send orders.placed"))
	shipped := s.consumerOf(t, only(t, s.whole(t, consumed.trace, "fulfilment", "inventory"), "fulfilment", "send shipments.created"))

	http := []string{"http.request.method", "http.response.status_code", "server.address"}
	httpServer := append([]string{"http.route", "url.path", "url.scheme", "user_agent.original"}, http...)
	rpc := []string{"rpc.system.name", "rpc.method", "rpc.status_code|rpc.response.status_code"}
	db := []string{"db.system.name", "db.query.text", "db.operation.name"}
	message := []string{"messaging.system.name|messaging.system", "messaging.destination.name", "messaging.operation.name", "messaging.operation.type"}
	for _, check := range []struct {
		span       span
		attributes []string
	}{
		{only(t, account, "account", "GET /customers/{id}"), httpServer},
		{only(t, account, "storefront", "GET /customers/{id}"), httpServer},
		{only(t, account, "account", "GET"), append([]string{"url.full"}, http...)},
		{only(t, account, "storefront", "GET"), append([]string{"url.full"}, http...)},
		{only(t, checkout, "payment", "shop.v1.Payment/Charge"), rpc},
		{only(t, checkout, "checkout", "shop.v1.Payment/Charge"), rpc},
		{only(t, checkout, "inventory", "shop.v1.Inventory/Reserve"), rpc},
		{only(t, checkout, "payment", "INSERT charges"), db},
		{only(t, checkout, "checkout", "INSERT orders"), db},
		{only(t, account, "account", "SELECT customers"), db},
		{only(t, checkout, "checkout", "send orders.placed"), append([]string{"messaging.message.id"}, message...)},
		{consumed, append([]string{"messaging.consumer.group.name"}, message...)},
		{shipped, append([]string{"messaging.consumer.group.name"}, message...)},
	} {
		for _, key := range check.attributes {
			// The stock libraries are behind the conventions that the kits follow.
			if !slices.ContainsFunc(strings.Split(key, "|"), func(name string) bool { return check.span.attributes[name] != "" }) {
				t.Errorf("%s %q has no %s: %v", check.span.service, check.span.name, key, check.span.attributes)
			}
		}
		for _, key := range []string{
			"service.name", "service.version", "service.instance.id", "telemetry.sdk.language", "telemetry.sdk.version",
		} {
			if check.span.resource[key] == "" {
				t.Errorf("the resource of %s has no %s: %v", check.span.service, key, check.span.resource)
			}
		}
		for key, want := range map[string]string{"service.namespace": "shop", "deployment.environment.name": "example"} {
			if got := check.span.resource[key]; got != want {
				t.Errorf("%s of %s is %q; want %q", key, check.span.service, got, want)
			}
		}
	}
}

func slowPayment(t *testing.T, s *shop) {
	s.fault(t, "slow-payment")
	got := s.walkOne(t, "checkout", 20,
		"cart", "catalog", "checkout", "gateway", "inventory", "payment", "pricing", "shopper", "storefront")
	if charge := only(t, got, "payment", "shop.v1.Payment/Charge"); charge.took < time.Second {
		t.Errorf("the charge took %s; want over 1 s", charge.took)
	}
}

func failingInventory(t *testing.T, s *shop) {
	s.fault(t, "failing-inventory")
	result, traces := s.walk(t, "checkout", 21, 1)
	if result.Failed != 1 {
		t.Errorf("%+v; want it failed", result)
	}
	got := s.whole(t, traces[0], "cart", "catalog", "checkout", "gateway", "inventory", "pricing", "shopper", "storefront")
	reserve := only(t, got, "inventory", "shop.v1.Inventory/Reserve")
	if !reserve.failed {
		t.Error("the reservation has no error status")
	}
	if len(reserve.events) == 0 || reserve.events[0].name != "exception" || reserve.events[0].attributes["exception.message"] == "" {
		t.Errorf("the reservation has no exception event: %v", reserve.events)
	}
	for _, place := range [][2]string{{"checkout", "POST /orders"}, {"storefront", "POST /orders"}, {"gateway", "POST /orders"}, {"shopper", "journey checkout"}} {
		if !only(t, got, place[0], place[1]).failed {
			t.Errorf("the failure is not seen in %s", place[0])
		}
	}
}

func nPlusOne(t *testing.T, s *shop) {
	count := func(seed int) int {
		return len(named(s.walkOne(t, "browse", seed, "catalog", "gateway", "pricing", "shopper", "storefront"), "catalog", "SELECT products"))
	}
	if got := count(22); got != 1 {
		t.Errorf("%d statements a page without the fault; want 1", got)
	}
	s.fault(t, "n-plus-one")
	if got := count(22); got != 13 {
		t.Errorf("%d statements a page of 12 products; want 13", got)
	}
}

func lostContext(t *testing.T, s *shop) {
	s.fault(t, "lost-context")
	before, _ := s.all()
	old := len(named(roots(before), "search", "GET /search"))
	if old != 0 {
		t.Fatalf("search has begun %d traces without the fault", old)
	}
	s.walkOne(t, "search", 23, "gateway", "shopper", "storefront")
	var extra span
	s.await(t, func(spans []span) error {
		found := named(roots(spans), "search", "GET /search")
		if len(found) != 1 {
			return fmt.Errorf("%d traces begin in search; want 1", len(found))
		}
		extra = found[0]
		return nil
	})
	got := s.whole(t, extra.trace, "catalog", "pricing", "search")
	if session := only(t, got, "pricing", "shop.v1.Pricing/Quote").attributes["shop.session.id"]; session != "" {
		t.Errorf("the session %q has survived the loss of context", session)
	}
}

func retryStorm(t *testing.T, s *shop) {
	s.fault(t, "retry-storm")
	result, traces := s.walk(t, "account", 24, 1)
	if result.Failed != 1 {
		t.Errorf("%+v; want it failed", result)
	}
	s.await(t, func(spans []span) error {
		if calls := len(named(ofTrace(spans, traces[0]), "account", "GET /customers/{id}")); calls != 16 {
			return fmt.Errorf("one click has reached account %d times; want 4 × 4", calls)
		}
		return nil
	})
	got := s.whole(t, traces[0], "account", "gateway", "shopper", "storefront")
	var resends []string
	for _, event := range named(got, "gateway", "GET /customers/{id}")[0].events {
		if event.name == "retry" {
			resends = append(resends, event.attributes["http.request.resend_count"])
		}
	}
	if diff := cmp.Diff(resends, []string{"1", "2", "3"}); diff != "" {
		t.Errorf("http.request.resend_count at the gateway (-got +want):\n%s", diff)
	}
}

func crash(t *testing.T, s *shop, crashed map[string]bool) {
	from := s.said()
	if err := s.control.Switch(t.Context(), "crash", true); err != nil {
		t.Fatal(err)
	}
	result, traces := s.walk(t, "checkout", 25, 3)
	for _, id := range traces {
		crashed[id] = true
	}
	if err := s.control.Switch(t.Context(), "crash", false); err != nil {
		t.Fatal(err)
	}
	if result.Failed == 0 {
		t.Errorf("%+v; want a failure among three charges", result)
	}
	s.line(t, from, `^payment +ended: exit status 70`)
	s.line(t, from, `^payment +rust +grpc .* pid`)
	s.await(t, func(spans []span) error {
		for _, id := range traces {
			got := ofTrace(spans, id)
			if calls := named(got, "checkout", "shop.v1.Payment/Charge"); len(calls) == 1 && calls[0].failed &&
				len(named(got, "payment", "shop.v1.Payment/Charge")) == 0 {
				return nil
			}
		}
		return fmt.Errorf("no trace shows a charge that failed without an answer")
	})
	members, err := s.control.Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, member := range members {
		if want := member.Name == "payment"; (member.Restarts > 0) != want || member.State != "ready" {
			t.Errorf("%+v after the crash of payment", member)
		}
	}
	// Its callers find the new process.
	if result, _ := s.walk(t, "checkout", 26, 1); result.Done != 1 {
		t.Errorf("%+v after the restart; want it done", result)
	}
}

func unknownFault(t *testing.T, s *shop) {
	err := s.control.Switch(t.Context(), "bad-weather", true)
	want := `no fault "bad-weather"; the faults are crash, failing-inventory, lost-context, n-plus-one, retry-storm, slow-payment`
	if err == nil || err.Error() != want {
		t.Errorf("got %v; want %s", err, want)
	}
}

// TestPostgres walks the journeys over PostgreSQL, when SHOP_TEST_DATABASE names
// one that may be written to.
func TestPostgres(t *testing.T) {
	database := os.Getenv("SHOP_TEST_DATABASE")
	if database == "" {
		t.Skip("SHOP_TEST_DATABASE is not set")
	}
	s := open(t, "--database", database)
	journeys(t, s)
	checkout := s.walkOne(t, "checkout", 30,
		"cart", "catalog", "checkout", "gateway", "inventory", "payment", "pricing", "shopper", "storefront")
	for service, name := range map[string]string{"checkout": "INSERT orders", "payment": "INSERT charges"} {
		if got := only(t, checkout, service, name).attributes["db.system.name"]; got != "postgresql" {
			t.Errorf("%s %q is of %q; want postgresql", service, name, got)
		}
	}
	s.close(t)
	spans, _ := s.all()
	if lost := orphans(spans); len(lost) > 0 {
		t.Errorf("%d orphans among %d spans:%s", len(lost), len(spans), describe(lost))
	}
}
