package store

// Abandon ends the background work and forgets everything that is not on disk,
// as a crash would, so that the folder can be opened again in the same process.
func (e *Embedded) Abandon() {
	e.mu.Lock()
	done := e.closed
	e.closed = true
	e.mu.Unlock()
	if done {
		return
	}
	e.stop()
	e.loops.Wait()
	e.duck.Close()
	e.manifest.journal.Close()
	e.log.Close()
}
