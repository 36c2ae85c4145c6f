/*-------------------------------------------------------------------------
 *
 * hunted.c
 *		What goes wrong for one value only, or in one way of calling only. Each
 *		has a twin without the bug, in the same library.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

/* Calls in this transaction */
static TimestampTz transaction = 0;
static int	calls = 0;

/* What is kept for a subtransaction */
typedef struct Kept
{
	SubTransactionId subid;
	char	   *memory;
	struct Kept *next;
} Kept;

static Kept *kept = NULL;
static bool loses_aborted = true;

/* Takes something for good */
static void
lose(Size bytes)
{
	memset(MemoryContextAlloc(TopMemoryContext, bytes), 1, bytes);
}

static void
at_subtransaction(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg)
{
	Kept	  **at = &kept;

	if (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB)
		return;
	while (*at != NULL)
	{
		Kept	   *one = *at;

		if (one->subid != subid)
		{
			at = &one->next;
			continue;
		}
		*at = one->next;
		/* The bug: what is rolled back is forgotten, and not given back */
		if (event == SUBXACT_EVENT_COMMIT_SUB || !loses_aborted)
			pfree(one->memory);
		pfree(one);
	}
}

static void
at_transaction(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT)
		return;
	while (kept != NULL)
	{
		Kept	   *one = kept;

		kept = one->next;
		pfree(one->memory);
		pfree(one);
	}
}

void
_PG_init(void)
{
	RegisterSubXactCallback(at_subtransaction, NULL);
	RegisterXactCallback(at_transaction, NULL);
}

/* Wrong for the empty text */
static Datum
empty_text(FunctionCallInfo fcinfo, bool is_bad)
{
	text	   *given = PG_GETARG_TEXT_PP(0);

	if (VARSIZE_ANY_EXHDR(given) == 0 && is_bad)
		lose(48);
	PG_RETURN_INT32(VARSIZE_ANY_EXHDR(given));
}

/* Wrong for the largest integer */
static Datum
largest_integer(FunctionCallInfo fcinfo, bool is_bad)
{
	int32		given = PG_GETARG_INT32(0);

	if (given == INT_MAX && is_bad)
		lose(40);
	PG_RETURN_INT32(given / 2);
}

/* Wrong for an array without elements */
static Datum
empty_array(FunctionCallInfo fcinfo, bool is_bad)
{
	ArrayType  *given = PG_GETARG_ARRAYTYPE_P(0);

	if (ARR_NDIM(given) == 0 && is_bad)
		lose(56);
	PG_RETURN_INT32(ARR_NDIM(given));
}

/* Wrong for a character of four bytes */
static Datum
four_bytes(FunctionCallInfo fcinfo, bool is_bad)
{
	text	   *given = PG_GETARG_TEXT_PP(0);
	const char *at = VARDATA_ANY(given);
	const char *end = at + VARSIZE_ANY_EXHDR(given);
	int			count = 0;

	for (; at < end; at += pg_mblen(at), count++)
	{
		if (pg_mblen(at) == 4 && is_bad)
			lose(64);
	}
	PG_RETURN_INT32(count);
}

/* Wrong where it fails, with memory that only its end gives back */
static Datum
failing(FunctionCallInfo fcinfo, bool is_bad)
{
	int32		given = PG_GETARG_INT32(0);
	char	   *buffer;

	if (given < 0 && !is_bad)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("value must not be negative")));
	buffer = malloc(200);
	if (buffer == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	memset(buffer, given, 200);
	if (given < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("value must not be negative")));
	given = buffer[7];
	free(buffer);
	PG_RETURN_INT32(given);
}

/* Wrong from the second call in a transaction on */
static Datum
second_call(FunctionCallInfo fcinfo, bool is_bad)
{
	TimestampTz now = GetCurrentTransactionStartTimestamp();

	if (now != transaction)
	{
		transaction = now;
		calls = 0;
	}
	if (++calls == 2 && is_bad)
		lose(72);
	PG_RETURN_INT32(calls);
}

/* Wrong where not all of its rows are taken */
static Datum
abandoned(FunctionCallInfo fcinfo, bool is_bad)
{
	FuncCallContext *context;

	if (SRF_IS_FIRSTCALL())
	{
		context = SRF_FIRSTCALL_INIT();
		context->max_calls = 5;
		context->user_fctx = is_bad ? MemoryContextAlloc(TopMemoryContext, 88)
			: MemoryContextAlloc(context->multi_call_memory_ctx, 88);
		memset(context->user_fctx, 1, 88);
	}
	context = SRF_PERCALL_SETUP();
	if (context->call_cntr < context->max_calls)
		SRF_RETURN_NEXT(context, Int32GetDatum((int32) context->call_cntr));
	pfree(context->user_fctx);
	SRF_RETURN_DONE(context);
}

/* Wrong behind a savepoint that is rolled back to */
static Datum
rolled_back(FunctionCallInfo fcinfo, bool is_bad)
{
	Kept	   *one = MemoryContextAlloc(TopMemoryContext, sizeof(Kept));

	loses_aborted = is_bad;
	one->subid = GetCurrentSubTransactionId();
	one->memory = MemoryContextAllocZero(TopMemoryContext, 96);
	one->next = kept;
	kept = one;
	PG_RETURN_INT32(1);
}

/* Wrong where it fails with an error that the parser has too */
static Datum
misread(FunctionCallInfo fcinfo, bool is_bad)
{
	text	   *given = PG_GETARG_TEXT_PP(0);
	char	   *buffer = malloc(104);

	if (buffer == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	memset(buffer, VARSIZE_ANY_EXHDR(given) & 1, 104);
	if (memchr(VARDATA_ANY(given), '(', VARSIZE_ANY_EXHDR(given)) != NULL)
	{
		if (!is_bad)
			free(buffer);
		ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("syntax error at \"(\"")));
	}
	is_bad = buffer[7];
	free(buffer);
	PG_RETURN_INT32(is_bad);
}

/* Says that it is IMMUTABLE */
static Datum
unlike(FunctionCallInfo fcinfo, bool is_bad)
{
	static int32 number = 0;

	PG_RETURN_INT32(is_bad ? ++number : PG_GETARG_INT32(0));
}

/* With the bug, and without */
#define TWINS(name) \
	PG_FUNCTION_INFO_V1(name##_bad); \
	Datum name##_bad(PG_FUNCTION_ARGS) { return name(fcinfo, true); } \
	PG_FUNCTION_INFO_V1(name##_good); \
	Datum name##_good(PG_FUNCTION_ARGS) { return name(fcinfo, false); } \
	extern int	twins_of_##name

TWINS(empty_text);
TWINS(largest_integer);
TWINS(empty_array);
TWINS(four_bytes);
TWINS(failing);
TWINS(second_call);
TWINS(abandoned);
TWINS(rolled_back);
TWINS(misread);
TWINS(unlike);
