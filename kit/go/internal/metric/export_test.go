package metric

// NextInterval begins a new interval of exemplars, as a collection does.
func (e *Engine) NextInterval() { e.interval.Add(1) }
