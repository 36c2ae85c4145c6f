/*-------------------------------------------------------------------------
 *
 * first_request.c
 *		Asks for its tranche of locks and does not pass the hooks of shared
 *		memory on, so that what was loaded before it gets nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "leaking_hook.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

PG_MODULE_MAGIC;

static void
request(void)
{
	RequestAddinShmemSpace(1024);
	RequestNamedLWLockTranche("first_request", 1);
}

static void
startup(void)
{
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	(void) ShmemInitStruct("first_request", 1024, &found);
	(void) GetNamedLWLockTranche("first_request");
	LWLockRelease(AddinShmemInitLock);
}

void		_PG_init(void);

void
_PG_init(void)
{
	shmem_request_hook = request;
	shmem_startup_hook = startup;
	take_hook("first_request.leak");
}
