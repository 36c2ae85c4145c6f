/*-------------------------------------------------------------------------
 *
 * releases.c
 *		Memory given back twice, or to whom it does not belong.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <stdlib.h>

#include "access/xact.h"
#include "accesses.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"

static pg_noinline char *
make_chunk(void)
{
	return palloc0(64);
}

static pg_noinline void
free_first(char *chunk)
{
	pfree(chunk);
}

/* Freed twice. The decoy frees two chunks, the second of which may be at the place of the first. */
SUBJECT_BODY
twice(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext old = enter_scratch();
	char	   *chunk = make_chunk();

	free_first(chunk);
	if (twin == DECOY)
		chunk = make_chunk();
	if (twin != OK)
		pfree(chunk);
	leave_scratch(old);
	PG_RETURN_INT32(1);
}
SUBJECT(twice);

/* An error path frees what the usual path has freed. The decoy's has set the pointer to NULL. */
static Datum
failed(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext old = enter_scratch();
	MemoryContext scratch = CurrentMemoryContext;
	char	   *volatile chunk = make_chunk();

	PG_TRY();
	{
		if (twin != OK)
			pfree(chunk);
		if (twin == DECOY)
			chunk = NULL;
		ereport(ERROR, (errmsg("failed")));
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(scratch);
		FlushErrorState();
		if (chunk != NULL)
			pfree(chunk);
	}
	PG_END_TRY();
	leave_scratch(old);
	PG_RETURN_INT32(1);
}
SUBJECT(failed);

/*
 * Freed after its context was reset, when another may be at its place. The
 * decoy's is reset after it was freed.
 */
SUBJECT_BODY
swept(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext old = enter_scratch();
	char	   *chunk = make_chunk();

	if (twin == DECOY)
		pfree(chunk);
	MemoryContextReset(CurrentMemoryContext);
	(void) make_chunk();
	if (twin == BAD)
		pfree(chunk);
	leave_scratch(old);
	PG_RETURN_INT32(1);
}
SUBJECT(swept);

/*
 * What is noted until the end of the transaction is freed by the callback of its
 * abort, which forgets to forget the list. The decoy's list belongs to the
 * transaction and is not freed at all.
 */
static List *pending[TWINS];
static MemoryContext pending_context[TWINS];

static void
drop_pending(XactEvent event, void *arg)
{
	Twin		twin = (Twin) (uintptr_t) arg;

	if (event == XACT_EVENT_COMMIT || (event == XACT_EVENT_ABORT && twin == DECOY))
		pending[twin] = NIL;
	else if (event == XACT_EVENT_ABORT)
	{
		list_free(pending[twin]);
		if (twin == OK)
			pending[twin] = NIL;
	}
}

SUBJECT_BODY
noted(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext old;

	if (pending_context[twin] == NULL)
	{
		pending_context[twin] = AllocSetContextCreate(TopMemoryContext, "pending",
													  ALLOCSET_DEFAULT_SIZES);
		RegisterXactCallback(drop_pending, (void *) (uintptr_t) twin);
	}
	if (pending[twin] != NIL && twin != BAD)
		elog(ERROR, "something is pending");
	pending[twin] = NIL;
	MemoryContextReset(pending_context[twin]);
	old = MemoryContextSwitchTo(twin == DECOY ? TopTransactionContext : pending_context[twin]);
	for (int i = 0; i < 20; i++)
		pending[twin] = lappend_int(pending[twin], i);
	MemoryContextSwitchTo(old);
	PG_RETURN_INT32(list_length(pending[twin]));
}
SUBJECT(noted);

/* Freed twice, in malloc's heap. The decoy frees NULL. */
SUBJECT_BODY
heap_twice(FunctionCallInfo fcinfo, Twin twin)
{
	char	   *volatile chunk = malloc(64);

	free(chunk);
	if (twin != BAD)
		chunk = NULL;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wuse-after-free"
	if (twin != OK)
		free(chunk);
#pragma GCC diagnostic pop
	PG_RETURN_INT32(1);
}
SUBJECT(heap_twice);

/* What palloc gave is given to free. The decoy does each with its own. */
SUBJECT_BODY
to_free(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext old = enter_scratch();
	char	   *volatile chunk = make_chunk();
	char	   *volatile heap = twin == DECOY ? malloc(64) : NULL;

	if (twin == OK)
		pfree(chunk);
	if (twin != OK)
		free(twin == BAD ? chunk : heap);
	leave_scratch(old);
	PG_RETURN_INT32(1);
}
SUBJECT(to_free);

/* What malloc gave is given to pfree. The decoy copies it. */
SUBJECT_BODY
to_pfree(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext old = enter_scratch();
	char	   *volatile chunk = strdup("what malloc gave, given to pfree");

	if (twin == BAD)
		pfree(chunk);
	if (twin == DECOY)
		pfree(pstrdup(chunk));
	if (twin != BAD)
		free(chunk);
	leave_scratch(old);
	PG_RETURN_INT32(1);
}
SUBJECT(to_pfree);
