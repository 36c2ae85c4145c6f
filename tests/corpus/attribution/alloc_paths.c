/*-------------------------------------------------------------------------
 *
 * alloc_paths.c
 *		Functions that make a known number of allocations, each along another
 *		path from the library to the allocator.
 *
 * Each via_... allocates in TopMemoryContext and leaves there what the table in
 * alloc_paths--1.0.sql says.  Sizes differ from path to path, so that a chunk
 * of one path cannot pass for one of another.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <stdlib.h>

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/value.h"
#include "optimizer/planner.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
#include "utils/wait_event.h"

#ifndef LIBRARY_NAME
#define LIBRARY_NAME	"alloc_paths"
#endif

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);
PGDLLEXPORT void allocating_worker(Datum main_arg);

/* What hooks and callbacks still have to allocate */
static int	due_in_planner = 0;
static int	due_in_executor_start = 0;
static int	due_in_executor_end = 0;
static int	due_at_commit = 0;
static int	due_in_comparisons = 0;

static planner_hook_type prev_planner = NULL;
static ExecutorStart_hook_type prev_ExecutorStart = NULL;
static ExecutorEnd_hook_type prev_ExecutorEnd = NULL;

/* Runs the statement "allocation" n times with TopMemoryContext as the current context. */
#define ALLOCATE(n, allocation) \
	do { \
		MemoryContext oldcontext_ = MemoryContextSwitchTo(TopMemoryContext); \
		for (int i_ = 0; i_ < (n); i_++) \
		{ \
			allocation; \
		} \
		MemoryContextSwitchTo(oldcontext_); \
	} while (0)

/*
 * A function via_NAME(n) whose body is the statement "allocation", n times
 */
#define PATH(name, allocation) \
	PG_FUNCTION_INFO_V1(name); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		int32		n = PG_GETARG_INT32(0); \
		\
		ALLOCATE(n, allocation); \
		PG_RETURN_INT32(n); \
	} \
	extern int	no_such_variable

/*
 * Calls of the allocator
 */

PATH(via_palloc, (void) palloc(40));
PATH(via_palloc0, (void) palloc0(41));
PATH(via_palloc_extended, (void) palloc_extended(42, MCXT_ALLOC_NO_OOM));
PATH(via_huge, (void) MemoryContextAllocHuge(CurrentMemoryContext, 43));
PATH(via_own_block, (void) palloc(20000));
PATH(via_freed, pfree(palloc(56)));

static pg_noinline void
palloc_and_repalloc(Size size, Size larger)
{
	char	   *chunk = palloc(size);

	chunk = repalloc(chunk, larger);
	chunk[larger - 1] = '\0';
}

PATH(via_repalloc, palloc_and_repalloc(24, 200));
PATH(via_repalloc_own_block, palloc_and_repalloc(10000, 30000));

/* The compiler makes the call a jump, so that this function has no frame. */
static pg_noinline void *
palloc_in_tail_call(Size size)
{
	return palloc(size);
}

PATH(via_tail_call, (void) palloc_in_tail_call(57));

/* The addresses of the functions are in data. */
static void *(*const volatile allocators[]) (Size) = {palloc, palloc0};

PATH(via_function_table, (void) allocators[i_ % 2] (48));

/*
 * Functions of the server that allocate for their caller
 */

PATH(via_pstrdup, (void) pstrdup("a string of thirty characters."));
PATH(via_make_node, (void) makeInteger(i_));
PATH(via_psprintf, (void) psprintf("%d", i_));
PATH(via_psprintf_long, (void) psprintf("%0299d", i_));

static pg_noinline void
append_cells(List *list)
{
	for (int i = 0; i < 6; i++)
		list = lappend_int(list, i);
}

PATH(via_lappend, append_cells(NIL));

static pg_noinline void
append_text(int length)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoSpaces(&text, length);
}

PATH(via_string_info, append_text(3000));

static pg_noinline void
create_table_of_one(int32 key)
{
	HASHCTL		ctl = {.keysize = sizeof(int32), .entrysize = 16,
	.hcxt = TopMemoryContext};
	HTAB	   *table = hash_create("alloc_paths table", 1, &ctl,
									HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

	(void) hash_search(table, &key, HASH_ENTER, NULL);
}

PATH(via_dynahash, create_table_of_one(i_));

/*
 * Functions that call the library back
 */

static int
allocating_compare(const void *a, const void *b)
{
	if (due_in_comparisons > 0)
	{
		due_in_comparisons--;
		(void) MemoryContextAlloc(TopMemoryContext, 44);
	}
	return *(const int *) a - *(const int *) b;
}

/* Ascending numbers, more than "comparisons"; sorting them takes as many comparisons at least. */
static int *
numbers(int comparisons, int *count)
{
	int		   *result;

	*count = comparisons + 1;
	result = palloc(*count * sizeof(int));
	for (int i = 0; i < *count; i++)
		result[i] = i;
	return result;
}

PG_FUNCTION_INFO_V1(via_qsort);
Datum
via_qsort(PG_FUNCTION_ARGS)
{
	int32		n = PG_GETARG_INT32(0);
	int			count;
	int		   *sorted = numbers(n, &count);

	due_in_comparisons = n;
	pg_qsort(sorted, count, sizeof(int), allocating_compare);
	pfree(sorted);
	PG_RETURN_INT32(n);
}

/* The C library's own functions, which postgres.h or inlining would replace */
#undef qsort
static void (*const volatile libc_qsort) (void *, size_t, size_t,
										  int (*) (const void *, const void *)) = qsort;
static void *(*const volatile libc_bsearch) (const void *, const void *, size_t, size_t,
											 int (*) (const void *, const void *)) = bsearch;

PG_FUNCTION_INFO_V1(via_libc_qsort);
Datum
via_libc_qsort(PG_FUNCTION_ARGS)
{
	int32		n = PG_GETARG_INT32(0);
	int			count;
	int		   *sorted = numbers(2 * n, &count);

	/* A merge sort compares about half as often as there are numbers, or more. */
	due_in_comparisons = n;
	libc_qsort(sorted, count, sizeof(int), allocating_compare);
	pfree(sorted);
	PG_RETURN_INT32(n);
}

PG_FUNCTION_INFO_V1(via_libc_bsearch);
Datum
via_libc_bsearch(PG_FUNCTION_ARGS)
{
	int32		n = PG_GETARG_INT32(0);
	int			key = 0;

	for (int i = 0; i < n; i++)
	{
		due_in_comparisons = 1;
		(void) libc_bsearch(&key, &key, 1, sizeof(int), allocating_compare);
	}
	PG_RETURN_INT32(n);
}

static void
allocating_reset_callback(void *arg)
{
	char	   *chunk = MemoryContextAlloc(TopMemoryContext, 47);

	/* Without this the call would be a jump, and nothing of the library on the stack. */
	memset(chunk, 0, 47);
}

PG_FUNCTION_INFO_V1(via_reset_callback);
Datum
via_reset_callback(PG_FUNCTION_ARGS)
{
	int32		n = PG_GETARG_INT32(0);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "alloc_paths callbacks",
												  ALLOCSET_SMALL_SIZES);

	for (int i = 0; i < n; i++)
	{
		MemoryContextCallback *callback = MemoryContextAllocZero(context, sizeof(*callback));

		callback->func = allocating_reset_callback;
		MemoryContextRegisterResetCallback(context, callback);
	}
	MemoryContextDelete(context);
	PG_RETURN_INT32(n);
}

/*
 * SPI
 */

static void
run(const char *query)
{
	SPI_connect();
	if (SPI_execute(query, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not run \"%s\"", query);
	SPI_finish();
}

PG_FUNCTION_INFO_V1(via_spi_palloc);
Datum
via_spi_palloc(PG_FUNCTION_ARGS)
{
	int32		n = PG_GETARG_INT32(0);
	MemoryContext oldcontext = MemoryContextSwitchTo(TopMemoryContext);

	SPI_connect();
	for (int i = 0; i < n; i++)
		(void) SPI_palloc(49);
	SPI_finish();
	MemoryContextSwitchTo(oldcontext);
	PG_RETURN_INT32(n);
}

/* The allocating function of this library runs inside a query of this one. */
PG_FUNCTION_INFO_V1(via_nested_query);
Datum
via_nested_query(PG_FUNCTION_ARGS)
{
	int32		n = PG_GETARG_INT32(0);
	Oid			schema = get_func_namespace(fcinfo->flinfo->fn_oid);

	run(psprintf("SELECT %s.via_palloc(%d)",
				 quote_identifier(get_namespace_name(schema)), n));
	PG_RETURN_INT32(n);
}

/*
 * Hooks
 */

/* Makes the allocations that are due.  One that fails leaves nothing due, as the next statement would make that up. */
#define ALLOCATE_DUE(due, bytes) \
	do { \
		int			n_ = (due); \
		\
		(due) = 0; \
		for (; n_ > 0; n_--) \
			(void) MemoryContextAlloc(TopMemoryContext, (bytes)); \
	} while (0)

#if PG_VERSION_NUM >= 190000
#define AND_EXPLAIN		, ExplainState *explain
#define WITH_EXPLAIN	, explain
#else
#define AND_EXPLAIN
#define WITH_EXPLAIN
#endif

static PlannedStmt *
allocating_planner(Query *parse, const char *query_string, int cursorOptions,
				   ParamListInfo boundParams AND_EXPLAIN)
{
	ALLOCATE_DUE(due_in_planner, 50);

	if (prev_planner)
		return prev_planner(parse, query_string, cursorOptions, boundParams WITH_EXPLAIN);
	return standard_planner(parse, query_string, cursorOptions, boundParams WITH_EXPLAIN);
}

static void
allocating_ExecutorStart(QueryDesc *queryDesc, int eflags)
{
	ALLOCATE_DUE(due_in_executor_start, 51);

	if (prev_ExecutorStart)
		prev_ExecutorStart(queryDesc, eflags);
	else
		standard_ExecutorStart(queryDesc, eflags);
}

static void
allocating_ExecutorEnd(QueryDesc *queryDesc)
{
	ALLOCATE_DUE(due_in_executor_end, 52);

	if (prev_ExecutorEnd)
		prev_ExecutorEnd(queryDesc);
	else
		standard_ExecutorEnd(queryDesc);
}

static void
allocating_xact_callback(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT)
		return;
	ALLOCATE_DUE(due_at_commit, 53);
}

PG_FUNCTION_INFO_V1(via_planner_hook);
Datum
via_planner_hook(PG_FUNCTION_ARGS)
{
	due_in_planner = PG_GETARG_INT32(0);
	run("SELECT 1");
	PG_RETURN_INT32(PG_GETARG_INT32(0));
}

PG_FUNCTION_INFO_V1(via_executor_start_hook);
Datum
via_executor_start_hook(PG_FUNCTION_ARGS)
{
	due_in_executor_start = PG_GETARG_INT32(0);
	run("SELECT 1");
	PG_RETURN_INT32(PG_GETARG_INT32(0));
}

/* At the end of the query that calls this function */
PG_FUNCTION_INFO_V1(via_executor_end_hook);
Datum
via_executor_end_hook(PG_FUNCTION_ARGS)
{
	due_in_executor_end = PG_GETARG_INT32(0);
	PG_RETURN_INT32(PG_GETARG_INT32(0));
}

/* At the end of the transaction that calls this function */
PG_FUNCTION_INFO_V1(via_xact_callback);
Datum
via_xact_callback(PG_FUNCTION_ARGS)
{
	due_at_commit = PG_GETARG_INT32(0);
	PG_RETURN_INT32(PG_GETARG_INT32(0));
}

/*
 * Another process
 */

void
allocating_worker(Datum main_arg)
{
	int32		n;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(main_arg),
											  InvalidOid, 0);

	memcpy(&n, MyBgworkerEntry->bgw_extra, sizeof(n));
	ALLOCATE(n, (void) palloc(54));

	for (;;)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

PG_FUNCTION_INFO_V1(via_background_worker);
Datum
via_background_worker(PG_FUNCTION_ARGS)
{
	int32		n = PG_GETARG_INT32(0);
	BackgroundWorker worker = {0};
	BackgroundWorkerHandle *handle;
	pid_t		pid;

	strlcpy(worker.bgw_name, LIBRARY_NAME " worker", BGW_MAXLEN);
	strlcpy(worker.bgw_type, LIBRARY_NAME " worker", BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, LIBRARY_NAME, sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "allocating_worker", sizeof(worker.bgw_function_name));
	worker.bgw_main_arg = ObjectIdGetDatum(MyDatabaseId);
	memcpy(worker.bgw_extra, &n, sizeof(n));
	worker.bgw_notify_pid = MyProcPid;

	if (!RegisterDynamicBackgroundWorker(&worker, &handle) ||
		WaitForBackgroundWorkerStartup(handle, &pid) != BGWH_STARTED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not start background worker")));
	pfree(handle);
	PG_RETURN_INT32(pid);
}

/*
 * What the server allocates for itself while it works for the library
 */

/* The oid of a function that does not exist, and of which no cache knows it yet */
static Datum
unknown_function(void)
{
	static Oid	next = 4000000000;

	return ObjectIdGetDatum(next++);
}

PG_FUNCTION_INFO_V1(core_syscache);
Datum
core_syscache(PG_FUNCTION_ARGS)
{
	int32		n = PG_GETARG_INT32(0);

	for (int i = 0; i < n; i++)
	{
		HeapTuple	tuple = SearchSysCache1(PROCOID, unknown_function());

		Assert(!HeapTupleIsValid(tuple));
		(void) tuple;
	}
	PG_RETURN_INT32(n);
}

PG_FUNCTION_INFO_V1(core_syscache_exists);
Datum
core_syscache_exists(PG_FUNCTION_ARGS)
{
	int32		n = PG_GETARG_INT32(0);

	for (int i = 0; i < n; i++)
		(void) SearchSysCacheExists1(PROCOID, unknown_function());
	PG_RETURN_INT32(n);
}

PG_FUNCTION_INFO_V1(core_syscache_list);
Datum
core_syscache_list(PG_FUNCTION_ARGS)
{
	CatCList   *list = SearchSysCacheList1(PROCNAMEARGSNSP,
										   CStringGetDatum(text_to_cstring(PG_GETARG_TEXT_PP(0))));
	int			members = list->n_members;

	ReleaseSysCacheList(list);
	PG_RETURN_INT32(members);
}

PG_FUNCTION_INFO_V1(core_relation_open);
Datum
core_relation_open(PG_FUNCTION_ARGS)
{
	Relation	relation = relation_open(PG_GETARG_OID(0), AccessShareLock);

	relation_close(relation, AccessShareLock);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(core_typcache);
Datum
core_typcache(PG_FUNCTION_ARGS)
{
	(void) lookup_type_cache(PG_GETARG_OID(0),
							 TYPECACHE_EQ_OPR_FINFO | TYPECACHE_CMP_PROC_FINFO |
							 TYPECACHE_HASH_PROC_FINFO | TYPECACHE_TUPDESC);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(core_spi_execute);
Datum
core_spi_execute(PG_FUNCTION_ARGS)
{
	run(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}

/* The plan is saved by the first call, and gets a plan tree of its own when it turns generic. */
PG_FUNCTION_INFO_V1(core_spi_plan);
Datum
core_spi_plan(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	Oid			type = INT4OID;
	Datum		value = PG_GETARG_DATUM(0);

	SPI_connect();
	if (plan == NULL)
	{
		plan = SPI_prepare("SELECT proname FROM pg_catalog.pg_proc WHERE pronargs = $1 LIMIT 1", 1, &type);
		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not save a plan");
	}
	if (SPI_execute_plan(plan, &value, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not run the plan");
	SPI_finish();
	PG_RETURN_VOID();
}

/* n errors that are caught */
PG_FUNCTION_INFO_V1(core_error);
Datum
core_error(PG_FUNCTION_ARGS)
{
	MemoryContext oldcontext = CurrentMemoryContext;
	int32		n = PG_GETARG_INT32(0);

	for (volatile int i = 0; i < n; i++)
	{
		PG_TRY();
		{
			ereport(ERROR,
					(errmsg("error %d", i),
					 errdetail("It is caught by the function that raised it.")));
		}
		PG_CATCH();
		{
			MemoryContextSwitchTo(oldcontext);
			FlushErrorState();
		}
		PG_END_TRY();
	}
	PG_RETURN_INT32(n);
}

void
_PG_init(void)
{
	/* Not the last call, which would leave no frame of the library. */
	RegisterXactCallback(allocating_xact_callback, NULL);

	prev_planner = planner_hook;
	planner_hook = allocating_planner;
	prev_ExecutorStart = ExecutorStart_hook;
	ExecutorStart_hook = allocating_ExecutorStart;
	prev_ExecutorEnd = ExecutorEnd_hook;
	ExecutorEnd_hook = allocating_ExecutorEnd;
}
