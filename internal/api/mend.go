package api

import (
	"fmt"

	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/finding"
)

// mendCode gives a finding's mend as code of the kits, for Go and for Rust; both
// are empty where the mend is not in the service's code.
func mendCode(c *charter.Charter, f finding.Finding) (inGo, inRust string) {
	switch charter.Rule(f.Key.Rule) {
	case charter.RuleMisspelledAttribute, charter.RuleDeprecatedAttribute, charter.RuleWrongType, charter.RuleMissingRequired:
		a, ok := c.Attribute(f.Name)
		if !ok {
			return "", ""
		}
		note := ""
		if f.Name != f.Key.Subject {
			note = "// instead of " + f.Key.Subject + "\n"
		}
		constructor, value := goValue(a.Type)
		return fmt.Sprintf("%sclew.Current(ctx).Set(clew.%s(%q, %s))", note, constructor, f.Name, value),
			fmt.Sprintf("%sclew::Span::current().set(%q, %s);", note, f.Name, rustValue(a.Type))
	case charter.RuleNameWithID:
		return "clew.Current(ctx).SetName(\"GET /orders/{id}\")   // the route, not the path\nclew.Current(ctx).Set(clew.String(\"shop.order.id\", id))",
			"clew::Span::current().set_name(\"GET /orders/{id}\");   // the route, not the path\nclew::Span::current().set(\"shop.order.id\", id);"
	case charter.RulePersonalData:
		if f.Severity != finding.Violation || f.Key.Subject != "(span name)" {
			return "", ""
		}
		return "clew.Current(ctx).SetName(\"charge card\")   // what is done, not for whom", "clew::Span::current().set_name(\"charge card\");   // what is done, not for whom"
	case charter.RuleErrorMarking:
		return fmt.Sprintf("clew.Current(ctx).Set(clew.String(\"error.type\", %q))", f.Key.Subject),
			fmt.Sprintf("clew::Span::current().set(\"error.type\", %q);", f.Key.Subject)
	}
	return "", ""
}

func goValue(t charter.AttributeType) (constructor, value string) {
	if element, template := t.Element(); template {
		t = element
	}
	switch t {
	case charter.TypeInt:
		return "Int", "n"
	case charter.TypeDouble:
		return "Float", "x"
	case charter.TypeBoolean:
		return "Bool", "yes"
	case charter.TypeStrings:
		return "Strings", "values"
	case charter.TypeInts:
		return "Ints", "values"
	case charter.TypeDoubles:
		return "Floats", "values"
	case charter.TypeBooleans:
		return "Bools", "values"
	}
	return "String", "text"
}

func rustValue(t charter.AttributeType) string {
	_, value := goValue(t)
	switch value {
	case "values":
		return "&values[..]"
	case "text":
		return "text"
	}
	return value
}
