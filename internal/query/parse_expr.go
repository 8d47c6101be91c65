package query

// expr reads an expression whose operators bind at least as tightly as rank.
func (p *parser) expr(rank int) (*node, error) {
	switch {
	case rank == rankOr:
		return p.chain(rankAnd, "||", nodeAny)
	case rank == rankAnd:
		return p.chain(rankCompare, "&&", nodeAll)
	case rank == rankCompare:
		return p.compare()
	case rank >= rankUnary:
		return p.unary()
	}
	left, err := p.expr(rank + 1)
	if err != nil {
		return nil, err
	}
	for p.tok.kind == tokOp && isArithmetic(p.tok.text) && rankOf(p.tok.text) == rank {
		n := &node{kind: nodeBinary, pos: p.tok.pos, op: p.tok.text}
		if err := p.advance(); err != nil {
			return nil, err
		}
		right, err := p.expr(rank + 1)
		if err != nil {
			return nil, err
		}
		if left, err = p.join(n, left, right); err != nil {
			return nil, err
		}
	}
	return left, nil
}

// join gives a node its children. A long chain such as 1+1+1… is a deep tree
// although nothing in it is nested, so depth is counted here as well.
func (p *parser) join(n *node, kids ...*node) (*node, error) {
	n.kids = kids
	for _, k := range kids {
		n.depth = max(n.depth, k.depth+1)
	}
	if n.depth > MaxDepth {
		return nil, p.lex.fail(n.pos, "the expression is over %d deep: split it", MaxDepth)
	}
	return n, nil
}

func isArithmetic(op string) bool {
	return op == "+" || op == "-" || op == "*" || op == "/" || op == "%" || op == "^"
}

// chain reads a && b && c as one node with three children: the depth of the tree
// does not grow with its length.
func (p *parser) chain(inner int, op string, kind nodeKind) (*node, error) {
	first, err := p.expr(inner)
	if err != nil || !p.is(op) {
		return first, err
	}
	n := &node{kind: kind, pos: p.tok.pos, op: op}
	kids := []*node{first}
	for p.is(op) {
		if err := p.advance(); err != nil {
			return nil, err
		}
		k, err := p.expr(inner)
		if err != nil {
			return nil, err
		}
		kids = append(kids, k)
	}
	return p.join(n, kids...)
}

func (p *parser) compare() (*node, error) {
	left, err := p.expr(rankSum)
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokOp {
		return left, nil
	}
	if _, ok := opByName(p.tok.text); !ok {
		return left, nil
	}
	n := &node{kind: nodeBinary, pos: p.tok.pos, op: p.tok.text}
	if err := p.advance(); err != nil {
		return nil, err
	}
	right, err := p.expr(rankSum)
	if err != nil {
		return nil, err
	}
	if p.tok.kind == tokOp {
		if _, ok := opByName(p.tok.text); ok {
			return nil, p.fail("comparisons do not chain: write a < b && b < c")
		}
	}
	return p.join(n, left, right)
}

// unary reads signs; a power binds tighter, so that -2 ^ 2 is -4.
func (p *parser) unary() (*node, error) {
	if p.is("!") || p.is("-") {
		n := &node{kind: nodeUnary, pos: p.tok.pos, op: p.tok.text}
		if err := p.enter(); err != nil {
			return nil, err
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
		kid, err := p.unary()
		if err != nil {
			return nil, err
		}
		p.nested--
		return p.join(n, kid)
	}
	left, err := p.operand()
	if err != nil || !p.is("^") {
		return left, err
	}
	n := &node{kind: nodeBinary, pos: p.tok.pos, op: "^"}
	if err := p.enter(); err != nil {
		return nil, err
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	right, err := p.unary()
	if err != nil {
		return nil, err
	}
	p.nested--
	return p.join(n, left, right)
}

func (p *parser) operand() (*node, error) {
	n := &node{pos: p.tok.pos}
	switch {
	case p.tok.kind == tokValue:
		n.kind, n.value = nodeValue, p.tok.value
		return n, p.advance()
	case p.tok.kind == tokField:
		n.kind, n.field = nodeField, p.tok.field
		return n, p.advance()
	case p.tok.kind == tokWord:
		return nil, p.fail("%s", needsScope(p.tok.text))
	case p.is("("):
		if err := p.enter(); err != nil {
			return nil, err
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
		inner, err := p.expr(rankOr)
		if err != nil {
			return nil, err
		}
		p.nested--
		return inner, p.expect(")", "to close the parenthesis")
	case p.is("="):
		return nil, p.fail("%s where a field or value is due: equality is one =", p.seen())
	}
	return nil, p.fail("%s where a field or value is due", p.seen())
}
