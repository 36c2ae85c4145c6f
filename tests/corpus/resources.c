/*-------------------------------------------------------------------------
 *
 * resources.c
 *		References that are not given back: r01 to r04.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/typcache.h"

#define R02_ENTRIES		8

/*
 * r01: a relation is opened to look at it, and left open.
 */
PG_FUNCTION_INFO_V1(r01_bad);
Datum
r01_bad(PG_FUNCTION_ARGS)
{
	Relation	relation = relation_open(PG_GETARG_OID(0), AccessShareLock);

	PG_RETURN_INT32(RelationGetNumberOfAttributes(relation));
}

PG_FUNCTION_INFO_V1(r01_ok);
Datum
r01_ok(PG_FUNCTION_ARGS)
{
	Relation	relation = relation_open(PG_GETARG_OID(0), AccessShareLock);
	int			natts = RelationGetNumberOfAttributes(relation);

	relation_close(relation, AccessShareLock);
	PG_RETURN_INT32(natts);
}

/*
 * r02: a scan of a hash table ends when it has found what it looked for, and
 * does not say so.
 */

static HTAB *
r02_numbers(void)
{
	static HTAB *numbers = NULL;

	if (numbers == NULL)
	{
		HASHCTL		ctl = {.keysize = sizeof(int32), .entrysize = sizeof(int32),
		.hcxt = TopMemoryContext};

		numbers = hash_create("r02 numbers", R02_ENTRIES, &ctl,
							  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		for (int32 i = 0; i < R02_ENTRIES; i++)
			(void) hash_search(numbers, &i, HASH_ENTER, NULL);
	}
	return numbers;
}

PG_FUNCTION_INFO_V1(r02_bad);
Datum
r02_bad(PG_FUNCTION_ARGS)
{
	int32		wanted = PG_GETARG_INT32(0);
	HASH_SEQ_STATUS scan;
	int32	   *number;

	hash_seq_init(&scan, r02_numbers());
	while ((number = hash_seq_search(&scan)) != NULL)
	{
		if (*number == wanted)
			PG_RETURN_BOOL(true);
	}
	PG_RETURN_BOOL(false);
}

PG_FUNCTION_INFO_V1(r02_ok);
Datum
r02_ok(PG_FUNCTION_ARGS)
{
	int32		wanted = PG_GETARG_INT32(0);
	HASH_SEQ_STATUS scan;
	int32	   *number;

	hash_seq_init(&scan, r02_numbers());
	while ((number = hash_seq_search(&scan)) != NULL)
	{
		if (*number == wanted)
		{
			hash_seq_term(&scan);
			PG_RETURN_BOOL(true);
		}
	}
	PG_RETURN_BOOL(false);
}

/*
 * r03: the descriptor of a row type is looked up and not released.
 */
PG_FUNCTION_INFO_V1(r03_bad);
Datum
r03_bad(PG_FUNCTION_ARGS)
{
	TupleDesc	desc = lookup_rowtype_tupdesc(PG_GETARG_OID(0), -1);

	PG_RETURN_INT32(desc->natts);
}

PG_FUNCTION_INFO_V1(r03_ok);
Datum
r03_ok(PG_FUNCTION_ARGS)
{
	TupleDesc	desc = lookup_rowtype_tupdesc(PG_GETARG_OID(0), -1);
	int			natts = desc->natts;

	ReleaseTupleDesc(desc);
	PG_RETURN_INT32(natts);
}

/*
 * r04: the result of a query is copied to where it is wanted, and the
 * connection to SPI forgotten.
 */

/* The first value of a query's result, in the given context. */
static char *
r04_value(const char *query, MemoryContext context)
{
	MemoryContext old;
	char	   *value;

	if (SPI_execute(query, true, 1) != SPI_OK_SELECT || SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("query has no result")));

	value = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	old = MemoryContextSwitchTo(context);
	value = pstrdup(value);
	MemoryContextSwitchTo(old);
	return value;
}

PG_FUNCTION_INFO_V1(r04_bad);
Datum
r04_bad(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	char	   *query = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *value;

	SPI_connect();
	value = r04_value(query, context);
	MemoryContextSwitchTo(context);
	PG_RETURN_TEXT_P(cstring_to_text(value));
}

PG_FUNCTION_INFO_V1(r04_ok);
Datum
r04_ok(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	char	   *query = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *value;

	SPI_connect();
	value = r04_value(query, context);
	SPI_finish();
	PG_RETURN_TEXT_P(cstring_to_text(value));
}
