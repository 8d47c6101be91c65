package otlp

import "github.com/clew-dev/clew/internal/telemetry"

// makeRows gives the resource and the scope of the span at hand their rows.
func (d *Decoder) makeRows() error {
	if !d.resource.made {
		if err := d.makeResource(); err != nil {
			return at(err, "resource")
		}
	}
	if !d.scope.made {
		if err := d.makeScope(); err != nil {
			return at(err, "scope")
		}
	}
	return nil
}

func (d *Decoder) makeResource() error {
	r, l := &d.resource, &d.resAttrs
	wireDropped, err := d.readResource()
	if err != nil {
		return err
	}
	r.row, r.made = d.b.Resources.AddRow(), true
	dropped := l.put(d, l.items, r.row) + l.dropped
	d.dropped(&d.b.Resources, r.row, wireDropped, dropped, &r.marks)
	d.intrinsicText(&d.b.Resources, telemetry.KeySchemaURL, r.row, d.mend(r.schema, d.lim.ValueBytes, &r.marks))
	return nil
}

// readResource collects the attributes of the resource and returns its dropped count.
func (d *Decoder) readResource() (dropped uint32, err error) {
	l := &d.resAttrs
	l.clear()
	l.begin()
	c := cursor{rest: d.resource.body}
	for i := 0; c.next(); {
		switch c.num {
		case 1:
			if !c.is(wireBytes) {
				break
			}
			if err := l.add(d, c.data, &d.resource.marks); err != nil {
				return 0, atIndex(err, "attributes", i)
			}
			i++
		case 2:
			if c.is(wireVarint) {
				dropped = uint32(c.value)
			}
		}
	}
	return dropped, c.err
}

func (d *Decoder) makeScope() error {
	r, l := &d.scope, &d.scopeAttr
	f, err := d.readScope()
	if err != nil {
		return err
	}
	r.row, r.made = d.b.Scopes.AddRow(), true
	dropped := l.put(d, l.items, r.row) + l.dropped
	d.dropped(&d.b.Scopes, r.row, f.dropped, dropped, &r.marks)
	d.intrinsicText(&d.b.Scopes, telemetry.KeyScopeName, r.row, d.mend(f.name, d.lim.ValueBytes, &r.marks))
	d.intrinsicText(&d.b.Scopes, telemetry.KeyScopeVersion, r.row, d.mend(f.version, d.lim.ValueBytes, &r.marks))
	d.intrinsicText(&d.b.Scopes, telemetry.KeySchemaURL, r.row, d.mend(r.schema, d.lim.ValueBytes, &r.marks))
	return nil
}

type scopeFields struct {
	name, version []byte
	dropped       uint32
}

// readScope collects the attributes of the scope and returns its other fields.
func (d *Decoder) readScope() (f scopeFields, err error) {
	l := &d.scopeAttr
	l.clear()
	l.begin()
	c := cursor{rest: d.scope.body}
	for i := 0; c.next(); {
		switch c.num {
		case 1:
			if c.is(wireBytes) {
				f.name = c.data
			}
		case 2:
			if c.is(wireBytes) {
				f.version = c.data
			}
		case 3:
			if !c.is(wireBytes) {
				break
			}
			if err := l.add(d, c.data, &d.scope.marks); err != nil {
				return f, atIndex(err, "attributes", i)
			}
			i++
		case 4:
			if c.is(wireVarint) {
				f.dropped = uint32(c.value)
			}
		}
	}
	return f, c.err
}

// checkResource reads a resource that has no span: it is not stored, and what would
// have been changed in it is not counted, but it must be well formed like the rest.
func (d *Decoder) checkResource() error {
	counts := d.report.Counts
	d.scratch = d.scratch[:0]
	_, err := d.readResource()
	d.report.Counts = counts
	if err != nil {
		return at(err, "resource")
	}
	return nil
}

func (d *Decoder) checkScope() error {
	counts := d.report.Counts
	d.scratch = d.scratch[:0]
	_, err := d.readScope()
	d.report.Counts = counts
	if err != nil {
		return at(err, "scope")
	}
	return nil
}

// dropped notes the attributes that the sender and the limits have dropped.
func (d *Decoder) dropped(t *telemetry.TableBuilder, row, sender uint32, ours int, marks *uint8) {
	if ours > 0 {
		*marks |= telemetry.MarkAttrsOverflow
	}
	d.intrinsicNum(t, telemetry.KeyDroppedAttributes, row, uint64(sender)+uint64(ours))
}

func (d *Decoder) intrinsicNum(t *telemetry.TableBuilder, key string, row uint32, v uint64) {
	if v > 0 {
		t.Col(telemetry.ScopeIntrinsic, []byte(key), telemetry.TypeInt).AddNum(row, v)
	}
}

func (d *Decoder) intrinsicText(t *telemetry.TableBuilder, key string, row uint32, v []byte) {
	if len(v) > 0 {
		t.Col(telemetry.ScopeIntrinsic, []byte(key), telemetry.TypeString).AddText(row, v)
	}
}
