/* Chunks of every kind, allocated and given back in every order. What each function does is said in storm--1.0.sql. */

#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

/* Where a chunk is from. The first ones are contexts. */
enum Origin
{
	SET, GENERATION, SLAB, BUMP, CONTEXTS,
	HEAP = CONTEXTS, ORIGINS
};

#define SLAB_SIZE 72

typedef struct Chunk
{
	unsigned char *start;
	size_t		size;
	int			origin;
	unsigned char filled;
	bool		aligned;
} Chunk;

static MemoryContext contexts[CONTEXTS];
static uint64 state;

static uint32
chance(uint32 below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 16) % below;
}

static MemoryContext
make_context(int origin)
{
	switch (origin)
	{
		case GENERATION:
			return GenerationContextCreate(CurrentMemoryContext, "storm generation", ALLOCSET_SMALL_SIZES);
		case SLAB:
			return SlabContextCreate(CurrentMemoryContext, "storm slab", SLAB_DEFAULT_BLOCK_SIZE, SLAB_SIZE);
#if PG_VERSION_NUM >= 170000
		case BUMP:
			return BumpContextCreate(CurrentMemoryContext, "storm bump", ALLOCSET_SMALL_SIZES);
#endif
		default:
			return AllocSetContextCreate(CurrentMemoryContext, "storm set", ALLOCSET_SMALL_SIZES);
	}
}

/* Whether its chunks can be given back by themselves. */
static bool
is_bump(int origin)
{
	return origin == BUMP && PG_VERSION_NUM >= 170000;
}

static size_t
size_of(int origin)
{
	if (origin == SLAB)
		return SLAB_SIZE;
	switch (chance(20))
	{
		case 0:
			return chance(40000);
		case 1:
		case 2:
			return chance(5000);
		default:
			return chance(200);
	}
}

static void
fill(Chunk *chunk)
{
	chunk->filled = 1 + chance(255);
	memset(chunk->start, chunk->filled, chunk->size);
}

/* Looks whether a chunk still has what was written into its first bytes, and is what the server says. */
static void
check(Chunk *chunk, size_t size)
{
	for (size_t at = 0; at < size; at++)
		if (chunk->start[at] != chunk->filled)
			elog(ERROR, "byte %zu of a chunk of %zu bytes is %d and was %d", at, chunk->size, chunk->start[at], chunk->filled);
	if ((uintptr_t) chunk->start % (chunk->origin == HEAP ? 16 : MAXIMUM_ALIGNOF) != 0)
		elog(ERROR, "a chunk is not aligned");
	if (chunk->aligned && (uintptr_t) chunk->start % 128 != 0)
		elog(ERROR, "a chunk is not aligned as was asked");
	if (chunk->origin >= CONTEXTS || is_bump(chunk->origin))
		return;
	if (GetMemoryChunkContext(chunk->start) != contexts[chunk->origin])
		elog(ERROR, "a chunk is said to be in another context");
	if (GetMemoryChunkSpace(chunk->start) < chunk->size)
		elog(ERROR, "a chunk is said to be smaller than it is");
}

static void
allocate(Chunk *chunk)
{
	bool		zero = chance(2);

	chunk->origin = chance(ORIGINS);
	chunk->size = size_of(chunk->origin);
	chunk->aligned = false;
	if (chunk->origin == HEAP)
	{
		void	   *start;

		if (chance(8) == 0)
		{
			chunk->aligned = true;
			zero = false;
			if (posix_memalign(&start, 128, chunk->size) != 0)
				start = NULL;
		}
		else
			start = zero ? calloc(1, chunk->size) : malloc(chunk->size);
		chunk->start = start;
		if (start == NULL && chunk->size > 0)
			elog(ERROR, "no memory");
	}
#if PG_VERSION_NUM >= 160000
	else if (chunk->origin != SLAB && !is_bump(chunk->origin) && chance(8) == 0)
	{
		chunk->aligned = true;
		chunk->start = MemoryContextAllocAligned(contexts[chunk->origin], chunk->size, 128, zero ? MCXT_ALLOC_ZERO : 0);
	}
#endif
	else if (zero)
		chunk->start = MemoryContextAllocZero(contexts[chunk->origin], chunk->size);
	else
		chunk->start = MemoryContextAlloc(contexts[chunk->origin], chunk->size);
	if (zero)
	{
		chunk->filled = 0;
		check(chunk, chunk->size);
	}
	fill(chunk);
}

static void
enlarge(Chunk *chunk)
{
	size_t		before = chunk->size;
	size_t		size = chunk->origin == SLAB ? before : 1 + size_of(chunk->origin);

	if (chunk->origin != HEAP)
		chunk->start = repalloc(chunk->start, size);
	else
	{
		chunk->start = realloc(chunk->start, size);
		chunk->aligned = false;
	}
	chunk->size = size;
	check(chunk, Min(before, size));
	fill(chunk);
}

static void
give_back(Chunk *chunk)
{
	check(chunk, chunk->size);
	if (chunk->origin == HEAP)
		free(chunk->start);
	else if (!is_bump(chunk->origin))
		pfree(chunk->start);
	chunk->start = NULL;
}

/* Empties a context, or deletes it and makes another. */
static void
empty(int origin, Chunk *chunks, int live)
{
	for (int i = 0; i < live; i++)
		if (chunks[i].start != NULL && chunks[i].origin == origin)
		{
			check(&chunks[i], chunks[i].size);
			chunks[i].start = NULL;
		}
	if (chance(2))
		MemoryContextReset(contexts[origin]);
	else
	{
		MemoryContextDelete(contexts[origin]);
		contexts[origin] = make_context(origin);
	}
}

PG_FUNCTION_INFO_V1(storm);
Datum
storm(PG_FUNCTION_ARGS)
{
	int64		steps = PG_GETARG_INT64(0);
	int			live = PG_GETARG_INT32(1);
	Chunk	   *chunks = palloc0(live * sizeof(Chunk));
	int64		made = 0;

	state = PG_GETARG_INT32(2) * UINT64CONST(0x9E3779B97F4A7C15) | 1;
	for (int origin = 0; origin < CONTEXTS; origin++)
		contexts[origin] = make_context(origin);
	for (int64 step = 0; step < steps; step++)
	{
		Chunk	   *chunk = &chunks[chance(live)];

		CHECK_FOR_INTERRUPTS();
		if (chance(live) == 0)
			empty(chance(CONTEXTS), chunks, live);
		else if (chunk->start == NULL)
		{
			allocate(chunk);
			made++;
		}
		else if (chance(4) == 0 && !is_bump(chunk->origin))
		{
			check(chunk, chunk->size);
			enlarge(chunk);
			made++;
		}
		else
			give_back(chunk);
	}
	for (int i = 0; i < live; i++)
		if (chunks[i].start != NULL)
			give_back(&chunks[i]);
	for (int origin = 0; origin < CONTEXTS; origin++)
		MemoryContextDelete(contexts[origin]);
	pfree(chunks);
	PG_RETURN_INT64(made);
}

#define KEPT_SIZE 64

static void **kept;
static int	number_kept;
static void **held;
static int	number_held;

PG_FUNCTION_INFO_V1(keep);
Datum
keep(PG_FUNCTION_ARGS)
{
	while (number_kept > 0)
		pfree(kept[--number_kept]);
	if (kept != NULL)
		pfree(kept);
	kept = MemoryContextAlloc(TopMemoryContext, PG_GETARG_INT32(0) * sizeof(void *));
	while (number_kept < PG_GETARG_INT32(0))
		kept[number_kept++] = MemoryContextAllocZero(TopMemoryContext, KEPT_SIZE);
	PG_RETURN_INT32(number_kept);
}

PG_FUNCTION_INFO_V1(hold);
Datum
hold(PG_FUNCTION_ARGS)
{
	while (number_held > 0)
		free(held[--number_held]);
	held = realloc(held, (PG_GETARG_INT32(0) + 1) * sizeof(void *));
	while (number_held < PG_GETARG_INT32(0))
		held[number_held++] = malloc(KEPT_SIZE);
	PG_RETURN_INT32(number_held);
}

PG_FUNCTION_INFO_V1(slab_of_another_size);
Datum
slab_of_another_size(PG_FUNCTION_ARGS)
{
	MemoryContext slab = make_context(SLAB);

	MemoryContextAlloc(slab, SLAB_SIZE);
	MemoryContextAlloc(slab, PG_GETARG_INT32(0));
	MemoryContextDelete(slab);
	PG_RETURN_INT32(0);
}

PG_FUNCTION_INFO_V1(slab_to_another_size);
Datum
slab_to_another_size(PG_FUNCTION_ARGS)
{
	MemoryContext slab = make_context(SLAB);
	void	   *chunk;

	MemoryContextAlloc(slab, SLAB_SIZE);
	chunk = MemoryContextAlloc(slab, SLAB_SIZE);
	chunk = repalloc(chunk, PG_GETARG_INT32(0));
	MemoryContextDelete(slab);
	PG_RETURN_INT32(0);
}

PG_FUNCTION_INFO_V1(bump_freed);
Datum
bump_freed(PG_FUNCTION_ARGS)
{
	MemoryContext bump = make_context(BUMP);

	pfree(MemoryContextAlloc(bump, 64));
	MemoryContextDelete(bump);
	PG_RETURN_INT32(0);
}
