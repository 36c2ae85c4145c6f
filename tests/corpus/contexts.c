/*-------------------------------------------------------------------------
 *
 * contexts.c
 *		Contexts and hash tables that are not destroyed, and a cache without a
 *		bound: d04, d06, d07.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#define D07_VALUE_BYTES	64
#define D07_BOUND		128

/*
 * d04: every call creates a context that lives as long as the session and does
 * not delete it.
 */
PG_FUNCTION_INFO_V1(d04_bad);
Datum
d04_bad(PG_FUNCTION_ARGS)
{
	MemoryContext scratch = AllocSetContextCreate(TopMemoryContext,
												  "dev scratch",
												  ALLOCSET_DEFAULT_SIZES);

	(void) MemoryContextAllocZero(scratch, 100);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(d04_ok);
Datum
d04_ok(PG_FUNCTION_ARGS)
{
	MemoryContext scratch = AllocSetContextCreate(TopMemoryContext,
												  "dev scratch",
												  ALLOCSET_DEFAULT_SIZES);

	(void) MemoryContextAllocZero(scratch, 100);
	MemoryContextDelete(scratch);
	PG_RETURN_VOID();
}

/*
 * d04: nothing is ever put into the context.
 */
PG_FUNCTION_INFO_V1(d04_empty_bad);
Datum
d04_empty_bad(PG_FUNCTION_ARGS)
{
	(void) AllocSetContextCreate(TopMemoryContext, "dev empty",
								 ALLOCSET_DEFAULT_SIZES);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(d04_empty_ok);
Datum
d04_empty_ok(PG_FUNCTION_ARGS)
{
	MemoryContextDelete(AllocSetContextCreate(TopMemoryContext, "dev empty",
											  ALLOCSET_DEFAULT_SIZES));
	PG_RETURN_VOID();
}

/*
 * d06: a hash table is made without HASH_CONTEXT, hence in the session's
 * context, as if it went away with the call.
 */

static int32 *
d06_values(ArrayType *array, int *nvalues)
{
	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("array must not contain nulls")));

	*nvalues = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	return (int32 *) ARR_DATA_PTR(array);
}

PG_FUNCTION_INFO_V1(d06_bad);
Datum
d06_bad(PG_FUNCTION_ARGS)
{
	HASHCTL		ctl = {.keysize = sizeof(int32), .entrysize = sizeof(int32)};
	HTAB	   *seen = hash_create("d06 distinct", 64, &ctl,
								   HASH_ELEM | HASH_BLOBS);
	int			nvalues;
	int32	   *values = d06_values(PG_GETARG_ARRAYTYPE_P(0), &nvalues);

	for (int i = 0; i < nvalues; i++)
		(void) hash_search(seen, &values[i], HASH_ENTER, NULL);

	PG_RETURN_INT64(hash_get_num_entries(seen));
}

PG_FUNCTION_INFO_V1(d06_ok);
Datum
d06_ok(PG_FUNCTION_ARGS)
{
	HASHCTL		ctl = {.keysize = sizeof(int32), .entrysize = sizeof(int32),
	.hcxt = CurrentMemoryContext};
	HTAB	   *seen = hash_create("d06 distinct", 64, &ctl,
								   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	int			nvalues;
	int32	   *values = d06_values(PG_GETARG_ARRAYTYPE_P(0), &nvalues);

	for (int i = 0; i < nvalues; i++)
		(void) hash_search(seen, &values[i], HASH_ENTER, NULL);

	PG_RETURN_INT64(hash_get_num_entries(seen));
}

/*
 * d07: a memo of results keeps one for every distinct key, for as long as the
 * session lives.
 */

typedef struct D07Entry
{
	char		key[NAMEDATALEN];
	char	   *value;
} D07Entry;

typedef struct D07Memo
{
	MemoryContext context;
	HTAB	   *entries;
} D07Memo;

static D07Memo *
d07_memo(void)
{
	static D07Memo memo;

	if (memo.entries == NULL)
	{
		HASHCTL		ctl = {.keysize = NAMEDATALEN, .entrysize = sizeof(D07Entry)};

		memo.context = AllocSetContextCreate(TopMemoryContext, "d07 memo",
											 ALLOCSET_DEFAULT_SIZES);
		ctl.hcxt = memo.context;
		memo.entries = hash_create("d07 entries", D07_BOUND, &ctl,
								   HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	}
	return &memo;
}

PG_FUNCTION_INFO_V1(d07_bad);
Datum
d07_bad(PG_FUNCTION_ARGS)
{
	D07Memo    *memo = d07_memo();
	char	   *key = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bool		found;
	D07Entry   *entry = hash_search(memo->entries, key, HASH_ENTER, &found);

	if (!found)
	{
		entry->value = MemoryContextAllocZero(memo->context, D07_VALUE_BYTES);
		snprintf(entry->value, D07_VALUE_BYTES, "value of %s", key);
	}
	PG_RETURN_TEXT_P(cstring_to_text(entry->value));
}

PG_FUNCTION_INFO_V1(d07_ok);
Datum
d07_ok(PG_FUNCTION_ARGS)
{
	static char ring[D07_BOUND][NAMEDATALEN];
	static int	used = 0;
	static int	oldest = 0;
	D07Memo    *memo = d07_memo();
	char	   *key = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bool		found;
	D07Entry   *entry = hash_search(memo->entries, key, HASH_FIND, &found);

	if (!found)
	{
		if (used < D07_BOUND)
		{
			strlcpy(ring[used++], key, NAMEDATALEN);
		}
		else
		{
			entry = hash_search(memo->entries, ring[oldest], HASH_FIND, NULL);
			pfree(entry->value);
			(void) hash_search(memo->entries, ring[oldest], HASH_REMOVE, NULL);
			strlcpy(ring[oldest], key, NAMEDATALEN);
			oldest = (oldest + 1) % D07_BOUND;
		}
		entry = hash_search(memo->entries, key, HASH_ENTER, NULL);
		entry->value = MemoryContextAllocZero(memo->context, D07_VALUE_BYTES);
		snprintf(entry->value, D07_VALUE_BYTES, "value of %s", key);
	}
	PG_RETURN_TEXT_P(cstring_to_text(entry->value));
}
