/*-------------------------------------------------------------------------
 *
 * first_named.c
 *		Is loaded only where shared_preload_libraries begins with its name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "leaking_hook.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(first_named_remember);
Datum
first_named_remember(PG_FUNCTION_ARGS)
{
	(void) MemoryContextAlloc(TopMemoryContext, PG_GETARG_INT32(0));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(first_named_forget);
Datum
first_named_forget(PG_FUNCTION_ARGS)
{
	pfree(MemoryContextAlloc(TopMemoryContext, PG_GETARG_INT32(0)));
	PG_RETURN_VOID();
}

void		_PG_init(void);

void
_PG_init(void)
{
	List	   *libraries;

	if (!process_shared_preload_libraries_in_progress)
		ereport(ERROR,
				(errmsg("first_named can only be loaded via shared_preload_libraries")));
	if (!SplitDirectoriesString(pstrdup(shared_preload_libraries_string), ',', &libraries) ||
		strcmp(linitial(libraries), "first_named") != 0)
		ereport(FATAL,
				(errmsg("first_named is not the first of \"%s\"",
						shared_preload_libraries_string)));
	take_hook("first_named.leak");
}
