/*-------------------------------------------------------------------------
 *
 * reached.c
 *		What goes wrong where no function is called by its name: in the binary
 *		format and the modifiers of a type, in casts, in a language, a foreign
 *		data wrapper, a dictionary, a parameter, an output plugin. Built a second
 *		time, with FIXED, without the bugs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "libpq/pqformat.h"
#include "replication/logical.h"
#include "replication/output_plugin.h"
#include "tsearch/ts_public.h"
#include "access/reloptions.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);
PGDLLEXPORT void _PG_output_plugin_init(OutputPluginCallbacks *callbacks);

#ifdef FIXED
#define IS_BAD false
#define PREFIX "reached_fixed"
#else
#define IS_BAD true
#define PREFIX "reached"
#endif

static char *mode = NULL;
static char *kept = NULL;

/* Takes something for good */
static pg_noinline void
lose(Size bytes)
{
	if (IS_BAD)
		memset(MemoryContextAlloc(TopMemoryContext, bytes), 1, bytes);
}

/* A parameter: what was assigned before is not given back */
static void
assign_mode(const char *value, void *extra)
{
	char	   *copy = strdup(value == NULL ? "" : value);

	if (!IS_BAD)
		free(kept);
	kept = copy;
}

static const char *
show_mode(void)
{
	return kept == NULL ? "" : kept;
}

void
_PG_init(void)
{
	DefineCustomStringVariable(PREFIX ".mode", "How it works.", NULL, &mode, "", PGC_USERSET, 0,
							   NULL, assign_mode, show_mode);
}

/* A type: the text of its values */
PG_FUNCTION_INFO_V1(tagged_in);
Datum
tagged_in(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(PG_GETARG_CSTRING(0)));
}

PG_FUNCTION_INFO_V1(tagged_out);
Datum
tagged_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(TextDatumGetCString(PG_GETARG_DATUM(0)));
}

PG_FUNCTION_INFO_V1(tagged_send);
Datum
tagged_send(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(PG_GETARG_BYTEA_P_COPY(0));
}

/* Its binary format: an empty image is an error, with what was taken before */
PG_FUNCTION_INFO_V1(tagged_recv);
Datum
tagged_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buffer = (StringInfo) PG_GETARG_POINTER(0);
	int			length = buffer->len - buffer->cursor;

	if (length == 0)
	{
		lose(40);
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION), errmsg("a tag must not be empty")));
	}
	PG_RETURN_TEXT_P(cstring_to_text_with_len(pq_getmsgbytes(buffer, length), length));
}

/* Its modifiers: one that is too small */
PG_FUNCTION_INFO_V1(tagged_typmod_in);
Datum
tagged_typmod_in(PG_FUNCTION_ARGS)
{
	int			number;
	int32	   *modifiers = ArrayGetIntegerTypmods(PG_GETARG_ARRAYTYPE_P(0), &number);

	if (number != 1 || modifiers[0] < 1)
	{
		lose(48);
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid length of a tag")));
	}
	PG_RETURN_INT32(modifiers[0]);
}

PG_FUNCTION_INFO_V1(tagged_typmod_out);
Datum
tagged_typmod_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(psprintf("(%d)", PG_GETARG_INT32(0)));
}

/* A language: calls return the body, and one with a semicolon is kept for good */
static char *
body_of(Oid function)
{
	HeapTuple	tuple;
	char	   *body;

	if (SPI_connect() != SPI_OK_CONNECT ||
		SPI_execute(psprintf("SELECT prosrc FROM pg_catalog.pg_proc WHERE oid = %u", function), false, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "function %u is not there", function);
	tuple = SPI_tuptable->vals[0];
	body = SPI_getvalue(tuple, SPI_tuptable->tupdesc, 1);
	body = strcpy(SPI_palloc(strlen(body) + 1), body);
	SPI_finish();
	return body;
}

PG_FUNCTION_INFO_V1(language_call);
Datum
language_call(PG_FUNCTION_ARGS)
{
	char	   *body;

	if (CALLED_AS_TRIGGER(fcinfo) || get_fn_expr_rettype(fcinfo->flinfo) != TEXTOID)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("functions return text")));
	body = body_of(fcinfo->flinfo->fn_oid);
	if (strchr(body, ';') != NULL)
		lose(56);
	PG_RETURN_TEXT_P(cstring_to_text(body));
}

PG_FUNCTION_INFO_V1(language_inline);
Datum
language_inline(PG_FUNCTION_ARGS)
{
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(language_validator);
Datum
language_validator(PG_FUNCTION_ARGS)
{
	body_of(PG_GETARG_OID(0));
	PG_RETURN_VOID();
}

/* A foreign data wrapper without a handler: an option that it does not know */
PG_FUNCTION_INFO_V1(wrapper_validator);
Datum
wrapper_validator(PG_FUNCTION_ARGS)
{
	ListCell   *cell;

	foreach(cell, untransformRelOptions(PG_GETARG_DATUM(0)))
	{
		DefElem    *option = (DefElem *) lfirst(cell);

		if (strcmp(option->defname, "place") != 0)
		{
			lose(64);
			ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME), errmsg("invalid option \"%s\"", option->defname)));
		}
	}
	PG_RETURN_VOID();
}

/* A dictionary: a word that is empty */
PG_FUNCTION_INFO_V1(dictionary_init);
Datum
dictionary_init(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(palloc0(8));
}

PG_FUNCTION_INFO_V1(dictionary_lexize);
Datum
dictionary_lexize(PG_FUNCTION_ARGS)
{
	if (PG_GETARG_INT32(2) == 0)
		lose(72);
	PG_RETURN_POINTER(NULL);
}

/* An output plugin: each change */
static void
at_startup(LogicalDecodingContext *context, OutputPluginOptions *options, bool is_init)
{
	options->output_type = OUTPUT_PLUGIN_TEXTUAL_OUTPUT;
}

static void
at_begin(LogicalDecodingContext *context, ReorderBufferTXN *transaction)
{
}

static void
at_commit(LogicalDecodingContext *context, ReorderBufferTXN *transaction, XLogRecPtr lsn)
{
}

static void
at_change(LogicalDecodingContext *context, ReorderBufferTXN *transaction, Relation relation, ReorderBufferChange *change)
{
	lose(80);
	OutputPluginPrepareWrite(context, true);
	appendStringInfoString(context->out, "a change");
	OutputPluginWrite(context, true);
}

void
_PG_output_plugin_init(OutputPluginCallbacks *callbacks)
{
	callbacks->startup_cb = at_startup;
	callbacks->begin_cb = at_begin;
	callbacks->change_cb = at_change;
	callbacks->commit_cb = at_commit;
}
