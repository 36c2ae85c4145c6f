/*-------------------------------------------------------------------------
 *
 * restart.c
 *		What is built anew after DISCARD ALL: d22, d23, n11.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "mem_corpus.h"
#include "utils/memutils.h"

#define D22_BYTES		20000
#define D22_CONTEXT_BYTES	400
#define D23_HANDLERS	10
#define D23_HANDLER_BYTES	400
#define N11_BYTES		5000
#define N11_BOUND		16
#define N11_VALUE_BYTES	64

/*
 * Whether a session starts: there is no plan yet, or DISCARD ALL has made it
 * invalid.
 */
static bool
session_starts(SPIPlanPtr plan)
{
	return plan == NULL || !SPI_plan_is_valid(plan);
}

/*
 * Makes and saves a plan.  Inlined, so that it is the twin that does.
 */
static pg_attribute_always_inline SPIPlanPtr
saved_plan(void)
{
	SPIPlanPtr	plan;

	SPI_connect();
	plan = SPI_prepare("SELECT 1", 0, NULL);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not save a plan");
	SPI_finish();
	return plan;
}

static pg_attribute_always_inline SPIPlanPtr
renewed_plan(SPIPlanPtr plan)
{
	if (plan != NULL)
		SPI_freeplan(plan);
	return saved_plan();
}

/*
 * d22: with the plan everything that belongs to it is made anew.  The plan is
 * freed before; the chunk, the context or the malloc'd buffer beside it is not.
 */
PG_FUNCTION_INFO_V1(d22_bad);
Datum
d22_bad(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	static char *rows = NULL;

	if (session_starts(plan))
	{
		plan = renewed_plan(plan);
		rows = MemoryContextAllocZero(TopMemoryContext, D22_BYTES);
	}
	PG_RETURN_INT32(rows[0]);
}

PG_FUNCTION_INFO_V1(d22_ok);
Datum
d22_ok(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	static char *rows = NULL;

	if (session_starts(plan))
	{
		if (rows != NULL)
			pfree(rows);
		rows = NULL;
		plan = renewed_plan(plan);
		rows = MemoryContextAllocZero(TopMemoryContext, D22_BYTES);
	}
	PG_RETURN_INT32(rows[0]);
}

PG_FUNCTION_INFO_V1(d22_context_bad);
Datum
d22_context_bad(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	static MemoryContext context = NULL;

	if (session_starts(plan))
	{
		plan = renewed_plan(plan);
		context = AllocSetContextCreate(TopMemoryContext, "d22 query",
										ALLOCSET_SMALL_SIZES);
		(void) MemoryContextAllocZero(context, D22_CONTEXT_BYTES);
	}
	PG_RETURN_BOOL(MemoryContextIsEmpty(context));
}

PG_FUNCTION_INFO_V1(d22_context_ok);
Datum
d22_context_ok(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	static MemoryContext context = NULL;

	if (session_starts(plan))
	{
		if (context != NULL)
			MemoryContextDelete(context);
		context = NULL;
		plan = renewed_plan(plan);
		context = AllocSetContextCreate(TopMemoryContext, "d22 query",
										ALLOCSET_SMALL_SIZES);
		(void) MemoryContextAllocZero(context, D22_CONTEXT_BYTES);
	}
	PG_RETURN_BOOL(MemoryContextIsEmpty(context));
}

PG_FUNCTION_INFO_V1(d22_malloc_bad);
Datum
d22_malloc_bad(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	static char *rows = NULL;

	if (session_starts(plan))
	{
		plan = renewed_plan(plan);
		rows = calloc(1, D22_BYTES);
	}
	PG_RETURN_BOOL(rows != NULL);
}

PG_FUNCTION_INFO_V1(d22_malloc_ok);
Datum
d22_malloc_ok(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	static char *rows = NULL;

	if (session_starts(plan))
	{
		free(rows);
		plan = renewed_plan(plan);
		rows = calloc(1, D22_BYTES);
	}
	PG_RETURN_BOOL(rows != NULL);
}

/*
 * d22, the plan itself: a new one takes the place of one that is not freed.
 */
PG_FUNCTION_INFO_V1(d22_plan_bad);
Datum
d22_plan_bad(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;

	if (session_starts(plan))
		plan = saved_plan();
	PG_RETURN_BOOL(SPI_plan_is_valid(plan));
}

PG_FUNCTION_INFO_V1(d22_plan_ok);
Datum
d22_plan_ok(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;

	if (session_starts(plan))
		plan = renewed_plan(plan);
	PG_RETURN_BOOL(SPI_plan_is_valid(plan));
}

/*
 * d23: each start of a session registers its handlers in addition to those that
 * are registered.  The table is freed and made anew, larger each time.
 */
PG_FUNCTION_INFO_V1(d23_bad);
Datum
d23_bad(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	static char *handlers = NULL;
	static int	nhandlers = 0;

	if (session_starts(plan))
	{
		if (handlers != NULL)
			pfree(handlers);
		handlers = NULL;
		plan = renewed_plan(plan);
		nhandlers += D23_HANDLERS;
		handlers = MemoryContextAllocZero(TopMemoryContext,
										  nhandlers * D23_HANDLER_BYTES);
	}
	PG_RETURN_INT32(handlers[0]);
}

PG_FUNCTION_INFO_V1(d23_ok);
Datum
d23_ok(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	static char *handlers = NULL;
	static int	nhandlers = 0;

	if (session_starts(plan))
	{
		if (handlers != NULL)
			pfree(handlers);
		handlers = NULL;
		plan = renewed_plan(plan);
		nhandlers = D23_HANDLERS;
		handlers = MemoryContextAllocZero(TopMemoryContext,
										  nhandlers * D23_HANDLER_BYTES);
	}
	PG_RETURN_INT32(handlers[0]);
}

/*
 * n11: side by side in one context, a chunk that is given back and taken again
 * at each start, and a cache that the warm session fills up to its bound and
 * that DISCARD ALL leaves as it is.  Its values differ in size.
 */

static pg_noinline char *
n11_value(MemoryContext context, int32 key)
{
	char	   *value = MemoryContextAlloc(context, N11_VALUE_BYTES + key);

	memset(value, 0, N11_VALUE_BYTES + key);
	return value;
}

PG_FUNCTION_INFO_V1(n11_restart);
Datum
n11_restart(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	static MemoryContext context = NULL;
	static char *rows = NULL;
	static char *values[N11_BOUND];
	int32		key = PG_GETARG_INT32(0);
	char	  **value = &values[key % N11_BOUND];

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "n11 session",
										ALLOCSET_DEFAULT_SIZES);
	if (session_starts(plan))
	{
		if (rows != NULL)
			pfree(rows);
		rows = NULL;
		plan = renewed_plan(plan);
		rows = MemoryContextAllocZero(context, N11_BYTES);
	}
	if (*value != NULL)
		pfree(*value);
	*value = NULL;
	*value = n11_value(context, key);
	PG_RETURN_INT32(rows[0] + (*value)[0]);
}
