/*-------------------------------------------------------------------------
 *
 * cancelled.c
 *		Calls that are cancelled, and what they leave: each function does
 *		without its mistake if it is told to.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <stdlib.h>
#include <time.h>

#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

/* So often do loops look for interrupts. */
#define ROUNDS 5

void		_PG_init(void);

/* Slots for whoever wants one, in shared memory */
typedef struct Slots
{
	int			in_use;
	int			in_use_for_long;
} Slots;

static Slots *slots = NULL;
static shmem_request_hook_type next_request = NULL;
static shmem_startup_hook_type next_startup = NULL;

static void
request(void)
{
	if (next_request)
		next_request();
	RequestAddinShmemSpace(sizeof(Slots));
	RequestNamedLWLockTranche("cancelled", 1);
}

static void
startup(void)
{
	bool		found;

	if (next_startup)
		next_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	slots = ShmemInitStruct("cancelled", sizeof(Slots), &found);
	if (!found)
		memset(slots, 0, sizeof(Slots));
	LWLockRelease(AddinShmemInitLock);
}

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	next_request = shmem_request_hook;
	shmem_request_hook = request;
	next_startup = shmem_startup_hook;
	shmem_startup_hook = startup;
}

/* Looks for interrupts. */
static pg_noinline int
rounds(void)
{
	volatile int done = 0;

	while (done < ROUNDS)
	{
		CHECK_FOR_INTERRUPTS();
		done++;
	}
	return done;
}

/* What malloc has given stays where the loop is left by an ERROR. */
PG_FUNCTION_INFO_V1(cancelled_keeps);
Datum
cancelled_keeps(PG_FUNCTION_ARGS)
{
	char	   *volatile buffer = malloc(100);
	volatile int done = 0;

	if (PG_GETARG_BOOL(0))
	{
		done = rounds();
		free(buffer);
		PG_RETURN_INT32(done);
	}
	PG_TRY();
	{
		done = rounds();
	}
	PG_FINALLY();
	{
		free(buffer);
	}
	PG_END_TRY();
	PG_RETURN_INT32(done);
}

/* A cache is said to be there before it is filled. */
PG_FUNCTION_INFO_V1(cancelled_cache);
Datum
cancelled_cache(PG_FUNCTION_ARGS)
{
	static int *cache = NULL;
	bool		is_buggy = PG_GETARG_BOOL(0);

	if (cache == NULL)
	{
		int		   *made = MemoryContextAllocZero(TopMemoryContext, sizeof(int));

		if (is_buggy)
			cache = made;
		PG_TRY();
		{
			*made = rounds();
		}
		PG_CATCH();
		{
			if (!is_buggy)
				pfree(made);
			PG_RE_THROW();
		}
		PG_END_TRY();
		cache = made;
	}
	PG_RETURN_INT32(*cache);
}

static void
take_slot(void)
{
	if (slots->in_use > 0)
		elog(ERROR, "all slots are in use");
	slots->in_use++;
}

static void
give_slot(int code, Datum argument)
{
	slots->in_use--;
}

/* The only slot is not given back on an ERROR. */
PG_FUNCTION_INFO_V1(cancelled_slot);
Datum
cancelled_slot(PG_FUNCTION_ARGS)
{
	volatile int done = 0;

	take_slot();
	if (PG_GETARG_BOOL(0))
	{
		done = rounds();
		give_slot(0, (Datum) 0);
		PG_RETURN_INT32(done);
	}
	PG_ENSURE_ERROR_CLEANUP(give_slot, (Datum) 0);
	{
		done = rounds();
	}
	PG_END_ENSURE_ERROR_CLEANUP(give_slot, (Datum) 0);
	give_slot(0, (Datum) 0);
	PG_RETURN_INT32(done);
}

static void
give_up(int code, Datum argument)
{
	slots->in_use_for_long--;
}

/* The slot is given back on an ERROR, and not where the session is terminated: that runs no PG_CATCH. */
PG_FUNCTION_INFO_V1(cancelled_terminated);
Datum
cancelled_terminated(PG_FUNCTION_ARGS)
{
	volatile int done = 0;

	if (slots->in_use_for_long > 0)
		elog(ERROR, "all slots are in use");
	slots->in_use_for_long++;
	if (PG_GETARG_BOOL(0))
	{
		PG_TRY();
		{
			done = rounds();
		}
		PG_FINALLY();
		{
			give_up(0, (Datum) 0);
		}
		PG_END_TRY();
		PG_RETURN_INT32(done);
	}
	PG_ENSURE_ERROR_CLEANUP(give_up, (Datum) 0);
	{
		done = rounds();
	}
	PG_END_ENSURE_ERROR_CLEANUP(give_up, (Datum) 0);
	give_up(0, (Datum) 0);
	PG_RETURN_INT32(done);
}

/* It takes every ERROR for one that it has provoked. */
PG_FUNCTION_INFO_V1(cancelled_swallows);
Datum
cancelled_swallows(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	volatile int done = 0;

	PG_TRY();
	{
		done = rounds();
	}
	PG_CATCH();
	{
		if (!PG_GETARG_BOOL(0))
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		done = ROUNDS;
	}
	PG_END_TRY();
	PG_RETURN_INT32(done);
}

/* Works for a while, and looks for nothing. */
static pg_noinline int
work(int milliseconds, bool looks)
{
	struct timespec from,
				now;
	int			done = 0;

	clock_gettime(CLOCK_MONOTONIC, &from);
	do
	{
		if (looks)
			CHECK_FOR_INTERRUPTS();
		clock_gettime(CLOCK_MONOTONIC, &now);
		done = 1;
	}
	while ((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000 < milliseconds);
	return done;
}

PG_FUNCTION_INFO_V1(cancelled_busy);
Datum
cancelled_busy(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(work(PG_GETARG_INT32(1), !PG_GETARG_BOOL(0)));
}

/* A spinlock is held where the loop is left by an ERROR: the next one waits for it for ever. It is this session's own. */
PG_FUNCTION_INFO_V1(cancelled_spins);
Datum
cancelled_spins(PG_FUNCTION_ARGS)
{
	static slock_t lock;
	static bool is_made = false;
	int			done = 0;

	if (!is_made)
		SpinLockInit(&lock);
	is_made = true;
	if (!PG_GETARG_BOOL(0))
		done = rounds();
	SpinLockAcquire(&lock);
	if (PG_GETARG_BOOL(0))
		done = rounds();
	SpinLockRelease(&lock);
	PG_RETURN_INT32(done);
}

/* An LWLock holds off interrupts: what is asked for comes behind it, and it is given back by the server. */
PG_FUNCTION_INFO_V1(cancelled_locks);
Datum
cancelled_locks(PG_FUNCTION_ARGS)
{
	LWLock	   *lock = &GetNamedLWLockTranche("cancelled")->lock;
	int			done;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	done = rounds();
	LWLockRelease(lock);
	PG_RETURN_INT32(done + rounds());
}

PG_FUNCTION_INFO_V1(cancelled_pallocs);
Datum
cancelled_pallocs(PG_FUNCTION_ARGS)
{
	char	   *buffer = palloc(100);
	int			done = rounds();

	pfree(buffer);
	PG_RETURN_INT32(done);
}

PG_FUNCTION_INFO_V1(cancelled_queries);
Datum
cancelled_queries(PG_FUNCTION_ARGS)
{
	int			done;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "no connection to SPI");
	(void) SPI_execute("SELECT count(*) FROM pg_class, generate_series(1, 10)", true, 0);
	done = (int) SPI_processed;
	SPI_finish();
	PG_RETURN_INT32(done + rounds());
}

/* malloc'ed memory is lost where the lock of a table is not to be had: nothing else can be cancelled behind it. */
PG_FUNCTION_INFO_V1(cancelled_awaits);
Datum
cancelled_awaits(PG_FUNCTION_ARGS)
{
	Oid			relation = PG_GETARG_OID(1);
	char	   *volatile buffer = malloc(100);

	if (PG_GETARG_BOOL(0))
	{
		LockRelationOid(relation, AccessShareLock);
		free(buffer);
		PG_RETURN_INT32(1);
	}
	PG_TRY();
	{
		LockRelationOid(relation, AccessShareLock);
	}
	PG_FINALLY();
	{
		free(buffer);
	}
	PG_END_TRY();
	PG_RETURN_INT32(1);
}

/* It knows that it is at work: for ever, where it has waited for longer than lock_timeout, which is no cancel. */
PG_FUNCTION_INFO_V1(cancelled_at_work);
Datum
cancelled_at_work(PG_FUNCTION_ARGS)
{
	static bool is_at_work = false;

	if (is_at_work)
		elog(ERROR, "it is at work already");
	is_at_work = true;
	PG_TRY();
	{
		LockRelationOid(PG_GETARG_OID(1), AccessShareLock);
	}
	PG_CATCH();
	{
		if (!PG_GETARG_BOOL(0) || geterrcode() == ERRCODE_QUERY_CANCELED)
			is_at_work = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
	is_at_work = false;
	PG_RETURN_INT32(1);
}

/* An advisory lock of the session is kept where a table's is not to be had. */
PG_FUNCTION_INFO_V1(cancelled_advisory);
Datum
cancelled_advisory(PG_FUNCTION_ARGS)
{
	const Datum key = Int64GetDatum(4711);

	DirectFunctionCall1(pg_advisory_lock_shared_int8, key);
	PG_TRY();
	{
		LockRelationOid(PG_GETARG_OID(1), AccessShareLock);
	}
	PG_CATCH();
	{
		if (!PG_GETARG_BOOL(0))
			DirectFunctionCall1(pg_advisory_unlock_shared_int8, key);
		PG_RE_THROW();
	}
	PG_END_TRY();
	DirectFunctionCall1(pg_advisory_unlock_shared_int8, key);
	PG_RETURN_INT32(1);
}

/* It waits, with interrupts held off, until the call that was cancelled is done. */
PG_FUNCTION_INFO_V1(cancelled_holds);
Datum
cancelled_holds(PG_FUNCTION_ARGS)
{
	static volatile bool is_busy = false;
	volatile int done = 0;

	HOLD_INTERRUPTS();
	while (is_busy)
		pg_usleep(1000L);
	RESUME_INTERRUPTS();
	is_busy = true;
	PG_TRY();
	{
		done = rounds();
	}
	PG_CATCH();
	{
		if (!PG_GETARG_BOOL(0))
			is_busy = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
	is_busy = false;
	PG_RETURN_INT32(done);
}

/* An LWLock is taken once more where an ERROR has come while it was held: it waits for itself. */
PG_FUNCTION_INFO_V1(cancelled_takes_twice);
Datum
cancelled_takes_twice(PG_FUNCTION_ARGS)
{
	LWLock	   *lock = &GetNamedLWLockTranche("cancelled")->lock;
	volatile int done = 0;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	PG_TRY();
	{
		/* It may take long, so it is to be cancelled all the same. */
		RESUME_INTERRUPTS();
		done = rounds();
		HOLD_INTERRUPTS();
	}
	PG_CATCH();
	{
		if (PG_GETARG_BOOL(0))
			LWLockAcquire(lock, LW_EXCLUSIVE);
		else
			HOLD_INTERRUPTS();	/* LWLockRelease resumes them */
		LWLockRelease(lock);
		PG_RE_THROW();
	}
	PG_END_TRY();
	LWLockRelease(lock);
	PG_RETURN_INT32(done);
}
