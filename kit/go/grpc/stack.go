package clewgrpc

// room is about as much stack as a handler of an ordinary call uses: with frames of its callers it makes 16 KB, the largest stack that the
// runtime keeps ready for each thread.
const room = 8 << 10

// makeRoom grows the stack of its goroutine when there is less than room left. gRPC serves each call in a goroutine of its own, which begins
// with a stack of 2 KB, and the runtime copies it at each doubling, frame by frame, so what grows it once, while few frames are on it, saves
// the copies that the span and the handler would cause later. A function's whole frame is asked for when it is entered, and nothing is
// written to what is not used, so it is enough to have the frame. A goroutine that lives on gives back what it does not use at the next
// collection of garbage; streams, which live long and wait, do not ask for it.
//
//go:noinline
func makeRoom(use bool) byte {
	if !use {
		return 0
	}
	var frame [room]byte
	return touch(&frame)
}

//go:noinline
func touch(frame *[room]byte) byte { return frame[len(frame)-1] }
