/*-------------------------------------------------------------------------
 *
 * mem_curves.c
 *		Memory that is held over time: leaks of any period, and caches, lists,
 *		collected heaps and working sets, which look like leaks for a while.
 *
 * What each function is for is said in mem_curves--1.0.sql.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <stdlib.h>

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

PG_MODULE_MAGIC;

#define ENTRY_SIZE		100
#define MOST_ENTRIES	1024
#define ITEM_SIZE		64
#define JOB_SIZE		88
#define JOB_EVERY		20
#define ROUND_MS		5

/* Garbage on the heap, in a list */
typedef struct Garbage
{
	struct Garbage *next;
	void	   *parts[2];
} Garbage;

PGDLLEXPORT void jobs_bad_main(Datum main_arg);
PGDLLEXPORT void jobs_ok_main(Datum main_arg);

static MemoryContext
own_context(const char *name)
{
	return AllocSetContextCreateInternal(TopMemoryContext, name, ALLOCSET_DEFAULT_SIZES);
}

PG_FUNCTION_INFO_V1(every);
Datum
every(PG_FUNCTION_ARGS)
{
	static int	calls = 0;

	if (++calls % PG_GETARG_INT32(0) == 0)
		(void) MemoryContextAlloc(TopMemoryContext, PG_GETARG_INT32(1));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(remember);
Datum
remember(PG_FUNCTION_ARGS)
{
	static MemoryContext context = NULL;
	static void *entries[MOST_ENTRIES];
	static int	newest = 0;
	int			bound = PG_GETARG_INT32(1);

	if (context == NULL)
		context = own_context("remembered");
	if (bound > 0)
	{
		newest = (newest + 1) % Min(bound, MOST_ENTRIES);
		if (entries[newest] != NULL)
			pfree(entries[newest]);
	}
	entries[newest] = MemoryContextAlloc(context, ENTRY_SIZE);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(enter);
Datum
enter(PG_FUNCTION_ARGS)
{
	static HTAB *table = NULL;
	int			key = PG_GETARG_INT32(0);
	int			bound = PG_GETARG_INT32(1);

	if (table == NULL)
	{
		HASHCTL		info = {.keysize = sizeof(int), .entrysize = ENTRY_SIZE};

		table = hash_create("mem_curves table", 16, &info, HASH_ELEM | HASH_BLOBS);
	}
	if (bound > 0)
		key %= bound;
	(void) hash_search(table, &key, HASH_ENTER, NULL);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(append);
Datum
append(PG_FUNCTION_ARGS)
{
	static MemoryContext context = NULL;
	static List *members = NIL;
	MemoryContext old_context;

	if (context == NULL)
		context = own_context("appended");

	old_context = MemoryContextSwitchTo(context);
	if (list_length(members) == PG_GETARG_INT32(1))
	{
		list_free(members);
		members = NIL;
	}
	members = lappend_int(members, PG_GETARG_INT32(0));
	MemoryContextSwitchTo(old_context);
	PG_RETURN_VOID();
}

static void
collect_garbage(Garbage *garbage)
{
	while (garbage != NULL)
	{
		Garbage    *next = garbage->next;

		free(garbage->parts[0]);
		free(garbage->parts[1]);
		free(garbage);
		garbage = next;
	}
}

PG_FUNCTION_INFO_V1(litter);
Datum
litter(PG_FUNCTION_ARGS)
{
	static Garbage *garbage = NULL;
	static int	bytes = 0;
	int			heap = PG_GETARG_INT32(0);
	Garbage    *more = malloc(sizeof(Garbage));

	if (more == NULL)
		elog(ERROR, "out of memory");
	more->next = garbage;
	more->parts[0] = malloc(50);
	more->parts[1] = malloc(26);
	garbage = more;
	bytes += 100;
	if (heap > 0 && bytes >= heap)
	{
		collect_garbage(garbage);
		garbage = NULL;
		bytes = 0;
	}
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(leave_context);
Datum
leave_context(PG_FUNCTION_ARGS)
{
	MemoryContext context = own_context("left behind");

	(void) MemoryContextAlloc(context, 5);
	if (PG_GETARG_BOOL(0))
		MemoryContextDelete(context);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(handle);
Datum
handle(PG_FUNCTION_ARGS)
{
	int			items = PG_GETARG_INT32(0);
	int			batch = PG_GETARG_INT32(1);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "batch",
												  ALLOCSET_DEFAULT_SIZES);

	for (int i = 0; i < items; i++)
	{
		if (batch > 0 && i % batch == 0)
			MemoryContextReset(context);
		(void) MemoryContextAlloc(context, ITEM_SIZE);
	}
	MemoryContextDelete(context);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(handle_in_contexts);
Datum
handle_in_contexts(PG_FUNCTION_ARGS)
{
	int			items = PG_GETARG_INT32(0);
	int			batch = PG_GETARG_INT32(1);
	MemoryContext contexts = AllocSetContextCreate(CurrentMemoryContext, "batch",
												   ALLOCSET_DEFAULT_SIZES);

	for (int i = 0; i < items; i++)
	{
		MemoryContext context;

		if (batch > 0 && i % batch == 0)
			MemoryContextDeleteChildren(contexts);
		context = AllocSetContextCreate(contexts, "item", ALLOCSET_DEFAULT_SIZES);
		(void) MemoryContextAlloc(context, 5);
	}
	MemoryContextDelete(contexts);
	PG_RETURN_VOID();
}

static Datum
collect_item(FunctionCallInfo fcinfo, bool squared)
{
	MemoryContext aggregate;
	List	   *state = PG_ARGISNULL(0) ? NIL : (List *) PG_GETARG_POINTER(0);
	MemoryContext old_context;

	if (!AggCheckCallContext(fcinfo, &aggregate))
		elog(ERROR, "called outside of an aggregate");
	old_context = MemoryContextSwitchTo(aggregate);
	state = lappend(state, palloc(squared ? list_length(state) + 1 : sizeof(int)));
	MemoryContextSwitchTo(old_context);
	PG_RETURN_POINTER(state);
}

PG_FUNCTION_INFO_V1(collect_sfunc);
Datum
collect_sfunc(PG_FUNCTION_ARGS)
{
	return collect_item(fcinfo, false);
}

PG_FUNCTION_INFO_V1(squared_sfunc);
Datum
squared_sfunc(PG_FUNCTION_ARGS)
{
	return collect_item(fcinfo, true);
}

PG_FUNCTION_INFO_V1(collect_ffunc);
Datum
collect_ffunc(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(PG_ARGISNULL(0) ? 0 : list_length((List *) PG_GETARG_POINTER(0)));
}

/* A transaction every round, and a job in some */
static void
run_jobs(Datum main_arg, bool ok)
{
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(main_arg),
											  InvalidOid, 0);
	for (int round = 0;; round++)
	{
		StartTransactionCommand();
		if (round % JOB_EVERY == 0)
		{
			void	   *job = MemoryContextAlloc(TopMemoryContext, JOB_SIZE);

			if (ok)
				pfree(job);
		}
		CommitTransactionCommand();
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 ROUND_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

void
jobs_bad_main(Datum main_arg)
{
	run_jobs(main_arg, false);
}

void
jobs_ok_main(Datum main_arg)
{
	run_jobs(main_arg, true);
}

PG_FUNCTION_INFO_V1(launch_jobs);
Datum
launch_jobs(PG_FUNCTION_ARGS)
{
	bool		ok = PG_GETARG_BOOL(0);
	const char *name = ok ? "mem_curves jobs_ok" : "mem_curves jobs_bad";
	BackgroundWorker worker = {0};
	BackgroundWorkerHandle *handle;
	pid_t		pid;

	strlcpy(worker.bgw_name, name, BGW_MAXLEN);
	strlcpy(worker.bgw_type, name, BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "mem_curves", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, ok ? "jobs_ok_main" : "jobs_bad_main",
			sizeof(worker.bgw_function_name));
	worker.bgw_main_arg = ObjectIdGetDatum(MyDatabaseId);
	worker.bgw_notify_pid = MyProcPid;

	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		elog(ERROR, "could not register background worker");
	if (WaitForBackgroundWorkerStartup(handle, &pid) != BGWH_STARTED)
		elog(ERROR, "could not start background worker");
	PG_RETURN_INT32(pid);
}
