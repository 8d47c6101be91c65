// Package drive is the traffic of the shop: shoppers on journeys. Plan draws
// journeys from a seed, the same ones for the same seed; Driver walks them at a
// steady rate. A journey is one trace whose root is the shopper's own span, as
// if a browser or a telephone had made it.
//
// Plan is for one goroutine; Driver.Run may be called once.
package drive

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/clew-dev/clew/examples/shop/internal/goods"
)

// The journeys, and how often each is drawn, in percent.
var journeys = []struct {
	name   string
	weight int
}{
	{"browse", 30}, {"search", 20}, {"product", 20}, {"cart", 12}, {"checkout", 12}, {"account", 6},
}

// Journeys names them all.
func Journeys() []string {
	var names []string
	for _, journey := range journeys {
		names = append(names, journey.name)
	}
	return names
}

// Choice is everything that a shopper has made up their mind about before they
// start, so that nothing depends on how fast the shop answers.
type Choice struct {
	Journey  string
	Session  string
	Customer string
	Card     string
	SKU      string
	Units    int
	Query    string
	Page     int
}

// customers of the shop; the account service makes up their names.
const customers = 40

// Plan draws choices.
type Plan struct {
	random *rand.Rand
	only   string
	goods  []goods.Item
	words  []string
}

// NewPlan returns the plan of a seed. only names the one journey to draw, or is
// empty for the usual mix.
func NewPlan(seed uint64, only string) (*Plan, error) {
	if only != "" && !slices.Contains(Journeys(), only) {
		return nil, fmt.Errorf("no journey %q; the journeys are %v", only, Journeys())
	}
	return &Plan{
		random: rand.New(rand.NewPCG(seed, 0x5e0b)),
		only:   only, goods: goods.All(), words: goods.Words(),
	}, nil
}

// Next draws the next choice. The number of draws is the same for every
// journey, so that a plan of one journey has the shoppers of the mixed plan.
func (p *Plan) Next() Choice {
	choice := Choice{
		Journey:  p.journey(),
		Session:  fmt.Sprintf("s-%016x", p.random.Uint64()),
		Customer: fmt.Sprintf("c-%02d", p.random.IntN(customers)),
		SKU:      p.goods[p.random.IntN(len(p.goods))].SKU,
		Units:    1 + p.random.IntN(3),
		Query:    p.words[p.random.IntN(len(p.words))],
		Page:     p.random.IntN(len(p.goods) / 12),
		Card:     "card-good",
	}
	// A few cards are declined, as in life.
	if p.random.IntN(25) == 0 {
		choice.Card = "card-declined"
	}
	return choice
}

func (p *Plan) journey() string {
	draw := p.random.IntN(100)
	if p.only != "" {
		return p.only
	}
	for _, journey := range journeys {
		if draw -= journey.weight; draw < 0 {
			return journey.name
		}
	}
	panic("the weights of the journeys are under 100")
}
