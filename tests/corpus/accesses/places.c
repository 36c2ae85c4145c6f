/*-------------------------------------------------------------------------
 *
 * places.c
 *		One bad access, a read after pfree, in each of the places from which
 *		the server calls a library.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/xact.h"
#include "accesses.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/wait_event.h"

/* A parallel worker reads what it has freed. The decoy does so in no process. */
SUBJECT_BODY
in_parallel(FunctionCallInfo fcinfo, Twin twin)
{
	int32		number = PG_GETARG_INT32(0);
	volatile int64 *copy = palloc(8 * sizeof(int64));

	copy[4] = number;
	if (twin == OK)
		number = copy[4];
	pfree((void *) copy);
	if (twin == BAD && IsParallelWorker())
		number = copy[4];
	PG_RETURN_INT32(number);
}
SUBJECT(in_parallel);

/*
 * The key of an index that is built is compared with the one before, which was
 * copied into the context of a row. The decoy keeps it for all rows.
 */
SUBJECT_BODY
in_index(FunctionCallInfo fcinfo, Twin twin)
{
	int32		number = PG_GETARG_INT32(0);
	volatile int64 *before = fcinfo->flinfo->fn_extra;
	volatile int64 *copy;

	if (before != NULL && before[6] > number)
		number = before[6];
	copy = twin == DECOY && before != NULL ? before
		: twin == BAD ? palloc(8 * sizeof(int64))
		: MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, 8 * sizeof(int64));
	copy[6] = number;
	if (twin == OK && before != NULL)
		pfree((void *) before);
	fcinfo->flinfo->fn_extra = (void *) copy;
	PG_RETURN_INT32(number);
}
SUBJECT(in_index);

/* A comparator frees its copies before it compares them. The decoy frees the first copy and compares others. */
SUBJECT_BODY
in_sort(FunctionCallInfo fcinfo, Twin twin)
{
	text	   *left = PG_GETARG_TEXT_PP(0);
	text	   *right = PG_GETARG_TEXT_PP(1);
	char	   *a = text_to_cstring(left);
	char	   *b = text_to_cstring(right);
	int			result = 0;

	if (twin == OK)
		result = strcmp(a, b);
	pfree(a);
	if (twin == DECOY)
		a = text_to_cstring(left);
	if (twin != OK)
	{
		/* The end, which nothing is written to when the chunk is freed */
		int			at = Min(VARSIZE_ANY_EXHDR(left), VARSIZE_ANY_EXHDR(right));

		for (int i = at > 8 ? 8 : 0; i <= at && result == 0; i++)
			result = ((volatile unsigned char *) a)[i] - ((volatile unsigned char *) b)[i];
	}
	if (twin == DECOY)
		pfree(a);
	pfree(b);
	PG_RETURN_INT32(result);
}
SUBJECT(in_sort);

/*
 * The row before is kept in the context of the trigger's call, which is reset
 * before the next row. The decoy keeps its number.
 */
SUBJECT_BODY
in_trigger(FunctionCallInfo fcinfo, Twin twin)
{
	static HeapTuple last[TWINS];
	static TransactionId within[TWINS];
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	MemoryContext old = CurrentMemoryContext;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "not called as a trigger");
	if (within[twin] == GetCurrentTransactionId() && last[twin] != NULL
		&& ((volatile HeapTupleData *) last[twin])->t_len > 1000000)
		elog(WARNING, "a row of %u bytes", last[twin]->t_len);
	within[twin] = GetCurrentTransactionId();
	if (twin == OK)
		MemoryContextSwitchTo(TopTransactionContext);
	if (twin == DECOY)
		pfree(heap_copytuple(trigger->tg_trigtuple));
	else
		last[twin] = heap_copytuple(trigger->tg_trigtuple);
	MemoryContextSwitchTo(old);
	PG_RETURN_POINTER(trigger->tg_trigtuple);
}
SUBJECT(in_trigger);

/*
 * A background worker keeps what it has read in a transaction over its end. The
 * decoy copies it into a context of its own.
 */
extern PGDLLEXPORT void accesses_bad_main(Datum main_arg);
extern PGDLLEXPORT void accesses_ok_main(Datum main_arg);
extern PGDLLEXPORT void accesses_decoy_main(Datum main_arg);

static pg_attribute_always_inline void
work(Datum main_arg, Twin twin)
{
	MemoryContext round_context;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(main_arg), InvalidOid, 0);
	round_context = AllocSetContextCreate(TopMemoryContext, "accesses round",
										  ALLOCSET_SMALL_SIZES);

	for (;;)
	{
		volatile int64 *item;
		int64		value = 0;

		MemoryContextReset(round_context);
		StartTransactionCommand();
		if (twin == DECOY)
			MemoryContextSwitchTo(round_context);
		item = palloc(8 * sizeof(int64));
		item[6] = 6;
		if (twin == OK)
			value = item[6];
		CommitTransactionCommand();
		if (twin != OK)
			value = item[6];
		if (value != 6)
			elog(LOG, "item %lld", (long long) value);

		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 10, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

void
accesses_bad_main(Datum main_arg)
{
	work(main_arg, BAD);
}

void
accesses_ok_main(Datum main_arg)
{
	work(main_arg, OK);
}

void
accesses_decoy_main(Datum main_arg)
{
	work(main_arg, DECOY);
}

/* Starts the worker in this database and returns its pid. */
SUBJECT_BODY
in_worker(FunctionCallInfo fcinfo, Twin twin)
{
	static const char *const names[TWINS] = {"accesses bad", "accesses ok", "accesses decoy"};
	static const char *const functions[TWINS] = {"accesses_bad_main", "accesses_ok_main", "accesses_decoy_main"};
	BackgroundWorker worker = {0};
	BackgroundWorkerHandle *handle;
	pid_t		pid;

	strlcpy(worker.bgw_name, names[twin], BGW_MAXLEN);
	strlcpy(worker.bgw_type, names[twin], BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "accesses", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, functions[twin], sizeof(worker.bgw_function_name));
	worker.bgw_main_arg = ObjectIdGetDatum(MyDatabaseId);
	worker.bgw_notify_pid = MyProcPid;

	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not register background worker"),
				 errhint("You may need to increase \"max_worker_processes\".")));
	if (WaitForBackgroundWorkerStartup(handle, &pid) != BGWH_STARTED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not start background worker")));
	pfree(handle);
	PG_RETURN_INT32(pid);
}
SUBJECT(in_worker);
