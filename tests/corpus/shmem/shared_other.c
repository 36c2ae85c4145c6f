/*-------------------------------------------------------------------------
 *
 * shared_other.c
 *		A second library with a segment of shared memory.  It asks for no
 *		room, so that the segment takes from what the server has to spare.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

PG_MODULE_MAGIC;

#define OTHER_BYTES		60000

void		_PG_init(void);

static shmem_startup_hook_type next_startup_hook = NULL;
static char *other = NULL;

static void
other_startup(void)
{
	bool		found;

	/* Before the others, and so before whoever was loaded earlier. */
	other = ShmemInitStruct("shared other", OTHER_BYTES, &found);
	if (!found)
		memset(other, 0, OTHER_BYTES);
	if (next_startup_hook)
		next_startup_hook();
}

void
_PG_init(void)
{
	next_startup_hook = shmem_startup_hook;
	shmem_startup_hook = other_startup;
}

PG_FUNCTION_INFO_V1(other_bad);
Datum
other_bad(PG_FUNCTION_ARGS)
{
	int			at = PG_GETARG_INT32(0);

	other[at] = 'x';
	PG_RETURN_INT32(at);
}

PG_FUNCTION_INFO_V1(other_ok);
Datum
other_ok(PG_FUNCTION_ARGS)
{
	int			at = PG_GETARG_INT32(0) % OTHER_BYTES;

	other[at] = 'x';
	PG_RETURN_INT32(at);
}
