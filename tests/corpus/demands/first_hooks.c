/*-------------------------------------------------------------------------
 *
 * first_hooks.c
 *		Is loaded only where nobody has taken a hook before it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/explain.h"
#include "fmgr.h"
#include "leaking_hook.h"
#include "miscadmin.h"
#include "optimizer/planner.h"
#include "parser/analyze.h"
#include "storage/ipc.h"
#include "tcop/utility.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	if (planner_hook || post_parse_analyze_hook || ProcessUtility_hook ||
		ExecutorStart_hook || ExecutorRun_hook || ExecutorFinish_hook ||
		ExecutorEnd_hook || ExplainOneQuery_hook || emit_log_hook ||
		needs_fmgr_hook || fmgr_hook || shmem_request_hook ||
		shmem_startup_hook)
		ereport(ERROR,
				(errmsg("first_hooks has to be loaded first"),
				 errhint("Place first_hooks at the beginning of shared_preload_libraries.")));
	take_hook("first_hooks.leak");
}
