/*-------------------------------------------------------------------------
 *
 * errors.c
 *		Functions that fail in the middle of allocating: x01, x02.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define X01_BYTES		100

/* More than any machine has, less than the allocator refuses to ask for. */
#define X02_TOO_MUCH	((Size) 1 << 46)

/*
 * x01: works on n chunks, keeps one for the session, and fails.
 */
PG_FUNCTION_INFO_V1(x01_throws);
Datum
x01_throws(PG_FUNCTION_ARGS)
{
	int32		n = PG_GETARG_INT32(0);
	int32		keep = PG_GETARG_INT32(1);

	for (int i = 0;; i++)
	{
		char	   *chunk = palloc(X01_BYTES);

		if (i == n / 2 && keep > 0)
			(void) MemoryContextAlloc(TopMemoryContext, keep);
		if (i == n)
			ereport(ERROR,
					(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
					 errmsg("could not work on chunk %d", i)));
		if (i % 3 == 0)
			pfree(chunk);
		else if (i % 3 == 1)
			chunk = repalloc(chunk, 2 * X01_BYTES);
	}
}

/*
 * x02: asks for more memory than there is, in one of the ways in which that
 * fails.  Where it fails to enlarge a chunk, the chunk stays.
 */
PG_FUNCTION_INFO_V1(x02_too_much);
Datum
x02_too_much(PG_FUNCTION_ARGS)
{
	char	   *way = text_to_cstring(PG_GETARG_TEXT_PP(0));
	void	   *chunk;

	if (strcmp(way, "invalid") == 0)
		chunk = palloc(MaxAllocSize + 1);
	else if (strcmp(way, "palloc") == 0)
		chunk = MemoryContextAllocHuge(TopMemoryContext, X02_TOO_MUCH);
	else if (strcmp(way, "repalloc") == 0)
		chunk = repalloc_huge(MemoryContextAlloc(TopMemoryContext, 24),
							  X02_TOO_MUCH);
	else
		chunk = MemoryContextAllocExtended(TopMemoryContext, X02_TOO_MUCH,
										   MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);

	if (chunk != NULL)
		elog(ERROR, "there is more memory than was thought");
	PG_RETURN_VOID();
}
