/*
 * What functions of the server keep where their caller has said, or for their caller: the server has allocated it, and the
 * library has lost it.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "storage/dsm.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

/* An array as text; array_out (arrayfuncs.c) keeps what it knows of the element type in fn_mcxt. */
static Datum
as_text(FmgrInfo *output)
{
	Datum		element = Int32GetDatum(1);
	ArrayType  *array = construct_array(&element, 1, INT4OID, sizeof(int32), true, TYPALIGN_INT);

	return CStringGetTextDatum(OutputFunctionCall(output, PointerGetDatum(array)));
}

static void
look_up(FmgrInfo *output)
{
	Oid			function;
	bool		is_varlena;

	getTypeOutputInfo(INT4ARRAYOID, &function, &is_varlena);
	fmgr_info_cxt(function, output, TopMemoryContext);
}

PG_FUNCTION_INFO_V1(output_bad);
Datum
output_bad(PG_FUNCTION_ARGS)
{
	static FmgrInfo output;

	look_up(&output);
	PG_RETURN_DATUM(as_text(&output));
}

PG_FUNCTION_INFO_V1(output_ok);
Datum
output_ok(PG_FUNCTION_ARGS)
{
	static FmgrInfo output;

	if (!OidIsValid(output.fn_oid))
		look_up(&output);
	PG_RETURN_DATUM(as_text(&output));
}

static void
is_detached(dsm_segment *segment, Datum nothing)
{
}

static dsm_segment *
segment_of_session(void)
{
	static dsm_segment *segment = NULL;

	if (segment == NULL)
	{
		segment = dsm_create(1000, 0);
		dsm_pin_mapping(segment);
	}
	return segment;
}

PG_FUNCTION_INFO_V1(on_detach_bad);
Datum
on_detach_bad(PG_FUNCTION_ARGS)
{
	on_dsm_detach(segment_of_session(), is_detached, (Datum) 0);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(on_detach_ok);
Datum
on_detach_ok(PG_FUNCTION_ARGS)
{
	on_dsm_detach(segment_of_session(), is_detached, (Datum) 0);
	cancel_on_dsm_detach(segment_of_session(), is_detached, (Datum) 0);
	PG_RETURN_VOID();
}

static void
append(List **list)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	*list = lappend_int(*list, 1);
	MemoryContextSwitchTo(old);
}

PG_FUNCTION_INFO_V1(list_bad);
Datum
list_bad(PG_FUNCTION_ARGS)
{
	static List *list = NIL;

	append(&list);
	PG_RETURN_VOID();
}

/* As many as there are in most caches. */
PG_FUNCTION_INFO_V1(list_ok);
Datum
list_ok(PG_FUNCTION_ARGS)
{
	static List *list = NIL;

	append(&list);
	if (list_length(list) >= 50)
	{
		list_free(list);
		list = NIL;
	}
	PG_RETURN_VOID();
}

static void
add_to(StringInfo *string)
{
	if (*string == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		*string = makeStringInfo();
		MemoryContextSwitchTo(old);
	}
	appendStringInfoString(*string, "this makes the string longer by a hundred bytes for each call, which is 100 bytes, all the time.... ");
}

PG_FUNCTION_INFO_V1(string_bad);
Datum
string_bad(PG_FUNCTION_ARGS)
{
	static StringInfo string = NULL;

	add_to(&string);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(string_ok);
Datum
string_ok(PG_FUNCTION_ARGS)
{
	static StringInfo string = NULL;

	add_to(&string);
	resetStringInfo(string);
	PG_RETURN_VOID();
}
