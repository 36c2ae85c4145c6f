/*-------------------------------------------------------------------------
 *
 * tail_calls.c
 *		Functions whose last call allocates. Compilers make it a jump, so
 *		that no frame of the library is on the stack then.
 *
 * What a function returns is the address of what it has made, as a number.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <stdlib.h>
#include <string.h>

#include "access/xact.h"
#include "deep_calls.h"
#include "fmgr.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

PG_MODULE_MAGIC;

#define SIZE PG_GETARG_INT32(0)

/* In TopMemoryContext; the twin in the context of the call. */
PG_FUNCTION_INFO_V1(last_alloc_bad);
Datum
last_alloc_bad(PG_FUNCTION_ARGS)
{
	return PointerGetDatum(MemoryContextAlloc(TopMemoryContext, SIZE));
}

PG_FUNCTION_INFO_V1(last_alloc_ok);
Datum
last_alloc_ok(PG_FUNCTION_ARGS)
{
	return PointerGetDatum(MemoryContextAlloc(CurrentMemoryContext, SIZE));
}

/* The same by two functions more, which jump to the same function. */
PG_FUNCTION_INFO_V1(last_alloc_other_bad);
Datum
last_alloc_other_bad(PG_FUNCTION_ARGS)
{
	return PointerGetDatum(MemoryContextAlloc(TopMemoryContext, 2 * SIZE));
}

static pg_noinline Datum
helper(int32 size)
{
	return PointerGetDatum(MemoryContextAlloc(TopMemoryContext, size + 8));
}

PG_FUNCTION_INFO_V1(last_helper_bad);
Datum
last_helper_bad(PG_FUNCTION_ARGS)
{
	return helper(SIZE);
}

/* One of two jumps of one function. */
PG_FUNCTION_INFO_V1(last_either_bad);
Datum
last_either_bad(PG_FUNCTION_ARGS)
{
	int32		size = SIZE;

	if (size % 2 == 0)
		return PointerGetDatum(MemoryContextAllocZero(TopMemoryContext, size));
	return PointerGetDatum(MemoryContextAllocZero(TopMemoryContext, size + 16));
}

PG_FUNCTION_INFO_V1(last_string_bad);
Datum
last_string_bad(PG_FUNCTION_ARGS)
{
	return PointerGetDatum(MemoryContextStrdup(TopMemoryContext, "a string of 24 letters.."));
}

/* From the heap. */
PG_FUNCTION_INFO_V1(last_malloc_bad);
Datum
last_malloc_bad(PG_FUNCTION_ARGS)
{
	return PointerGetDatum(malloc(SIZE));
}

PG_FUNCTION_INFO_V1(last_calloc_bad);
Datum
last_calloc_bad(PG_FUNCTION_ARGS)
{
	return PointerGetDatum(calloc(1, SIZE));
}

PG_FUNCTION_INFO_V1(last_strdup_bad);
Datum
last_strdup_bad(PG_FUNCTION_ARGS)
{
	return PointerGetDatum(strdup("a string of 24 letters.."));
}

PG_FUNCTION_INFO_V1(last_deep_bad);
Datum
last_deep_bad(PG_FUNCTION_ARGS)
{
	return PointerGetDatum(f9(SIZE));
}

/* By way of a register. */
PG_FUNCTION_INFO_V1(last_pointer_bad);
Datum
last_pointer_bad(PG_FUNCTION_ARGS)
{
	void	   *(*alloc) (MemoryContext context, Size size) = MemoryContextAlloc;

	__asm__ volatile("" : "+r"(alloc));
	return PointerGetDatum(alloc(TopMemoryContext, SIZE));
}

/* A context. */
PG_FUNCTION_INFO_V1(last_context_bad);
Datum
last_context_bad(PG_FUNCTION_ARGS)
{
	return PointerGetDatum(AllocSetContextCreate(TopMemoryContext, "last context", ALLOCSET_SMALL_SIZES));
}

/* What the server looks up is its own. */
PG_FUNCTION_INFO_V1(last_lookup_ok);
Datum
last_lookup_ok(PG_FUNCTION_ARGS)
{
	return PointerGetDatum(lookup_type_cache(SIZE, TYPECACHE_EQ_OPR_FINFO | TYPECACHE_HASH_PROC_FINFO));
}

/* A callback, which the server calls without fmgr, at the end of each transaction. */
static int32 at_commit = 0;

static void
last_of_callback(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT && at_commit > 0)
		(void) MemoryContextAllocHuge(TopMemoryContext, at_commit);
}

PG_FUNCTION_INFO_V1(callback_bad);
Datum
callback_bad(PG_FUNCTION_ARGS)
{
	static bool registered = false;

	if (!registered)
		RegisterXactCallback(last_of_callback, NULL);
	registered = true;
	at_commit = SIZE;
	PG_RETURN_INT64(0);
}

/* Two callbacks that jump to the same function. */
static int32 at_each_commit = 0;

static void
first_of_two(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT && at_each_commit > 0)
		(void) MemoryContextAllocExtended(TopMemoryContext, at_each_commit, 0);
}

static void
second_of_two(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT && at_each_commit > 0)
		(void) MemoryContextAllocExtended(TopMemoryContext, 2 * at_each_commit, 0);
}

PG_FUNCTION_INFO_V1(callbacks_bad);
Datum
callbacks_bad(PG_FUNCTION_ARGS)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterXactCallback(first_of_two, NULL);
		RegisterXactCallback(second_of_two, NULL);
	}
	registered = true;
	at_each_commit = SIZE;
	PG_RETURN_INT64(0);
}
