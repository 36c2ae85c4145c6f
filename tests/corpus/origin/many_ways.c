/*-------------------------------------------------------------------------
 *
 * many_ways.c
 *		One place that allocates, to which several functions come: what is
 *		kept and what is given back have the place in common, and nothing else.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

/* The place. */
static pg_noinline char *
make(MemoryContext context, Size size)
{
	char	   *chunk = MemoryContextAlloc(context, size);

	chunk[0] = 'x';
	return chunk;
}

/* What it makes is given back. */
PG_FUNCTION_INFO_V1(gives_back);
Datum
gives_back(PG_FUNCTION_ARGS)
{
	char	   *chunk = make(TopMemoryContext, PG_GETARG_INT32(0));

	chunk[0] = 'y';
	pfree(chunk);
	PG_RETURN_INT32(1);
}

/* One chunk, at the first call, is kept. */
PG_FUNCTION_INFO_V1(keeps_one);
Datum
keeps_one(PG_FUNCTION_ARGS)
{
	static char *kept = NULL;

	if (kept == NULL)
		kept = make(TopMemoryContext, PG_GETARG_INT32(0));
	kept[0]++;
	PG_RETURN_INT32(1);
}

/* What it makes goes with the query. */
PG_FUNCTION_INFO_V1(goes_with_query);
Datum
goes_with_query(PG_FUNCTION_ARGS)
{
	char	   *chunk = make(CurrentMemoryContext, PG_GETARG_INT32(0));

	chunk[0] = 'z';
	PG_RETURN_INT32(1);
}

/* Of each row that is inserted, a chunk is kept. */
PG_FUNCTION_INFO_V1(keeps_in_trigger);
Datum
keeps_in_trigger(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	char	   *chunk = make(TopMemoryContext, 24);

	chunk[0] = 'x';
	return PointerGetDatum(trigger->tg_trigtuple);
}

/* The same behind so many calls. */
static pg_noinline int
deeper(int calls)
{
	int			made = calls > 0 ? deeper(calls - 1) : make(TopMemoryContext, 8)[0];

	__asm__ volatile("" : "+r"(made));
	return made;
}

PG_FUNCTION_INFO_V1(keeps_deep);
Datum
keeps_deep(PG_FUNCTION_ARGS)
{
	int			made = deeper(PG_GETARG_INT32(0));

	PG_RETURN_INT32(made);
}
