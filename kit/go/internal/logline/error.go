package logline

// Err sets the error of the event: its message, then those of what it wraps, depth first. The last error set counts.
// The redaction of the key applies to each message. Of a chain that is longer than MaxErrors the rest is left out and
// counts as one.
func (l *Line) Err(key string, err error) {
	if r := l.beginErrors(key); !r.drops() {
		l.addError(err, r)
	}
}

// ErrText sets the error of the event where only messages are known.
func (l *Line) ErrText(key string, messages ...string) {
	if r := l.beginErrors(key); !r.drops() {
		for _, message := range messages {
			if !l.addMessage(message, r) {
				return
			}
		}
	}
}

func (l *Line) beginErrors(key string) rule {
	clear(l.errors[:l.errorCount])
	l.errorCount, l.errorLoss = 0, 0
	return l.rule(key)
}

// addError adds an error and all it wraps, and says whether there is room for more. A chain that bites its tail ends there.
func (l *Line) addError(err error, r rule) bool {
	if !l.addMessage(textOfError(err), r) {
		return false
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if cause := unwrap(e); cause != nil {
			return l.addError(cause, r)
		}
	case interface{ Unwrap() []error }:
		for _, cause := range unwrapMany(e) {
			if cause != nil && !l.addError(cause, r) {
				return false
			}
		}
	}
	return true
}

func (l *Line) addMessage(message string, r rule) bool {
	if l.errorCount == MaxErrors {
		l.errorLoss++
		return false
	}
	v, loss := r.text(message)
	l.errors[l.errorCount] = v
	l.errorCount++
	l.errorLoss += loss
	return true
}

// The methods of an error are foreign code: what panics has no more causes.

func unwrap(e interface{ Unwrap() error }) (cause error) {
	defer func() { _ = recover() }()
	return e.Unwrap()
}

func unwrapMany(e interface{ Unwrap() []error }) (causes []error) {
	defer func() { _ = recover() }()
	return e.Unwrap()
}
