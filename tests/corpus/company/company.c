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

static shmem_request_hook_type next_request;
static shmem_startup_hook_type next_startup;

static void
request(void)
{
	if (next_request)
		next_request();
	RequestAddinShmemSpace(MAXALIGN(sizeof(Shared)));
	RequestNamedLWLockTranche("company first", 1);
	RequestNamedLWLockTranche("company second", 1);
}

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
