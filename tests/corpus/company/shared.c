/*-------------------------------------------------------------------------
 *
 * shared.c
 *		What several processes change at the same time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "company.h"
#include "miscadmin.h"

/*
 * Puts an item for each that is inside into an array with room for one.  The
 * fix has room for all.  The decoy lets in one at a time.
 */
SUBJECT_BODY
two_inside(FunctionCallInfo fcinfo, Twin twin)
{
	volatile int64 *items;
	int			inside;

	items = palloc((twin == OK ? MaxBackends + 1 : 1) * sizeof(int64));
	if (twin == DECOY)
		LWLockAcquire(second_lock, LW_EXCLUSIVE);
	LWLockAcquire(first_lock, LW_EXCLUSIVE);
	inside = shared->inside++;
	LWLockRelease(first_lock);

	items[inside] = inside;

	LWLockAcquire(first_lock, LW_EXCLUSIVE);
	shared->inside--;
	LWLockRelease(first_lock);
	if (twin == DECOY)
		LWLockRelease(second_lock);
	pfree((void *) items);
	PG_RETURN_VOID();
}
SUBJECT(two_inside);

/*
 * Takes a slot, and does not return it where an error comes in between.  The
 * fix does.  The decoy fails before it has taken one.
 */
SUBJECT_BODY
slot_kept(FunctionCallInfo fcinfo, Twin twin)
{
	bool		fails = PG_GETARG_BOOL(0);
	int			slot;

	if (twin == DECOY && fails)
		ereport(ERROR, (errmsg("no work for a slot")));
	LWLockAcquire(first_lock, LW_EXCLUSIVE);
	for (slot = 0; slot < SLOTS; slot++)
		if (!shared->is_taken[slot])
			break;
	if (slot == SLOTS)
	{
		LWLockRelease(first_lock);
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("all %d slots are taken", SLOTS)));
	}
	shared->is_taken[slot] = true;
	LWLockRelease(first_lock);

	if (fails && twin == BAD)
		ereport(ERROR, (errmsg("no work for a slot")));

	LWLockAcquire(first_lock, LW_EXCLUSIVE);
	shared->is_taken[slot] = false;
	LWLockRelease(first_lock);
	if (fails)
		ereport(ERROR, (errmsg("no work for a slot")));
	PG_RETURN_VOID();
}
SUBJECT(slot_kept);

/* Nobody is inside, and all slots are free. */
PG_FUNCTION_INFO_V1(reset);
Datum
reset(PG_FUNCTION_ARGS)
{
	LWLockAcquire(first_lock, LW_EXCLUSIVE);
	shared->inside = 0;
	memset(shared->is_taken, 0, sizeof(shared->is_taken));
	LWLockRelease(first_lock);
	PG_RETURN_VOID();
}
