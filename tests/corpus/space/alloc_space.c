/*-------------------------------------------------------------------------
 *
 * alloc_space.c
 *		The space that chunks of every function of the allocator take.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <malloc.h>
#include <stdlib.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

/* The size of the chunks of of_slab */
#define SLAB_CHUNK_SIZE		64

/* What every byte of a chunk is set to */
#define CONTENTS			0x5a

/* What has been made */
typedef struct Made
{
	int			chunks;
	Size		least_space;
} Made;

/* Counts a chunk that takes so much space. */
static void
count(Made *made, Size space)
{
	made->chunks++;
	if (made->least_space == 0 || space < made->least_space)
		made->least_space = space;
}

/* The number of the chunks and their space, in one allocation */
static Datum
as_array(Made made)
{
	Datum		values[2] = {Int32GetDatum(made.chunks), Int32GetDatum((int32) made.least_space)};

	return PointerGetDatum(construct_array(values, 2, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

/*
 * A function NAME(bytes, n) that evaluates "allocate" n times, and counts the
 * chunks by "space_of"
 */
#define SPACE(name, allocate, space_of) \
	PG_FUNCTION_INFO_V1(name); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		Size		bytes = PG_GETARG_INT32(0); \
		int32		n = PG_GETARG_INT32(1); \
		Made		made = {0}; \
		\
		for (int i = 0; i < n; i++) \
		{ \
			void	   *chunk = allocate; \
			\
			if (chunk == NULL) \
				continue; \
			memset(chunk, CONTENTS, bytes); \
			count(&made, space_of(chunk)); \
		} \
		return as_array(made); \
	} \
	extern int	no_such_variable

/*
 * Contexts
 */

static MemoryContext
generation_context(void)
{
	static MemoryContext context = NULL;

	if (context == NULL)
		context = GenerationContextCreate(TopMemoryContext, "alloc_space generation",
										  ALLOCSET_DEFAULT_SIZES);
	return context;
}

static MemoryContext
slab_context(void)
{
	static MemoryContext context = NULL;

	if (context == NULL)
		context = SlabContextCreate(TopMemoryContext, "alloc_space slab",
									SLAB_DEFAULT_BLOCK_SIZE, SLAB_CHUNK_SIZE);
	return context;
}

/* A context that may be allocated from in a critical section */
static MemoryContext
critical_context(void)
{
	static MemoryContext context = NULL;

	if (context == NULL)
	{
		context = AllocSetContextCreate(TopMemoryContext, "alloc_space critical",
										ALLOCSET_DEFAULT_SIZES);
		MemoryContextAllowInCriticalSection(context, true);
	}
	return context;
}

static pg_noinline void *
allocate_in_critical_section(Size bytes)
{
	MemoryContext context = critical_context();
	void	   *chunk;

	START_CRIT_SECTION();
	chunk = MemoryContextAlloc(context, bytes);
	END_CRIT_SECTION();
	return chunk;
}

SPACE(of_palloc, MemoryContextAlloc(TopMemoryContext, bytes), GetMemoryChunkSpace);
SPACE(of_palloc0, MemoryContextAllocZero(TopMemoryContext, bytes), GetMemoryChunkSpace);
SPACE(of_no_oom, MemoryContextAllocExtended(TopMemoryContext, bytes, MCXT_ALLOC_NO_OOM),
	  GetMemoryChunkSpace);
SPACE(of_huge, MemoryContextAllocHuge(TopMemoryContext, bytes), GetMemoryChunkSpace);
SPACE(of_generation, MemoryContextAlloc(generation_context(), bytes), GetMemoryChunkSpace);
SPACE(of_slab, MemoryContextAlloc(slab_context(), bytes), GetMemoryChunkSpace);
SPACE(of_error_context, MemoryContextAlloc(ErrorContext, bytes), GetMemoryChunkSpace);
SPACE(of_critical_section, allocate_in_critical_section(bytes), GetMemoryChunkSpace);

/* A chunk of a bump context knows nothing of its size: counts the distance to the one before. */
PG_FUNCTION_INFO_V1(of_bump);
Datum
of_bump(PG_FUNCTION_ARGS)
{
#if PG_VERSION_NUM >= 170000
	static MemoryContext context = NULL;
	Size		bytes = PG_GETARG_INT32(0);
	int32		n = PG_GETARG_INT32(1);
	char	   *before = NULL;
	Made		made = {0};

	if (context == NULL)
		context = BumpContextCreate(TopMemoryContext, "alloc_space bump", ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < n; i++)
	{
		char	   *chunk = MemoryContextAlloc(context, bytes);

		memset(chunk, CONTENTS, bytes);
		/* Where a new block has been begun, it is farther away, or before it. */
		count(&made, chunk > before && before != NULL ? chunk - before : PG_INT32_MAX);
		before = chunk;
	}
	return as_array(made);
#else
	elog(ERROR, "there are no bump contexts before PostgreSQL 17");
#endif
}

PG_FUNCTION_INFO_V1(of_largest);
Datum
of_largest(PG_FUNCTION_ARGS)
{
	Made		made = {0};
	void	   *chunk = MemoryContextAllocExtended(TopMemoryContext, MaxAllocSize, MCXT_ALLOC_NO_OOM);

	if (chunk != NULL)
	{
		count(&made, GetMemoryChunkSpace(chunk));
		pfree(chunk);
	}
	return as_array(made);
}

/* Checks that a chunk of so many bytes holds what it was filled with. */
static void
check_contents(const char *chunk, Size bytes)
{
	for (Size i = 0; i < bytes; i++)
		if (chunk[i] != CONTENTS)
			elog(ERROR, "byte %zu of a chunk of %zu has changed", i, bytes);
}

PG_FUNCTION_INFO_V1(of_repalloc);
Datum
of_repalloc(PG_FUNCTION_ARGS)
{
	Size		bytes = PG_GETARG_INT32(0);
	int32		n = PG_GETARG_INT32(1);
	Size		present = bytes / (n + 1);
	char	   *chunk = MemoryContextAlloc(TopMemoryContext, present);
	Made		made = {0};

	memset(chunk, CONTENTS, present);
	for (int i = 2; i <= n + 1; i++)
	{
		Size		wanted = bytes * i / (n + 1);

		chunk = repalloc(chunk, wanted);
		check_contents(chunk, present);
		memset(chunk, CONTENTS, wanted);
		present = wanted;
		made.chunks++;
	}
	made.least_space = GetMemoryChunkSpace(chunk);
	return as_array(made);
}

/*
 * The heap
 */

static pg_noinline void *
aligned_chunk(Size bytes)
{
	void	   *chunk = NULL;

	return posix_memalign(&chunk, 64, bytes) == 0 ? chunk : NULL;
}

SPACE(of_malloc, malloc(bytes), malloc_usable_size);
SPACE(of_calloc, calloc(bytes, 1), malloc_usable_size);
SPACE(of_posix_memalign, aligned_chunk(bytes), malloc_usable_size);
SPACE(of_aligned_alloc, aligned_alloc(64, bytes), malloc_usable_size);
SPACE(of_memalign, memalign(64, bytes), malloc_usable_size);

PG_FUNCTION_INFO_V1(of_realloc);
Datum
of_realloc(PG_FUNCTION_ARGS)
{
	Size		bytes = PG_GETARG_INT32(0);
	int32		n = PG_GETARG_INT32(1);
	Size		present = bytes / (n + 1);
	char	   *chunk = malloc(present);
	Made		made = {0};

	if (chunk == NULL)
		return as_array(made);
	memset(chunk, CONTENTS, present);
	for (int i = 2; i <= n + 1; i++)
	{
		Size		wanted = bytes * i / (n + 1);
		char	   *larger = realloc(chunk, wanted);

		if (larger == NULL)
		{
			check_contents(chunk, present);
			continue;
		}
		chunk = larger;
		check_contents(chunk, present);
		memset(chunk, CONTENTS, wanted);
		present = wanted;
		made.chunks++;
	}
	made.least_space = malloc_usable_size(chunk);
	return as_array(made);
}
