/*-------------------------------------------------------------------------
 *
 * pointers.c
 *		Pointers to what is gone, and behind the end of what is there: d16, d17,
 *		d18.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#define D16_LENGTH		40

static pg_noinline char *
d16_greeting(MemoryContext context)
{
	char	   *greeting = MemoryContextAlloc(context, D16_LENGTH + 1);

	memset(greeting, 'x', D16_LENGTH);
	greeting[D16_LENGTH] = '\0';
	return greeting;
}

/*
 * d16: the first call in a session keeps a pointer into the context of its
 * statement, and the next one reads there.
 */
PG_FUNCTION_INFO_V1(d16_bad);
Datum
d16_bad(PG_FUNCTION_ARGS)
{
	static char *kept = NULL;
	int			length;

	if (kept == NULL)
		kept = d16_greeting(CurrentMemoryContext);
	length = strnlen(kept, D16_LENGTH);
	PG_RETURN_INT32(length == 0 ? -1 : length);
}

PG_FUNCTION_INFO_V1(d16_ok);
Datum
d16_ok(PG_FUNCTION_ARGS)
{
	static char *kept = NULL;
	int			length;

	if (kept == NULL)
		kept = d16_greeting(TopMemoryContext);
	length = strnlen(kept, D16_LENGTH);
	PG_RETURN_INT32(length == 0 ? -1 : length);
}

typedef struct D17State
{
	int64		rows;
	int64		bytes;
} D17State;

static Datum
d17_count(FunctionCallInfo fcinfo, MemoryContext context)
{
	D17State   *state = fcinfo->flinfo->fn_extra;

	if (state == NULL)
	{
		state = MemoryContextAllocZero(context, sizeof(D17State));
		fcinfo->flinfo->fn_extra = state;
	}
	state->rows++;
	state->bytes += VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(0));
	return Int64GetDatum(state->bytes);
}

/*
 * d17: what fn_extra points to is made in the context of a row, fn_extra itself
 * is kept for all rows of the statement.
 */
PG_FUNCTION_INFO_V1(d17_bad);
Datum
d17_bad(PG_FUNCTION_ARGS)
{
	return d17_count(fcinfo, CurrentMemoryContext);
}

PG_FUNCTION_INFO_V1(d17_ok);
Datum
d17_ok(PG_FUNCTION_ARGS)
{
	return d17_count(fcinfo, fcinfo->flinfo->fn_mcxt);
}

/*
 * d18: no room for the end of the string.  At 24 bytes there is room in what the
 * allocator rounds up to, at 64 the next chunk begins there.
 */
PG_FUNCTION_INFO_V1(d18_bad);
Datum
d18_bad(PG_FUNCTION_ARGS)
{
	char	   *string = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *copy = palloc(strlen(string));

	strcpy(copy, string);
	PG_RETURN_INT32(strlen(copy));
}

PG_FUNCTION_INFO_V1(d18_ok);
Datum
d18_ok(PG_FUNCTION_ARGS)
{
	char	   *string = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *copy = palloc(strlen(string) + 1);

	strcpy(copy, string);
	PG_RETURN_INT32(strlen(copy));
}

/* The decoy of d18: as many bytes as there is room for, and no end */
PG_FUNCTION_INFO_V1(d18_bytes);
Datum
d18_bytes(PG_FUNCTION_ARGS)
{
	text	   *string = PG_GETARG_TEXT_PP(0);
	int			length = VARSIZE_ANY_EXHDR(string);
	char	   *copy = palloc(length);

	memcpy(copy, VARDATA_ANY(string), length);
	PG_RETURN_INT32(strnlen(copy, length));
}
