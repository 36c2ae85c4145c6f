/*-------------------------------------------------------------------------
 *
 * leaking_hook.h
 *		A hook that leaves as much behind as a parameter says, for each
 *		statement.
 *
 *-------------------------------------------------------------------------
 */
#include "executor/executor.h"
#include "utils/guc.h"
#include "utils/memutils.h"

static int	leak_bytes = 0;
static ExecutorStart_hook_type next_start = NULL;

static void
leaking_start(QueryDesc *query, int eflags)
{
	if (leak_bytes > 0)
		(void) MemoryContextAlloc(TopMemoryContext, leak_bytes);
	if (next_start)
		next_start(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

static void
take_hook(const char *parameter)
{
	DefineCustomIntVariable(parameter, "Bytes that a statement leaves behind.",
							NULL, &leak_bytes, 0, 0, 1 << 20, PGC_USERSET, 0,
							NULL, NULL, NULL);
	next_start = ExecutorStart_hook;
	ExecutorStart_hook = leaking_start;
}
