/*-------------------------------------------------------------------------
 *
 * query.c
 *		Memory that piles up inside one query and is gone after it: d08, d09.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#define D09_ROW_BYTES	256

/*
 * d08: the state of an aggregate moves to a longer buffer with each row, and
 * the shorter one stays until the aggregate ends: quadratic in the rows.
 */

typedef struct D08State
{
	char	   *data;
	Size		length;
} D08State;

static MemoryContext
d08_context(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "aggregate function called in non-aggregate context");
	return context;
}

PG_FUNCTION_INFO_V1(d08_bad_sfunc);
Datum
d08_bad_sfunc(PG_FUNCTION_ARGS)
{
	MemoryContext context = d08_context(fcinfo);
	D08State   *state = PG_ARGISNULL(0) ? NULL : (D08State *) PG_GETARG_POINTER(0);

	if (state == NULL)
		state = MemoryContextAllocZero(context, sizeof(D08State));
	if (!PG_ARGISNULL(1))
	{
		text	   *more = PG_GETARG_TEXT_PP(1);
		Size		added = VARSIZE_ANY_EXHDR(more);
		char	   *longer = MemoryContextAlloc(context, state->length + added + 1);

		if (state->length > 0)
			memcpy(longer, state->data, state->length);
		memcpy(longer + state->length, VARDATA_ANY(more), added);
		state->length += added;
		longer[state->length] = '\0';
		state->data = longer;
	}
	PG_RETURN_POINTER(state);
}

PG_FUNCTION_INFO_V1(d08_bad_final);
Datum
d08_bad_final(PG_FUNCTION_ARGS)
{
	D08State   *state = PG_ARGISNULL(0) ? NULL : (D08State *) PG_GETARG_POINTER(0);

	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(state->data, state->length));
}

PG_FUNCTION_INFO_V1(d08_ok_sfunc);
Datum
d08_ok_sfunc(PG_FUNCTION_ARGS)
{
	MemoryContext context = d08_context(fcinfo);
	StringInfo	state = PG_ARGISNULL(0) ? NULL : (StringInfo) PG_GETARG_POINTER(0);

	if (state == NULL)
	{
		MemoryContext oldcontext = MemoryContextSwitchTo(context);

		state = makeStringInfo();
		MemoryContextSwitchTo(oldcontext);
	}
	if (!PG_ARGISNULL(1))
	{
		text	   *more = PG_GETARG_TEXT_PP(1);

		appendBinaryStringInfo(state, VARDATA_ANY(more), VARSIZE_ANY_EXHDR(more));
	}
	PG_RETURN_POINTER(state);
}

PG_FUNCTION_INFO_V1(d08_ok_final);
Datum
d08_ok_final(PG_FUNCTION_ARGS)
{
	StringInfo	state = PG_ARGISNULL(0) ? NULL : (StringInfo) PG_GETARG_POINTER(0);

	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(state->data, state->len));
}

/*
 * d09: a set-returning function makes each row in the context of all its
 * calls instead of that of the row.
 */
PG_FUNCTION_INFO_V1(d09_bad);
Datum
d09_bad(PG_FUNCTION_ARGS)
{
	FuncCallContext *funcctx;
	char	   *row;

	if (SRF_IS_FIRSTCALL())
	{
		funcctx = SRF_FIRSTCALL_INIT();
		funcctx->max_calls = PG_GETARG_INT32(0);
	}
	funcctx = SRF_PERCALL_SETUP();
	if (funcctx->call_cntr >= funcctx->max_calls)
		SRF_RETURN_DONE(funcctx);

	row = MemoryContextAllocZero(funcctx->multi_call_memory_ctx, D09_ROW_BYTES);
	snprintf(row, D09_ROW_BYTES, UINT64_FORMAT, funcctx->call_cntr);
	SRF_RETURN_NEXT(funcctx, Int32GetDatum(strlen(row)));
}

PG_FUNCTION_INFO_V1(d09_ok);
Datum
d09_ok(PG_FUNCTION_ARGS)
{
	FuncCallContext *funcctx;
	char	   *row;

	if (SRF_IS_FIRSTCALL())
	{
		funcctx = SRF_FIRSTCALL_INIT();
		funcctx->max_calls = PG_GETARG_INT32(0);
	}
	funcctx = SRF_PERCALL_SETUP();
	if (funcctx->call_cntr >= funcctx->max_calls)
		SRF_RETURN_DONE(funcctx);

	row = palloc0(D09_ROW_BYTES);
	snprintf(row, D09_ROW_BYTES, UINT64_FORMAT, funcctx->call_cntr);
	SRF_RETURN_NEXT(funcctx, Int32GetDatum(strlen(row)));
}
