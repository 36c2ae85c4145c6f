/*
 * Caches that are full: what is put in takes the place of what was there before. The bad twins keep what they should have
 * given back.
 */
#include "postgres.h"

#include <stdlib.h>

#include "fmgr.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(palloc_ring);
PG_FUNCTION_INFO_V1(palloc_ring_bad);
PG_FUNCTION_INFO_V1(malloc_ring);
PG_FUNCTION_INFO_V1(malloc_ring_bad);
PG_FUNCTION_INFO_V1(replaced);
PG_FUNCTION_INFO_V1(replaced_bad);
PG_FUNCTION_INFO_V1(remade);
PG_FUNCTION_INFO_V1(remade_bad);

#define SLOTS 64
#define ENTRY 100

typedef struct Ring
{
	void	   *slots[SLOTS];
	unsigned	next;
} Ring;

static Ring palloced, malloced;

/* The slot whose turn it is. */
static void **
turn(Ring *ring)
{
	return &ring->slots[ring->next++ % SLOTS];
}

Datum
palloc_ring(PG_FUNCTION_ARGS)
{
	void	  **slot = turn(&palloced);

	if (*slot)
		pfree(*slot);
	*slot = MemoryContextAlloc(TopMemoryContext, ENTRY);
	PG_RETURN_VOID();
}

/* The old entry stays, unreachable. */
Datum
palloc_ring_bad(PG_FUNCTION_ARGS)
{
	*turn(&palloced) = MemoryContextAlloc(TopMemoryContext, ENTRY);
	PG_RETURN_VOID();
}

Datum
malloc_ring(PG_FUNCTION_ARGS)
{
	void	  **slot = turn(&malloced);

	free(*slot);
	*slot = malloc(ENTRY);
	PG_RETURN_VOID();
}

Datum
malloc_ring_bad(PG_FUNCTION_ARGS)
{
	*turn(&malloced) = malloc(ENTRY);
	PG_RETURN_VOID();
}

static void *current;

Datum
replaced(PG_FUNCTION_ARGS)
{
	void	   *fresh = MemoryContextAllocZero(TopMemoryContext, 70000);

	if (current)
		pfree(current);
	current = fresh;
	PG_RETURN_VOID();
}

Datum
replaced_bad(PG_FUNCTION_ARGS)
{
	current = MemoryContextAllocZero(TopMemoryContext, 70000);
	PG_RETURN_VOID();
}

static MemoryContext home;

/* A context with something in it. */
static MemoryContext
make(void)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "rings cache", ALLOCSET_DEFAULT_SIZES);

	MemoryContextAlloc(context, 1000);
	return context;
}

Datum
remade(PG_FUNCTION_ARGS)
{
	MemoryContext fresh = make();

	if (home)
		MemoryContextDelete(home);
	home = fresh;
	PG_RETURN_VOID();
}

Datum
remade_bad(PG_FUNCTION_ARGS)
{
	home = make();
	PG_RETURN_VOID();
}
