package clew

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/baggage"

	"github.com/clew-dev/clew/kit/go/internal/propagate"
)

type baggageKey struct{}

// baggageContext is a context with baggage as it was read, in its order. What the OpenTelemetry API has for it is made when that is first
// asked for: most services only hand baggage on, and the API's form costs several times the reading.
type baggageContext struct {
	context.Context
	members []propagate.Member
	read    bool // from a carrier, some of it at least
	once    sync.Once
	asked   atomic.Bool     // the API's form was asked for, so a context below this one may have other baggage
	api     context.Context // has the API's form
}

// Value implements context.Context.
func (c *baggageContext) Value(key any) any {
	switch {
	case key == any(baggageKey{}):
		return c
	case apiBaggageKey != nil && key == apiBaggageKey:
		c.once.Do(c.build)
		return c.api.Value(key)
	}
	return c.Context.Value(key)
}

func (c *baggageContext) build() {
	c.asked.Store(true)
	c.api = baggage.ContextWithBaggage(c.Context, apiBaggage(c.members))
}

// apiBaggageKey is under which key the OpenTelemetry API keeps baggage in a context. The key is the API's own, but a context learns what it
// is asked for. nil when the API asks otherwise than it did; above all, setting baggage must ask for what there is, because that is how
// baggageContext knows of it.
var apiBaggageKey = learnBaggageKey()

// keyProbe is a context that notes what it is asked for.
type keyProbe struct {
	context.Context
	asked []any
}

func (p *keyProbe) Value(key any) any {
	p.asked = append(p.asked, key)
	return nil
}

func learnBaggageKey() any {
	get, set := keyProbe{Context: context.Background()}, keyProbe{Context: context.Background()}
	baggage.FromContext(&get)
	baggage.ContextWithBaggage(&set, baggage.Baggage{})
	if len(get.asked) == 1 && len(set.asked) == 1 && get.asked[0] == set.asked[0] {
		return get.asked[0]
	}
	return nil
}

// withMembers returns a context with this baggage for the OpenTelemetry API and for ourselves.
func withMembers(ctx context.Context, members []propagate.Member, read bool) context.Context {
	c := &baggageContext{Context: ctx, members: members, read: read}
	if apiBaggageKey == nil {
		c.once.Do(c.build)
		c.Context = c.api
	}
	return c
}

// apiBaggage is the API's form of baggage. It measures baggage as it would write it, where more bytes are escaped than ours: what is over its
// limit is dropped and counted.
func apiBaggage(members []propagate.Member) baggage.Baggage {
	list := make([]baggage.Member, 0, len(members))
	for _, m := range members {
		if m, err := baggage.NewMemberRaw(m.Key, m.Value, apiProperties(m.Properties)...); err == nil {
			list = append(list, m)
		}
	}
	b, err := baggage.New(list...)
	for err != nil && len(list) > 0 {
		countBaggage(1)
		list = list[:len(list)-1]
		b, err = baggage.New(list...)
	}
	return b
}

func apiProperties(text string) []baggage.Property {
	var properties []baggage.Property
	for text != "" {
		var p string
		p, text, _ = strings.Cut(text, ";")
		key, value, found := strings.Cut(strings.Trim(p, " \t"), "=")
		if !found {
			if p, err := baggage.NewKeyProperty(key); err == nil {
				properties = append(properties, p)
			}
		} else if p, err := baggage.NewKeyValuePropertyRaw(strings.TrimRight(key, " \t"), strings.TrimLeft(value, " \t")); err == nil {
			properties = append(properties, p)
		}
	}
	return properties
}

// unchanged returns the baggage in ctx as it was read or set by us. ok is false when the API may have set other baggage since.
func unchanged(ctx context.Context) (members []propagate.Member, ok bool) {
	c, _ := ctx.Value(baggageKey{}).(*baggageContext)
	if c == nil {
		return nil, false
	}
	return c.members, !c.asked.Load()
}

// membersOf is the baggage in ctx in its order. What was set by way of the OpenTelemetry API after it was read comes last, by key. The
// caller does not change it.
func membersOf(ctx context.Context) []propagate.Member {
	ordered, ok := unchanged(ctx)
	if ok {
		return ordered
	}
	b := baggage.FromContext(ctx)
	if b.Len() == 0 {
		return nil
	}
	members := make([]propagate.Member, 0, b.Len())
	for _, m := range ordered {
		if now := b.Member(m.Key); now.Key() != "" {
			if now.Value() != m.Value {
				m = propagate.Member{Key: m.Key, Value: now.Value(), Properties: propertiesText(now)}
			}
			members = append(members, m)
		}
	}
	if len(members) == b.Len() {
		return members
	}
	fresh := len(members)
	for _, m := range b.Members() {
		known := slices.ContainsFunc(ordered, func(o propagate.Member) bool { return o.Key == m.Key() })
		if !known {
			members = append(members, propagate.Member{Key: m.Key(), Value: m.Value(), Properties: propertiesText(m)})
		}
	}
	slices.SortFunc(members[fresh:], func(a, b propagate.Member) int { return strings.Compare(a.Key, b.Key) })
	return members
}

func propertiesText(m baggage.Member) string {
	var parts []string
	for _, p := range m.Properties() {
		parts = append(parts, p.String())
	}
	return strings.Join(parts, ";")
}

// hasBaggage says whether there is any baggage in ctx.
func hasBaggage(ctx context.Context) bool {
	if members, ok := unchanged(ctx); ok {
		return len(members) > 0
	}
	return baggage.FromContext(ctx).Len() > 0
}

// readBaggage puts the baggage of the headers into ctx.
func readBaggage(ctx context.Context, c Carrier) context.Context {
	var room [1]string
	lines := baggageHeader.lines(c, room[:0])
	if len(lines) == 0 {
		return ctx
	}
	members, dropped := propagate.ParseBaggage(lines...)
	countBaggage(dropped)
	if len(members) == 0 {
		return ctx
	}
	return withMembers(ctx, members, true)
}

// callersBaggage says whether baggage in ctx came with a request or a message.
func callersBaggage(ctx context.Context) bool {
	c, _ := ctx.Value(baggageKey{}).(*baggageContext)
	return c != nil && c.read
}

// writeBaggage writes what host may have. Else it takes out what headers that a proxy hands on still have of it.
func writeBaggage(ctx context.Context, host string, c Carrier) {
	k := current.Load()
	if k == nil {
		return
	}
	if snapshot := k.policy.Load(); snapshot.PropagateTo(host) {
		if members := membersOf(ctx); len(members) > 0 {
			var room [256]byte
			text, dropped := propagate.AppendBaggage(room[:0], members, snapshot.BaggageKey)
			countBaggage(dropped)
			if len(text) > 0 {
				baggageHeader.write(c, string(text))
				return
			}
		}
	}
	baggageHeader.takeOut(c)
}

func countBaggage(dropped int) {
	if dropped == 0 {
		return
	}
	if k := current.Load(); k != nil {
		k.counters.BaggageDropped.Add(int64(dropped))
	}
}

// Baggage returns the value of a key of the baggage in ctx, "" when it is not there.
func Baggage(ctx context.Context, key string) string {
	members, ok := unchanged(ctx)
	if !ok {
		return baggage.FromContext(ctx).Member(key).Value()
	}
	for _, m := range members {
		if m.Key == key {
			return m.Value
		}
	}
	return ""
}

// WithBaggage returns a context whose baggage has key with this value. Baggage travels with the trace to the hosts that propagate_to
// lets have it, none by default. A key that is no token (RFC 9110), and a member that would go over 64 or 8,192 bytes, is dropped and
// counted.
func WithBaggage(ctx context.Context, key, value string) context.Context {
	m := propagate.Member{Key: key, Value: value}
	members := slices.Clone(membersOf(ctx))
	at := slices.IndexFunc(members, func(m propagate.Member) bool { return m.Key == key })
	if at >= 0 {
		members[at] = m
	} else {
		members = append(members, m)
	}
	if !propagate.Token(key) {
		countBaggage(1)
		return ctx
	}
	if _, dropped := propagate.AppendBaggage(nil, members, nil); dropped > 0 {
		countBaggage(dropped)
		return ctx
	}
	return withMembers(ctx, members, callersBaggage(ctx))
}
