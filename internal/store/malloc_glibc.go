//go:build linux && cgo

package store

/*
#include <malloc.h>

// DuckDB allocates with malloc from every thread that runs one of its tasks, and glibc gives each thread an arena, up to eight a
// core, that keeps what it once had.
static void few_arenas(void) {
#ifdef __GLIBC__
	mallopt(M_ARENA_MAX, 2);
#endif
}

static void give_back(void) {
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}
*/
import "C"

// fewArenas bounds in how many places freed memory of DuckDB is kept. It counts for threads that begin later.
func fewArenas() { C.few_arenas() }

// giveBack returns freed memory of DuckDB to the system.
func giveBack() { C.give_back() }
