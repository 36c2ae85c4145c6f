/*-------------------------------------------------------------------------
 *
 * tables.c
 *		Hash tables in shared memory, and their locks.
 *
 * The keys are few, so that after the first calls all of them are there and
 * nothing is changed any more: what is wrong here damages nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "company.h"

/*
 * Enters a key without a lock.  The fix takes it.  The decoy has a spinlock,
 * which the server's own rules would not like, but which does.
 */
SUBJECT_BODY
no_lock(FunctionCallInfo fcinfo, Twin twin)
{
	int32		key = PG_GETARG_INT32(0);
	Item	   *item;
	bool		found;

	if (twin == OK)
		LWLockAcquire(table_lock, LW_EXCLUSIVE);
	if (twin == DECOY)
		SpinLockAcquire(&shared->mutex);
	item = hash_search(whole_table, &key, HASH_ENTER_NULL, &found);
	if (item != NULL && !found)
		SpinLockInit(&item->mutex);
	if (twin == DECOY)
		SpinLockRelease(&shared->mutex);
	if (twin == OK)
		LWLockRelease(table_lock);
	PG_RETURN_BOOL(item != NULL);
}
SUBJECT(no_lock);

/*
 * Looks a key up under the lock in shared mode, and enters it in that mode.  The
 * fix takes it exclusively for that.  The decoy only looks up, and counts in
 * the entry under the entry's spinlock.
 */
SUBJECT_BODY
shared_lock(FunctionCallInfo fcinfo, Twin twin)
{
	int32		key = PG_GETARG_INT32(0);
	Item	   *item;
	bool		found;

	LWLockAcquire(table_lock, LW_SHARED);
	item = hash_search(whole_table, &key, HASH_FIND, NULL);
	if (twin == BAD)
		item = hash_search(whole_table, &key, HASH_ENTER, &found);
	else if (twin == OK)
	{
		LWLockRelease(table_lock);
		LWLockAcquire(table_lock, LW_EXCLUSIVE);
		item = hash_search(whole_table, &key, HASH_ENTER, &found);
	}
	else if (item != NULL)
	{
		SpinLockAcquire(&item->mutex);
		item->count++;
		SpinLockRelease(&item->mutex);
	}
	LWLockRelease(table_lock);
	PG_RETURN_BOOL(item != NULL);
}
SUBJECT(shared_lock);

/*
 * Takes the lock of one part of a table by the key, while the table is divided
 * by the key's hash value.  The fix goes by that.  The decoy does so too, and
 * looks at the whole table under all locks.
 */
SUBJECT_BODY
wrong_part(FunctionCallInfo fcinfo, Twin twin)
{
	int32		key = PG_GETARG_INT32(0);
	uint32		hash = get_hash_value(divided_table, &key);
	uint32		part = twin == BAD ? key % PARTS : hash % PARTS;
	Item	   *item;
	bool		found;

	LWLockAcquire(&part_locks[part].lock, LW_EXCLUSIVE);
	item = hash_search_with_hash_value(divided_table, &key, hash, HASH_ENTER_NULL, &found);
	LWLockRelease(&part_locks[part].lock);
	if (twin == DECOY)
	{
		HASH_SEQ_STATUS status;

		for (part = 0; part < PARTS; part++)
			LWLockAcquire(&part_locks[part].lock, LW_SHARED);
		hash_seq_init(&status, divided_table);
		while (hash_seq_search(&status) != NULL)
			continue;
		for (part = 0; part < PARTS; part++)
			LWLockRelease(&part_locks[part].lock);
	}
	PG_RETURN_BOOL(item != NULL);
}
SUBJECT(wrong_part);

/* Uses a table that nobody else uses, where it is to. */
PG_FUNCTION_INFO_V1(nobody_else);
Datum
nobody_else(PG_FUNCTION_ARGS)
{
	int32		key = PG_GETARG_INT32(0);
	bool		found;

	hash_search(own_table, &key, HASH_ENTER, &found);
	hash_search(own_table, &key, HASH_REMOVE, &found);
	PG_RETURN_BOOL(found);
}
