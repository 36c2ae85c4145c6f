/*-------------------------------------------------------------------------
 *
 * deep_calls.c
 *		Users of a library that allocates behind many calls, and of the
 *		rarer functions of malloc's family.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "deep_calls.h"
#include "fmgr.h"

PG_MODULE_MAGIC;

/* Two functions that each keep what the library makes behind nine calls. */
PG_FUNCTION_INFO_V1(nine_bad);
Datum
nine_bad(PG_FUNCTION_ARGS)
{
	char	   *chunk = f9(PG_GETARG_INT32(0));

	chunk[0] = 'x';
	PG_RETURN_INT32(chunk[0]);
}

PG_FUNCTION_INFO_V1(nine_more_bad);
Datum
nine_more_bad(PG_FUNCTION_ARGS)
{
	char	   *chunk = f9(PG_GETARG_INT32(0));

	chunk[0] = 'y';
	PG_RETURN_INT32(chunk[0]);
}

PG_FUNCTION_INFO_V1(nine_ok);
Datum
nine_ok(PG_FUNCTION_ARGS)
{
	char	   *chunk = f9(PG_GETARG_INT32(0));

	chunk[0] = 'x';
	free(chunk);
	PG_RETURN_INT32('x');
}

/* The same behind as many calls as are asked for. */
PG_FUNCTION_INFO_V1(deep_bad);
Datum
deep_bad(PG_FUNCTION_ARGS)
{
	char	   *chunk = deep(PG_GETARG_INT32(0), PG_GETARG_INT32(1));

	chunk[0] = 'x';
	PG_RETURN_INT32(chunk[0]);
}

PG_FUNCTION_INFO_V1(deep_ok);
Datum
deep_ok(PG_FUNCTION_ARGS)
{
	char	   *chunk = deep(PG_GETARG_INT32(0), PG_GETARG_INT32(1));

	chunk[0] = 'x';
	free(chunk);
	PG_RETURN_INT32('x');
}

/* One chunk by a function of malloc's family, which is kept where "keeps". */
#define FAMILY(name, call) \
	PG_FUNCTION_INFO_V1(name); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		int32		size = PG_GETARG_INT32(0); \
		char	   *chunk = call; \
		if (chunk == NULL) \
			elog(ERROR, "out of memory"); \
		chunk[0] = 'x'; \
		if (!PG_GETARG_BOOL(1)) \
			free(chunk); \
		PG_RETURN_INT32('x'); \
	}

static void *
by_posix_memalign(size_t size)
{
	void	   *chunk = NULL;

	return posix_memalign(&chunk, 64, size) == 0 ? chunk : NULL;
}

static char *
by_strdup(size_t size)
{
	char		text[1024];

	memset(text, 'x', sizeof(text));
	text[Min(size, sizeof(text)) - 1] = '\0';
	return strdup(text);
}

FAMILY(by_reallocarray, reallocarray(NULL, 2, size / 2))
FAMILY(by_valloc, valloc(size))
FAMILY(by_pvalloc, pvalloc(size))
FAMILY(by_memalign, memalign(64, size))
FAMILY(by_aligned_alloc, aligned_alloc(8, size))
FAMILY(by_posix_memalign_of, by_posix_memalign(size))
FAMILY(by_strdup_of, by_strdup(size))
