/*-------------------------------------------------------------------------
 *
 * company.c
 *		The shared memory of the subjects.  The library has to be preloaded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "company.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

Shared	   *shared;
LWLock	   *first_lock;
LWLock	   *second_lock;

LWLockPadded *pair;
HTAB	   *whole_table;
HTAB	   *divided_table;
HTAB	   *own_table;
LWLock	   *table_lock;
LWLockPadded *part_locks;

static shmem_request_hook_type next_request;
static shmem_startup_hook_type next_startup;

static void
request(void)
{
	if (next_request)
		next_request();
	RequestAddinShmemSpace(MAXALIGN(sizeof(Shared)));
	RequestAddinShmemSpace(mul_size(3, hash_estimate_size(ITEMS, sizeof(Item))));
	RequestNamedLWLockTranche("company pair", 2);
	RequestNamedLWLockTranche("company first", 1);
	RequestNamedLWLockTranche("company second", 1);
	RequestNamedLWLockTranche("company table", 1);
	RequestNamedLWLockTranche("company parts", PARTS);
}

static HTAB *
make_table(const char *name, int parts)
{
	HASHCTL		info = {0};

	info.keysize = sizeof(int32);
	info.entrysize = sizeof(Item);
	info.num_partitions = parts;
	return ShmemInitHash(name,
#if PG_VERSION_NUM < 190000
						 ITEMS,
#endif
						 ITEMS, &info, HASH_ELEM | HASH_BLOBS | (parts > 0 ? HASH_PARTITION : 0));
}

/* Two of the tables are asked for in advance, where that can be done. */
#if PG_VERSION_NUM >= 190000
static void
request_tables(void *argument)
{
	ShmemRequestHash(.name = "company table", .nelems = ITEMS, .ptr = &whole_table,
					 .hash_info.keysize = sizeof(int32),
					 .hash_info.entrysize = sizeof(Item),
					 .hash_flags = HASH_ELEM | HASH_BLOBS);
	ShmemRequestHash(.name = "company parts", .nelems = ITEMS, .ptr = &divided_table,
					 .hash_info.keysize = sizeof(int32),
					 .hash_info.entrysize = sizeof(Item),
					 .hash_info.num_partitions = PARTS,
					 .hash_flags = HASH_ELEM | HASH_BLOBS | HASH_PARTITION);
}

static const ShmemCallbacks callbacks = {.request_fn = request_tables};
#endif

static void
startup(void)
{
	bool		found;

	if (next_startup)
		next_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("company", sizeof(Shared), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(Shared));
		SpinLockInit(&shared->mutex);
	}
	first_lock = &GetNamedLWLockTranche("company first")->lock;
	second_lock = &GetNamedLWLockTranche("company second")->lock;
	pair = GetNamedLWLockTranche("company pair");
	table_lock = &GetNamedLWLockTranche("company table")->lock;
	part_locks = GetNamedLWLockTranche("company parts");
#if PG_VERSION_NUM < 190000
	whole_table = make_table("company table", 0);
	divided_table = make_table("company parts", PARTS);
#endif
	own_table = make_table("company own", 0);
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
#if PG_VERSION_NUM >= 190000
	RegisterShmemCallbacks(&callbacks);
#endif
}
