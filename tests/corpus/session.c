/*-------------------------------------------------------------------------
 *
 * session.c
 *		Allocations that outlive the event they were made for: d01, d02, d03.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "fmgr.h"
#include "mem_corpus.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#define D02_KEPT		16
#define D03_SLOTS		32

/*
 * d01: every call leaves a chunk in a context that lives as long as the
 * session, and forgets the pointer.
 */
PG_FUNCTION_INFO_V1(d01_bad);
Datum
d01_bad(PG_FUNCTION_ARGS)
{
	int32		n = PG_GETARG_INT32(0);
	char	   *buffer = MemoryContextAlloc(TopMemoryContext, n);

	memset(buffer, 0, n);
	PG_RETURN_INT32(n);
}

PG_FUNCTION_INFO_V1(d01_ok);
Datum
d01_ok(PG_FUNCTION_ARGS)
{
	int32		n = PG_GETARG_INT32(0);
	char	   *buffer = MemoryContextAlloc(TopMemoryContext, n);

	memset(buffer, 0, n);
	pfree(buffer);
	PG_RETURN_INT32(n);
}

/*
 * d02: a list that belongs to the session is only ever appended to.  All of it
 * stays reachable, so a search for unreachable memory finds nothing.
 */
PG_FUNCTION_INFO_V1(d02_bad);
Datum
d02_bad(PG_FUNCTION_ARGS)
{
	static List *notes = NIL;
	char	   *note = text_to_cstring(PG_GETARG_TEXT_PP(0));
	MemoryContext oldcontext = MemoryContextSwitchTo(CacheMemoryContext);

	notes = lappend(notes, pstrdup(note));
	MemoryContextSwitchTo(oldcontext);

	PG_RETURN_INT32(list_length(notes));
}

PG_FUNCTION_INFO_V1(d02_ok);
Datum
d02_ok(PG_FUNCTION_ARGS)
{
	static List *notes = NIL;
	char	   *note = text_to_cstring(PG_GETARG_TEXT_PP(0));
	MemoryContext oldcontext = MemoryContextSwitchTo(CacheMemoryContext);

	notes = lappend(notes, pstrdup(note));
	if (list_length(notes) > D02_KEPT)
	{
		pfree(linitial(notes));
		notes = list_delete_first(notes);
	}
	MemoryContextSwitchTo(oldcontext);

	PG_RETURN_INT32(list_length(notes));
}

/*
 * d03: a hook copies the text of every top-level query into a context of its
 * own and never gives one back.  The fix keeps the last ones in slots that are
 * used again.
 */

typedef enum D03Log
{
	D03_LOG_OFF,
	D03_LOG_BAD,
	D03_LOG_OK,
} D03Log;

typedef struct D03Slot
{
	char	   *text;
	Size		size;
} D03Slot;

static const struct config_enum_entry d03_log_options[] = {
	{"off", D03_LOG_OFF, false},
	{"bad", D03_LOG_BAD, false},
	{"ok", D03_LOG_OK, false},
	{NULL, 0, false}
};

static int	d03_log = D03_LOG_OFF;
static int	d03_nesting = 0;
static ExecutorRun_hook_type d03_prev_ExecutorRun = NULL;
static ExecutorFinish_hook_type d03_prev_ExecutorFinish = NULL;
static ExecutorEnd_hook_type d03_prev_ExecutorEnd = NULL;

static MemoryContext
d03_context(void)
{
	static MemoryContext context = NULL;

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "dev log",
										ALLOCSET_DEFAULT_SIZES);
	return context;
}

static pg_noinline void
d03_bad_remember(const char *query)
{
	Size		size = strlen(query) + 1;
	char	   *copy = MemoryContextAlloc(d03_context(), size);

	memcpy(copy, query, size);
}

static pg_noinline void
d03_ok_remember(const char *query)
{
	static D03Slot slots[D03_SLOTS];
	static int	next = 0;
	D03Slot    *slot = &slots[next];
	Size		size = strlen(query) + 1;

	next = (next + 1) % D03_SLOTS;
	if (slot->size < size)
	{
		slot->text = slot->text == NULL ?
			MemoryContextAlloc(d03_context(), size) :
			repalloc(slot->text, size);
		slot->size = size;
	}
	memcpy(slot->text, query, size);
}

#if PG_VERSION_NUM >= 180000
static void
d03_ExecutorRun(QueryDesc *queryDesc, ScanDirection direction, uint64 count)
#else
static void
d03_ExecutorRun(QueryDesc *queryDesc, ScanDirection direction, uint64 count,
				bool execute_once)
#endif
{
	d03_nesting++;
	PG_TRY();
	{
#if PG_VERSION_NUM >= 180000
		if (d03_prev_ExecutorRun)
			d03_prev_ExecutorRun(queryDesc, direction, count);
		else
			standard_ExecutorRun(queryDesc, direction, count);
#else
		if (d03_prev_ExecutorRun)
			d03_prev_ExecutorRun(queryDesc, direction, count, execute_once);
		else
			standard_ExecutorRun(queryDesc, direction, count, execute_once);
#endif
	}
	PG_FINALLY();
	{
		d03_nesting--;
	}
	PG_END_TRY();
}

static void
d03_ExecutorFinish(QueryDesc *queryDesc)
{
	d03_nesting++;
	PG_TRY();
	{
		if (d03_prev_ExecutorFinish)
			d03_prev_ExecutorFinish(queryDesc);
		else
			standard_ExecutorFinish(queryDesc);
	}
	PG_FINALLY();
	{
		d03_nesting--;
	}
	PG_END_TRY();
}

static void
d03_ExecutorEnd(QueryDesc *queryDesc)
{
	if (d03_nesting == 0 && queryDesc->sourceText != NULL)
	{
		if (d03_log == D03_LOG_BAD)
			d03_bad_remember(queryDesc->sourceText);
		else if (d03_log == D03_LOG_OK)
			d03_ok_remember(queryDesc->sourceText);
	}

	if (d03_prev_ExecutorEnd)
		d03_prev_ExecutorEnd(queryDesc);
	else
		standard_ExecutorEnd(queryDesc);
}

void
d03_init(void)
{
	DefineCustomEnumVariable("mem_corpus.log",
							 "How the text of queries is remembered.",
							 NULL,
							 &d03_log,
							 D03_LOG_OFF,
							 d03_log_options,
							 PGC_USERSET,
							 0,
							 NULL, NULL, NULL);

	d03_prev_ExecutorRun = ExecutorRun_hook;
	ExecutorRun_hook = d03_ExecutorRun;
	d03_prev_ExecutorFinish = ExecutorFinish_hook;
	ExecutorFinish_hook = d03_ExecutorFinish;
	d03_prev_ExecutorEnd = ExecutorEnd_hook;
	ExecutorEnd_hook = d03_ExecutorEnd;
}
