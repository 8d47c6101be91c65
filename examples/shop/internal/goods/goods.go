// Package goods is what the shop sells: a list made from a few words, the same
// at every start, so that the catalogue, the warehouse and the traffic driver
// agree without asking each other.
package goods

import "fmt"

// Item is one article.
type Item struct {
	SKU, Name, Category string
	// BaseCents is the list price in euro cents.
	BaseCents int64
}

var (
	materials = []string{"linen", "wool", "cotton", "silk", "hemp"}
	things    = []struct{ name, category string }{
		{"thread", "sewing"}, {"ribbon", "sewing"}, {"cord", "sewing"},
		{"scarf", "clothing"}, {"jacket", "clothing"}, {"hat", "clothing"},
		{"blanket", "home"}, {"cushion", "home"}, {"curtain", "home"},
		{"rope", "garden"}, {"net", "garden"}, {"hammock", "garden"},
	}
)

// All returns the shop's 60 items, ordered by SKU.
func All() []Item {
	items := make([]Item, 0, len(things)*len(materials))
	for row, thing := range things {
		for column, material := range materials {
			number := row*len(materials) + column
			items = append(items, Item{
				SKU:       fmt.Sprintf("SKU-%03d", number),
				Name:      material + " " + thing.name,
				Category:  thing.category,
				BaseCents: 350 + int64(number*number*7%9100),
			})
		}
	}
	return items
}

// Words returns what a customer may search for.
func Words() []string {
	words := append([]string(nil), materials...)
	for _, thing := range things {
		words = append(words, thing.name)
	}
	return words
}
