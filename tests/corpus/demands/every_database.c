/*-------------------------------------------------------------------------
 *
 * every_database.c
 *		A launcher that sees to it that a worker is connected to each database
 *		that lets it, and two functions for a spec.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

PG_MODULE_MAGIC;

#define ROUND_MS	20
#define MOST		32

typedef struct Charge
{
	Oid			database;
	BackgroundWorkerHandle *worker;
} Charge;

static bool heeds_interrupts = true;
static Charge charges[MOST];
static int	num_charges = 0;

PGDLLEXPORT void launcher_main(Datum main_arg);
PGDLLEXPORT void worker_main(Datum main_arg);

static void
begin_worker(void)
{
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
}

/* Without interrupts it is a process that no barrier passes. */
static void
take_a_rest(void)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 ROUND_MS, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	if (heeds_interrupts)
		CHECK_FOR_INTERRUPTS();
}

void
worker_main(Datum main_arg)
{
	begin_worker();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(main_arg),
											  InvalidOid, 0);
	for (;;)
		take_a_rest();
}

static BackgroundWorkerHandle *
start_worker(Oid database)
{
	BackgroundWorker worker = {0};
	BackgroundWorkerHandle *handle = NULL;

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(database);
	strcpy(worker.bgw_library_name, "every_database");
	strcpy(worker.bgw_function_name, "worker_main");
	strcpy(worker.bgw_name, "every_database worker");
	strcpy(worker.bgw_type, "every_database worker");
	(void) RegisterDynamicBackgroundWorker(&worker, &handle);
	return handle;
}

/* The place of a database, if there is one left. */
static Charge *
charge_of(Oid database)
{
	int			i;

	for (i = 0; i < num_charges; i++)
		if (charges[i].database == database)
			return &charges[i];
	if (num_charges == MOST)
		return NULL;
	charges[num_charges].database = database;
	return &charges[num_charges++];
}

static void
see_to(Oid database)
{
	Charge	   *charge = charge_of(database);
	pid_t		pid;

	if (charge == NULL)
		return;
	if (charge->worker != NULL &&
		GetBackgroundWorkerPid(charge->worker, &pid) != BGWH_STOPPED)
		return;
	if (charge->worker != NULL)
		pfree(charge->worker);
	charge->worker = start_worker(database);
}

static void
see_to_all(void)
{
	MemoryContext keep = CurrentMemoryContext;
	Relation	databases;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	databases = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(databases, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext before;

		if (!database->datallowconn)
			continue;
		before = MemoryContextSwitchTo(keep);
		see_to(database->oid);
		MemoryContextSwitchTo(before);
	}
	table_endscan(scan);
	table_close(databases, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(keep);
}

void
launcher_main(Datum main_arg)
{
	begin_worker();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	MemoryContextSwitchTo(TopMemoryContext);
	for (;;)
	{
		see_to_all();
		take_a_rest();
	}
}

PG_FUNCTION_INFO_V1(remember);
Datum
remember(PG_FUNCTION_ARGS)
{
	(void) MemoryContextAlloc(TopMemoryContext, PG_GETARG_INT32(0));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(forget);
Datum
forget(PG_FUNCTION_ARGS)
{
	pfree(MemoryContextAlloc(TopMemoryContext, PG_GETARG_INT32(0)));
	PG_RETURN_VOID();
}

void		_PG_init(void);

void
_PG_init(void)
{
	BackgroundWorker launcher = {0};

	if (!process_shared_preload_libraries_in_progress)
		return;
	DefineCustomBoolVariable("every_database.heeds_interrupts",
							 "Whether launcher and workers look for interrupts.",
							 NULL, &heeds_interrupts, true,
							 PGC_POSTMASTER, 0, NULL, NULL, NULL);
	launcher.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	launcher.bgw_start_time = BgWorkerStart_RecoveryFinished;
	launcher.bgw_restart_time = 1;
	strcpy(launcher.bgw_library_name, "every_database");
	strcpy(launcher.bgw_function_name, "launcher_main");
	strcpy(launcher.bgw_name, "every_database launcher");
	strcpy(launcher.bgw_type, "every_database launcher");
	RegisterBackgroundWorker(&launcher);
}
