/*-------------------------------------------------------------------------
 *
 * own_allocator.c
 *		A library that allocates through variables, which begin as malloc and
 *		its family and which it then sets to functions of its own, as users of
 *		PCRE, libxml2, libcurl and jansson do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "fmgr.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

/* Functions of one allocator: what one of them makes goes to the others. */
typedef struct Allocator
{
	void	   *(*alloc) (size_t size);
	void	   *(*resize) (void *chunk, size_t size);
	void		(*release) (void *chunk);
} Allocator;

/* What is in use, and one that is chosen by a call. */
static Allocator used = {malloc, realloc, free};
static Allocator chosen = {malloc, realloc, free};

/* Set to nothing by _PG_init, and filled by name at the first call. */
static void *(*by_name) (size_t size) = malloc;
static void *(*no_longer) (size_t size) = malloc;

/* One that nobody changes. */
static void *(*volatile still_malloc) (size_t size) = malloc;
static void (*volatile still_free) (void *chunk) = free;

static void *
alloc_in_top(size_t size)
{
	return MemoryContextAlloc(TopMemoryContext, size);
}

static void *
resize_in_top(void *chunk, size_t size)
{
	return chunk == NULL ? alloc_in_top(size) : repalloc(chunk, size);
}

static void
release_in_top(void *chunk)
{
	if (chunk != NULL)
		pfree(chunk);
}

void
_PG_init(void)
{
	used.alloc = alloc_in_top;
	used.resize = resize_in_top;
	used.release = release_in_top;
	no_longer = NULL;
	by_name = NULL;
}

/* Whether the variables are what the library has set them to. */
PG_FUNCTION_INFO_V1(are_own);
Datum
are_own(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(used.alloc == alloc_in_top && used.resize == resize_in_top &&
				   used.release == release_in_top && no_longer == NULL);
}

/* Chunks of the library's allocator go to palloc's, and the other way. */
PG_FUNCTION_INFO_V1(mixes_ok);
Datum
mixes_ok(PG_FUNCTION_ARGS)
{
	int32		size = PG_GETARG_INT32(0);
	char	   *chunk = used.alloc(size);

	chunk = repalloc(chunk, 2 * size);
	chunk = used.resize(chunk, 3 * size);
	pfree(chunk);
	used.release(MemoryContextAlloc(TopMemoryContext, size));
	PG_RETURN_INT32(size);
}

/* A chunk of the library's allocator is kept. */
PG_FUNCTION_INFO_V1(keeps_bad);
Datum
keeps_bad(PG_FUNCTION_ARGS)
{
	char	   *chunk = used.alloc(PG_GETARG_INT32(0));

	chunk[0] = 'x';
	PG_RETURN_INT32(chunk[0]);
}

/* Chooses the functions: "palloc", "malloc", or malloc's as the linker finds them. */
PG_FUNCTION_INFO_V1(choose);
Datum
choose(PG_FUNCTION_ARGS)
{
	switch (PG_GETARG_INT32(0))
	{
		case 0:
			chosen = (Allocator) {malloc, realloc, free};
			break;
		case 1:
			chosen = used;
			break;
		default:
			chosen.alloc = (void *(*) (size_t)) dlsym(RTLD_DEFAULT, "malloc");
			chosen.resize = (void *(*) (void *, size_t)) dlsym(RTLD_DEFAULT, "realloc");
			chosen.release = (void (*) (void *)) dlsym(RTLD_DEFAULT, "free");
	}
	PG_RETURN_VOID();
}

/* A chunk is made, made larger and given back by what was chosen. */
PG_FUNCTION_INFO_V1(chosen_ok);
Datum
chosen_ok(PG_FUNCTION_ARGS)
{
	int32		size = PG_GETARG_INT32(0);
	char	   *chunk = chosen.resize(chosen.alloc(size), 3 * size);

	chunk[0] = 'x';
	chosen.release(chunk);
	PG_RETURN_INT32(size);
}

/* The same where the library's own have been chosen: they are palloc's. */
PG_FUNCTION_INFO_V1(chosen_own_ok);
Datum
chosen_own_ok(PG_FUNCTION_ARGS)
{
	int32		size = PG_GETARG_INT32(0);
	char	   *chunk = chosen.alloc(size);

	chunk[0] = 'x';
	pfree(chunk);
	chosen.release(MemoryContextAlloc(TopMemoryContext, size));
	PG_RETURN_INT32(size);
}

/* A variable that began as malloc, was empty, and was filled by name. */
PG_FUNCTION_INFO_V1(by_name_ok);
Datum
by_name_ok(PG_FUNCTION_ARGS)
{
	char	   *chunk;

	if (by_name == NULL)
		by_name = (void *(*) (size_t)) dlsym(RTLD_DEFAULT, "malloc");
	chunk = by_name(PG_GETARG_INT32(0));
	chunk[0] = 'x';
	still_free(chunk);
	PG_RETURN_INT32('x');
}

/* By the variables that nobody has changed, what is kept is malloc's. */
PG_FUNCTION_INFO_V1(still_malloc_bad);
Datum
still_malloc_bad(PG_FUNCTION_ARGS)
{
	char	   *chunk = still_malloc(PG_GETARG_INT32(0));

	chunk[0] = 'x';
	PG_RETURN_INT32(chunk[0]);
}
