package query

import "github.com/clew-dev/clew/internal/telemetry"

// Access gives a function that answers One for many rows: what depends on a
// name, resource or scope is looked up once for each of those.
func (r *Reader) Access(f Field) func(row int) Value {
	s := &r.b.Spans
	var of []uint32
	var n int
	switch {
	case f.Parent: // which has a row of its own
		return r.rowByRow(f)
	case f.Intrinsic == Name:
		of, n = s.Name, s.Names.Len()
	case f.Level() == LevelResource:
		of, n = s.Resource, r.b.Resources.N
	case f.Level() == LevelInstrumentation:
		of, n = s.Scope, r.b.Scopes.N
	default:
		return r.rowByRow(f)
	}
	known := make([]bool, n)
	vals := make([]Value, n)
	return func(row int) Value {
		id := of[row]
		if !known[id] {
			known[id] = true
			vals[id], _ = r.One(f, row)
		}
		return vals[id]
	}
}

func (r *Reader) rowByRow(f Field) func(row int) Value {
	return func(row int) Value {
		v, _ := r.One(f, row)
		return v
	}
}

// AccessNumber gives a function that answers Number for many rows.
func (r *Reader) AccessNumber(o Operand) func(row int) (Value, bool) {
	if ref, ok := o.(Ref); ok && ref.Field == (Field{Scope: telemetry.ScopeIntrinsic, Intrinsic: Duration}) {
		return func(row int) (Value, bool) {
			return Value{Type: TypeDuration, Int: r.b.Spans.Duration[row]}, true
		}
	}
	return func(row int) (Value, bool) { return r.Number(o, row) }
}
