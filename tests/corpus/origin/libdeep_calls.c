/*-------------------------------------------------------------------------
 *
 * libdeep_calls.c
 *		A library that knows nothing of PostgreSQL, and allocates behind many
 *		calls within itself.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>

#include "deep_calls.h"

/* Something to do behind a call, so that it is none that could be left out. */
#define STAYS(chunk) __asm__ volatile("" : "+r"(chunk))

#define CALLS(name, next) \
	static __attribute__((noinline)) void *name(size_t size) \
	{ \
		void *chunk = next(size); \
		STAYS(chunk); \
		return chunk; \
	}

CALLS(f0, malloc)
CALLS(f1, f0)
CALLS(f2, f1)
CALLS(f3, f2)
CALLS(f4, f3)
CALLS(f5, f4)
CALLS(f6, f5)
CALLS(f7, f6)
CALLS(f8, f7)

/* f9 -> f8 -> .. -> f0 -> malloc */
void *
f9(size_t size)
{
	void	   *chunk = f8(size);

	STAYS(chunk);
	return chunk;
}

/* The same behind so many calls. */
__attribute__((noinline)) void *
deep(int calls, size_t size)
{
	void	   *chunk = calls > 1 ? deep(calls - 1, size) : malloc(size);

	STAYS(chunk);
	return chunk;
}
