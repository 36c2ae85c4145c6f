/*-------------------------------------------------------------------------
 *
 * locks.c
 *		Locks that are taken in the wrong order, kept, or not given back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "company.h"
#include "miscadmin.h"

/* Works for so many microseconds, without a look at interrupts. */
static void
work_for(int microseconds)
{
	pg_usleep(microseconds);
	shared->work++;
}

/*
 * Takes two locks; every second caller in the other order.  The fix has one
 * order.  The decoy takes them in either, one after the other.
 */
SUBJECT_BODY
both_orders(FunctionCallInfo fcinfo, Twin twin)
{
	bool		is_turned = twin != OK && PG_GETARG_BOOL(0);
	LWLock	   *one = is_turned ? second_lock : first_lock;
	LWLock	   *other = is_turned ? first_lock : second_lock;

	LWLockAcquire(one, LW_EXCLUSIVE);
	work_for(100);
	if (twin == DECOY)
		LWLockRelease(one);
	LWLockAcquire(other, LW_EXCLUSIVE);
	shared->work++;
	LWLockRelease(other);
	if (twin != DECOY)
		LWLockRelease(one);
	PG_RETURN_VOID();
}
SUBJECT(both_orders);

/*
 * An error is caught, and the lock that was taken before is not given back.
 * The fix does so.  The decoy leaves that to the end of the transaction, which
 * fails.
 */
static Datum
kept_on_error(FunctionCallInfo fcinfo, Twin twin)
{
	int			divisor = PG_GETARG_INT32(0);
	MemoryContext context = CurrentMemoryContext;

	LWLockAcquire(first_lock, LW_EXCLUSIVE);
	if (twin == DECOY && divisor == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DIVISION_BY_ZERO),
				 errmsg("division by zero")));
	PG_TRY();
	{
		if (divisor == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DIVISION_BY_ZERO),
					 errmsg("division by zero")));
		shared->work += 100 / divisor;
		LWLockRelease(first_lock);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		FlushErrorState();
		if (twin == OK)
		{
			/* the ERROR has let go of what LWLockRelease() lets go of */
			HOLD_INTERRUPTS();
			LWLockRelease(first_lock);
		}
	}
	PG_END_TRY();
	PG_RETURN_VOID();
}
SUBJECT(kept_on_error);

/*
 * Looks for a cancel request while it has a spinlock, which nobody gives back
 * then.  The fix looks for it before.  The decoy has taken a note of what it
 * wanted by then.
 */
SUBJECT_BODY
cancelled_holder(FunctionCallInfo fcinfo, Twin twin)
{
	bool		is_cancelled = PG_GETARG_BOOL(0);

	if (twin == OK && is_cancelled)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("canceling statement due to user request")));
	SpinLockAcquire(&shared->mutex);
	shared->work++;
	if (twin == DECOY)
		SpinLockRelease(&shared->mutex);
	if (is_cancelled)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("canceling statement due to user request")));
	if (twin != DECOY)
		SpinLockRelease(&shared->mutex);
	PG_RETURN_VOID();
}
SUBJECT(cancelled_holder);

/*
 * Takes the third of two locks.  The fix takes the second, and so does the
 * decoy, which also takes the first one of those that come behind.
 */
SUBJECT_BODY
beyond_pair(FunctionCallInfo fcinfo, Twin twin)
{
	LWLock	   *lock = &pair[twin == BAD ? 2 : 1].lock;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	shared->work++;
	if (twin == DECOY)
	{
		LWLockAcquire(first_lock, LW_EXCLUSIVE);
		LWLockRelease(first_lock);
	}
	LWLockRelease(lock);
	PG_RETURN_VOID();
}
SUBJECT(beyond_pair);

/*
 * Takes a lock that it has, and waits for itself.  The fix takes it once.  The
 * decoy gives it back in between.
 */
SUBJECT_BODY
taken_twice(FunctionCallInfo fcinfo, Twin twin)
{
	LWLockAcquire(first_lock, LW_EXCLUSIVE);
	shared->work++;
	if (twin == DECOY)
		LWLockRelease(first_lock);
	if (twin != OK)
		LWLockAcquire(first_lock, LW_EXCLUSIVE);
	shared->work++;
	LWLockRelease(first_lock);
	PG_RETURN_VOID();
}
SUBJECT(taken_twice);

/*
 * Waits for what does not come, and does not look for interrupts.  The fix
 * looks for them, and gives up after a while.  The decoy works for long without
 * a look the first time, but comes to an end.
 */
SUBJECT_BODY
no_look(FunctionCallInfo fcinfo, Twin twin)
{
	static int	calls = 0;
	bool		holds_lock = PG_GETARG_BOOL(0);
	int64		turns = 0;

	if (holds_lock)
		LWLockAcquire(second_lock, LW_EXCLUSIVE);
	while (shared->never == 0)
	{
		turns++;
		if (twin == OK)
			CHECK_FOR_INTERRUPTS();
		if (twin == OK && turns > 10000000)
			break;
		if (twin == DECOY && turns > (calls > 0 ? 1000 : 1000000000))
			break;
	}
	if (holds_lock)
		LWLockRelease(second_lock);
	calls++;
	PG_RETURN_VOID();
}
SUBJECT(no_look);
