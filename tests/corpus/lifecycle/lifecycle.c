/*-------------------------------------------------------------------------
 *
 * lifecycle.c
 *		Dynamic shared memory that stays, each with its mended twin, and what
 *		looks like that and is handed on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/dshash.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#if PG_VERSION_NUM >= 170000
#include "storage/dsm_registry.h"
#endif
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shm_mq.h"
#include "utils/dsa.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

PG_MODULE_MAGIC;

#define KILOBYTES(argument) (PG_GETARG_INT32(argument) * (Size) 1024)

PGDLLEXPORT void lifecycle_worker_main(Datum argument);

/* A segment that is pinned; its handle is the caller's */
static dsm_handle
pinned(Size size)
{
	dsm_segment *segment = dsm_create(size, 0);
	dsm_handle	handle = dsm_segment_handle(segment);

	dsm_pin_segment(segment);
	dsm_detach(segment);
	return handle;
}

PG_FUNCTION_INFO_V1(lifecycle_pin);
Datum
lifecycle_pin(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(pinned(KILOBYTES(0)));
}

PG_FUNCTION_INFO_V1(lifecycle_pin_bad);
Datum
lifecycle_pin_bad(PG_FUNCTION_ARGS)
{
	dsm_segment *segment = dsm_create(KILOBYTES(0), 0);

	dsm_pin_segment(segment);
	dsm_detach(segment);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(lifecycle_pin_ok);
Datum
lifecycle_pin_ok(PG_FUNCTION_ARGS)
{
	dsm_unpin_segment(pinned(KILOBYTES(0)));
	PG_RETURN_VOID();
}

/* What this backend has, made at its first call */
static dsm_segment *mine = NULL;

PG_FUNCTION_INFO_V1(lifecycle_backend_bad);
Datum
lifecycle_backend_bad(PG_FUNCTION_ARGS)
{
	if (mine == NULL)
	{
		mine = dsm_create(KILOBYTES(0), 0);
		dsm_pin_segment(mine);
		dsm_pin_mapping(mine);
	}
	PG_RETURN_VOID();
}

/* It goes with the backend. */
PG_FUNCTION_INFO_V1(lifecycle_backend_ok);
Datum
lifecycle_backend_ok(PG_FUNCTION_ARGS)
{
	if (mine == NULL)
	{
		mine = dsm_create(KILOBYTES(0), 0);
		dsm_pin_mapping(mine);
	}
	PG_RETURN_VOID();
}

static dsm_segment *
attached(dsm_handle handle)
{
	dsm_segment *segment = dsm_attach(handle);

	if (segment == NULL)
		elog(ERROR, "there is no such segment");
	return segment;
}

PG_FUNCTION_INFO_V1(lifecycle_attach_bad);
Datum
lifecycle_attach_bad(PG_FUNCTION_ARGS)
{
	dsm_handle	handle = pinned(KILOBYTES(0));
	dsm_segment *segment = attached(handle);

	dsm_pin_mapping(segment);
	dsm_unpin_segment(handle);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(lifecycle_attach_ok);
Datum
lifecycle_attach_ok(PG_FUNCTION_ARGS)
{
	dsm_handle	handle = pinned(KILOBYTES(0));
	dsm_segment *segment = attached(handle);

	dsm_pin_mapping(segment);
	dsm_unpin_segment(handle);
	dsm_detach(segment);
	PG_RETURN_VOID();
}

/* Starts a worker for a segment, and waits until it is there. */
static bool
start(dsm_handle handle)
{
	BackgroundWorker worker = {0};
	BackgroundWorkerHandle *started;
	pid_t		pid;

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = UInt32GetDatum(handle);
	worker.bgw_notify_pid = MyProcPid;
	strlcpy(worker.bgw_library_name, "lifecycle", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "lifecycle_worker_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "lifecycle worker", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "lifecycle worker", BGW_MAXLEN);
	if (!RegisterDynamicBackgroundWorker(&worker, &started))
		return false;
	(void) WaitForBackgroundWorkerStartup(started, &pid);
	pfree(started);
	return true;
}

/* Takes over the segment, and is done with it a while later. */
void
lifecycle_worker_main(Datum argument)
{
	dsm_handle	handle = DatumGetUInt32(argument);
	dsm_segment *segment;

	BackgroundWorkerUnblockSignals();
	segment = attached(handle);
	dsm_pin_mapping(segment);
	pg_usleep(20000);
	dsm_unpin_segment(handle);
	pg_usleep(20000);
	dsm_detach(segment);
}

/* Where all places for workers are taken, nobody unpins it. */
PG_FUNCTION_INFO_V1(lifecycle_refused_bad);
Datum
lifecycle_refused_bad(PG_FUNCTION_ARGS)
{
	dsm_segment *segment = dsm_create(KILOBYTES(0), 0);
	dsm_handle	handle = dsm_segment_handle(segment);

	dsm_pin_segment(segment);
	dsm_detach(segment);
	PG_RETURN_BOOL(start(handle));
}

PG_FUNCTION_INFO_V1(lifecycle_refused_ok);
Datum
lifecycle_refused_ok(PG_FUNCTION_ARGS)
{
	dsm_handle	handle = pinned(KILOBYTES(0));
	bool		is_started = start(handle);

	if (!is_started)
		dsm_unpin_segment(handle);
	PG_RETURN_BOOL(is_started);
}

/* As the mended one, until there is a place. */
PG_FUNCTION_INFO_V1(lifecycle_hand_on);
Datum
lifecycle_hand_on(PG_FUNCTION_ARGS)
{
	dsm_handle	handle = pinned(KILOBYTES(0));

	while (!start(handle))
	{
		CHECK_FOR_INTERRUPTS();
		pg_usleep(5000);
	}
	PG_RETURN_BOOL(true);
}

/* Makes a queue, and is done with it. */
static dsm_segment *
with_queue(Size size)
{
	dsm_segment *segment = dsm_create(size, 0);
	shm_mq	   *queue = shm_mq_create(dsm_segment_address(segment), size);

	shm_mq_set_receiver(queue, MyProc);
	dsm_pin_mapping(segment);
	shm_mq_detach(shm_mq_attach(queue, segment, NULL));
	return segment;
}

PG_FUNCTION_INFO_V1(lifecycle_queue_bad);
Datum
lifecycle_queue_bad(PG_FUNCTION_ARGS)
{
	(void) with_queue(KILOBYTES(0));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(lifecycle_queue_ok);
Datum
lifecycle_queue_ok(PG_FUNCTION_ARGS)
{
	dsm_detach(with_queue(KILOBYTES(0)));
	PG_RETURN_VOID();
}

/* The areas' number for their locks */
static int
tranche(void)
{
	static int	number = 0;

	if (number == 0)
	{
#if PG_VERSION_NUM >= 190000
		number = LWLockNewTrancheId("lifecycle");
#else
		number = LWLockNewTrancheId();
		LWLockRegisterTranche(number, "lifecycle");
#endif
	}
	return number;
}

PG_FUNCTION_INFO_V1(lifecycle_area_bad);
Datum
lifecycle_area_bad(PG_FUNCTION_ARGS)
{
	dsa_pin_mapping(dsa_create(tranche()));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(lifecycle_area_ok);
Datum
lifecycle_area_ok(PG_FUNCTION_ARGS)
{
	dsa_area   *area = dsa_create(tranche());

	dsa_pin_mapping(area);
	dsa_detach(area);
	PG_RETURN_VOID();
}

/* The backend's own area, made at its first call */
static dsa_area *
own_area(void)
{
	static dsa_area *area = NULL;

	if (area == NULL)
	{
		MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);

		area = dsa_create(tranche());
		dsa_pin_mapping(area);
		MemoryContextSwitchTo(before);
	}
	return area;
}

PG_FUNCTION_INFO_V1(lifecycle_chunk_bad);
Datum
lifecycle_chunk_bad(PG_FUNCTION_ARGS)
{
	(void) dsa_allocate(own_area(), PG_GETARG_INT32(0));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(lifecycle_chunk_ok);
Datum
lifecycle_chunk_ok(PG_FUNCTION_ARGS)
{
	dsa_pointer chunk = dsa_allocate(own_area(), PG_GETARG_INT32(0));

	dsa_free(own_area(), chunk);
	PG_RETURN_VOID();
}

typedef struct Entry
{
	int			key;
	char		value[60];
} Entry;

static dshash_parameters
parameters(void)
{
	dshash_parameters parameters = {
		.key_size = sizeof(int),
		.entry_size = sizeof(Entry),
		.compare_function = dshash_memcmp,
		.hash_function = dshash_memhash,
#if PG_VERSION_NUM >= 170000
		.copy_function = dshash_memcpy,
#endif
	};

	parameters.tranche_id = tranche();
	return parameters;
}

/* The backend's own table, made at its first call */
static dshash_table *
own_table(void)
{
	static dshash_table *table = NULL;

	if (table == NULL)
	{
		dsa_area   *area = own_area();
		dshash_parameters with = parameters();
		MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);

		table = dshash_create(area, &with, NULL);
		MemoryContextSwitchTo(before);
	}
	return table;
}

static int	next_key = 0;

/* Enters a key. */
static pg_noinline void
enter(dshash_table *table, int key)
{
	bool		found;
	Entry	   *entry = dshash_find_or_insert(table, &key, &found);

	memset(entry->value, 0, sizeof(entry->value));
	dshash_release_lock(table, entry);
}

/* Every call has a key of its own. */
PG_FUNCTION_INFO_V1(lifecycle_entry_bad);
Datum
lifecycle_entry_bad(PG_FUNCTION_ARGS)
{
	enter(own_table(), next_key++);
	PG_RETURN_VOID();
}

/* It takes it out again: by the key, or by the entry. */
PG_FUNCTION_INFO_V1(lifecycle_entry_ok);
Datum
lifecycle_entry_ok(PG_FUNCTION_ARGS)
{
	int			key = next_key++;

	enter(own_table(), key);
	if (key % 2 == 0)
		(void) dshash_delete_key(own_table(), &key);
	else
		dshash_delete_entry(own_table(), dshash_find(own_table(), &key, true));
	PG_RETURN_VOID();
}

/* One key for all. */
PG_FUNCTION_INFO_V1(lifecycle_entry_found);
Datum
lifecycle_entry_found(PG_FUNCTION_ARGS)
{
	enter(own_table(), 0);
	PG_RETURN_VOID();
}

/* Every call has a key of its own, and a scan takes out all of them. */
PG_FUNCTION_INFO_V1(lifecycle_entry_scanned);
Datum
lifecycle_entry_scanned(PG_FUNCTION_ARGS)
{
	dshash_seq_status scan;

	enter(own_table(), next_key++);
	dshash_seq_init(&scan, own_table(), true);
	while (dshash_seq_next(&scan) != NULL)
		dshash_delete_current(&scan);
	dshash_seq_term(&scan);
	PG_RETURN_VOID();
}

/* A table for each call, which goes with what is in it. */
PG_FUNCTION_INFO_V1(lifecycle_table_destroyed);
Datum
lifecycle_table_destroyed(PG_FUNCTION_ARGS)
{
	dshash_parameters with = parameters();
	dshash_table *table = dshash_create(own_area(), &with, NULL);

	enter(table, next_key++);
	dshash_destroy(table);
	PG_RETURN_VOID();
}

#if PG_VERSION_NUM >= 170000
static void
named(const char *name)
{
	bool		found;

#if PG_VERSION_NUM >= 190000
	(void) GetNamedDSMSegment(name, 4096, NULL, &found, NULL);
#else
	(void) GetNamedDSMSegment(name, 4096, NULL, &found);
#endif
}
#endif

PG_FUNCTION_INFO_V1(lifecycle_named_ok);
Datum
lifecycle_named_ok(PG_FUNCTION_ARGS)
{
#if PG_VERSION_NUM >= 170000
	named("lifecycle");
#endif
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(lifecycle_named_bad);
Datum
lifecycle_named_bad(PG_FUNCTION_ARGS)
{
#if PG_VERSION_NUM >= 170000
	named(psprintf("lifecycle %d %d", MyProcPid, next_key++));
#endif
	PG_RETURN_VOID();
}

/* Areas and hash tables that have a name, from 19 on. A name for each call. */
PG_FUNCTION_INFO_V1(lifecycle_named_area_bad);
Datum
lifecycle_named_area_bad(PG_FUNCTION_ARGS)
{
#if PG_VERSION_NUM >= 190000
	bool		found;

	(void) GetNamedDSA(psprintf("lifecycle %d %d", MyProcPid, next_key++), &found);
#endif
	PG_RETURN_VOID();
}

#if PG_VERSION_NUM >= 190000
static dsa_area *
named_area(void)
{
	static dsa_area *area = NULL;
	bool		found;

	if (area == NULL)
		area = GetNamedDSA("lifecycle area", &found);
	return area;
}

static dshash_table *
named_table(void)
{
	static dshash_table *table = NULL;
	bool		found;

	if (table == NULL)
	{
		dshash_parameters with = parameters();

		table = GetNamedDSHash("lifecycle table", &with, &found);
	}
	return table;
}
#endif

/* One name for all, and what is allocated there is lost. */
PG_FUNCTION_INFO_V1(lifecycle_named_chunk_bad);
Datum
lifecycle_named_chunk_bad(PG_FUNCTION_ARGS)
{
#if PG_VERSION_NUM >= 190000
	(void) dsa_allocate(named_area(), PG_GETARG_INT32(0));
#endif
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(lifecycle_named_chunk_ok);
Datum
lifecycle_named_chunk_ok(PG_FUNCTION_ARGS)
{
#if PG_VERSION_NUM >= 190000
	dsa_free(named_area(), dsa_allocate(named_area(), PG_GETARG_INT32(0)));
#endif
	PG_RETURN_VOID();
}

/* Every call has a key of its own. */
PG_FUNCTION_INFO_V1(lifecycle_named_entry_bad);
Datum
lifecycle_named_entry_bad(PG_FUNCTION_ARGS)
{
#if PG_VERSION_NUM >= 190000
	enter(named_table(), next_key++);
#endif
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(lifecycle_named_entry_ok);
Datum
lifecycle_named_entry_ok(PG_FUNCTION_ARGS)
{
#if PG_VERSION_NUM >= 190000
	int			key = next_key++;

	enter(named_table(), key);
	(void) dshash_delete_key(named_table(), &key);
#endif
	PG_RETURN_VOID();
}
