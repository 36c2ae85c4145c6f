/*-------------------------------------------------------------------------
 *
 * current.c
 *		Functions that leave another context current: c03.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

static MemoryContext
c03_scratch(void)
{
	static MemoryContext scratch = NULL;

	if (scratch == NULL)
		scratch = AllocSetContextCreate(TopMemoryContext, "c03 scratch",
										ALLOCSET_DEFAULT_SIZES);
	return scratch;
}

/*
 * c03: the longest text of the session is kept in a context of its own.  Where
 * a text is not the longest, the function returns before it has switched back.
 */
PG_FUNCTION_INFO_V1(c03_bad);
Datum
c03_bad(PG_FUNCTION_ARGS)
{
	static char *longest = NULL;
	text	   *t = PG_GETARG_TEXT_PP(0);
	MemoryContext old = MemoryContextSwitchTo(c03_scratch());

	if (longest != NULL && VARSIZE_ANY_EXHDR(t) <= strlen(longest))
		PG_RETURN_INT32(strlen(longest));

	if (longest != NULL)
		pfree(longest);
	longest = text_to_cstring(t);
	MemoryContextSwitchTo(old);
	PG_RETURN_INT32(strlen(longest));
}

PG_FUNCTION_INFO_V1(c03_ok);
Datum
c03_ok(PG_FUNCTION_ARGS)
{
	static char *longest = NULL;
	text	   *t = PG_GETARG_TEXT_PP(0);
	MemoryContext old = MemoryContextSwitchTo(c03_scratch());

	if (longest != NULL && VARSIZE_ANY_EXHDR(t) <= strlen(longest))
	{
		MemoryContextSwitchTo(old);
		PG_RETURN_INT32(strlen(longest));
	}

	if (longest != NULL)
		pfree(longest);
	longest = text_to_cstring(t);
	MemoryContextSwitchTo(old);
	PG_RETURN_INT32(strlen(longest));
}

/*
 * An ERROR may leave any context current: whoever catches it switches back.
 */
PG_FUNCTION_INFO_V1(c03_throws);
Datum
c03_throws(PG_FUNCTION_ARGS)
{
	MemoryContextSwitchTo(c03_scratch());
	ereport(ERROR,
			(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
			 errmsg("could not do it")));
	PG_RETURN_VOID();
}

/*
 * A set-returning function keeps what it needs from row to row in a context
 * that is not current when it is called.
 */
PG_FUNCTION_INFO_V1(c03_rows);
Datum
c03_rows(PG_FUNCTION_ARGS)
{
	FuncCallContext *funcctx;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;

		funcctx = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(funcctx->multi_call_memory_ctx);
		funcctx->user_fctx = palloc0(sizeof(int32));
		funcctx->max_calls = PG_GETARG_INT32(0);
		MemoryContextSwitchTo(old);
	}

	funcctx = SRF_PERCALL_SETUP();
	if (funcctx->call_cntr < funcctx->max_calls)
		SRF_RETURN_NEXT(funcctx, Int32GetDatum(++*(int32 *) funcctx->user_fctx));
	SRF_RETURN_DONE(funcctx);
}
