/*-------------------------------------------------------------------------
 *
 * worker.c
 *		A background worker that allocates in whatever context is current: d05.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "mem_corpus.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#define D05_ROUND_MS	10

static const char *d05_status = NULL;

static void
d05_start(Datum main_arg)
{
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(main_arg),
											  InvalidOid, 0);
}

static void
d05_wait(void)
{
	(void) WaitLatch(MyLatch,
					 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 D05_ROUND_MS, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* Always 19 characters */
static const char *
d05_describe(int round)
{
	static char text[32];

	snprintf(text, sizeof(text), "round %08d done", round);
	return text;
}

/*
 * d05: after a commit the current context is one that lives as long as the
 * process, and each round leaves a string there.
 */
void
d05_bad_main(Datum main_arg)
{
	d05_start(main_arg);

	for (int round = 0;; round++)
	{
		StartTransactionCommand();
		CommitTransactionCommand();
		d05_status = pstrdup(d05_describe(round));
		d05_wait();
	}
}

void
d05_ok_main(Datum main_arg)
{
	MemoryContext loop_context;

	d05_start(main_arg);
	loop_context = AllocSetContextCreate(TopMemoryContext, "d05 loop",
										 ALLOCSET_SMALL_SIZES);

	for (int round = 0;; round++)
	{
		MemoryContextReset(loop_context);
		StartTransactionCommand();
		CommitTransactionCommand();
		MemoryContextSwitchTo(loop_context);
		d05_status = pstrdup(d05_describe(round));
		d05_wait();
	}
}

/* Starts the worker of either twin in this database and returns its pid. */
PG_FUNCTION_INFO_V1(d05_launch);
Datum
d05_launch(PG_FUNCTION_ARGS)
{
	bool		ok = PG_GETARG_BOOL(0);
	const char *name = ok ? "mem_corpus d05_ok" : "mem_corpus d05_bad";
	BackgroundWorker worker = {0};
	BackgroundWorkerHandle *handle;
	pid_t		pid;

	strlcpy(worker.bgw_name, name, BGW_MAXLEN);
	strlcpy(worker.bgw_type, name, BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "mem_corpus", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, ok ? "d05_ok_main" : "d05_bad_main",
			sizeof(worker.bgw_function_name));
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
