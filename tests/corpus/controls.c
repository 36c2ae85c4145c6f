/*-------------------------------------------------------------------------
 *
 * controls.c
 *		Functions that use much memory and lose none: n1, n2, n6, n7, n10.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#define N1_BYTES		(1024 * 1024)
#define N2_BOUND		64
#define N2_VALUE_BYTES	512
#define N6_CONTEXTS		200

/*
 * n1: the first call in a session fills a cache of 1 MB, the others use it.
 */
PG_FUNCTION_INFO_V1(n1_cache);
Datum
n1_cache(PG_FUNCTION_ARGS)
{
	static char *cache = NULL;

	if (cache == NULL)
	{
		MemoryContext context = AllocSetContextCreate(CacheMemoryContext,
													  "n1 cache",
													  ALLOCSET_DEFAULT_SIZES);

		cache = MemoryContextAllocZero(context, N1_BYTES);
	}
	PG_RETURN_INT32(cache[N1_BYTES - 1]);
}

/*
 * n2: an LRU cache at its bound, whose oldest entry makes room for each new key.
 */

typedef struct N2Value
{
	int32		key;
	uint64		last_use;
	char	   *data;
} N2Value;

PG_FUNCTION_INFO_V1(n2_lru);
Datum
n2_lru(PG_FUNCTION_ARGS)
{
	static MemoryContext context = NULL;
	static N2Value values[N2_BOUND];
	static uint64 clock = 0;
	int32		key = PG_GETARG_INT32(0);
	N2Value    *value = NULL;

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "n2 cache",
										ALLOCSET_DEFAULT_SIZES);

	for (int i = 0; i < N2_BOUND && value == NULL; i++)
	{
		if (values[i].data != NULL && values[i].key == key)
			value = &values[i];
	}
	if (value == NULL)
	{
		value = &values[0];
		for (int i = 1; i < N2_BOUND; i++)
		{
			if (values[i].last_use < value->last_use)
				value = &values[i];
		}
		if (value->data != NULL)
		{
			pfree(value->data);
			value->data = NULL;
		}
		value->data = MemoryContextAllocZero(context, N2_VALUE_BYTES);
		value->key = key;
	}
	value->last_use = ++clock;
	PG_RETURN_INT32(value->key);
}

/*
 * n6: contexts of the default size come and go; the server keeps some of the
 * deleted ones for reuse.
 */
PG_FUNCTION_INFO_V1(n6_contexts);
Datum
n6_contexts(PG_FUNCTION_ARGS)
{
	MemoryContext contexts[N6_CONTEXTS];

	for (int i = 0; i < N6_CONTEXTS; i++)
	{
		contexts[i] = AllocSetContextCreate(TopMemoryContext, "n6 scratch",
											ALLOCSET_DEFAULT_SIZES);
		(void) MemoryContextAllocZero(contexts[i], 100);
	}
	for (int i = 0; i < N6_CONTEXTS; i++)
		MemoryContextDelete(contexts[i]);
	PG_RETURN_VOID();
}

/*
 * n7: memory is taken from malloc and given back; the C library's heap stays
 * as large as it once was.
 */
PG_FUNCTION_INFO_V1(n7_malloc);
Datum
n7_malloc(PG_FUNCTION_ARGS)
{
	int32		size = PG_GETARG_INT32(0);
	char	   *buffer;
	int			used;

	if (size <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("size must be positive")));
	buffer = malloc(size);
	if (buffer == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	used = snprintf(buffer, size, "%d", size);
	free(buffer);
	PG_RETURN_INT32(used);
}

/*
 * n10: n rows in a tuplestore, which is the result.
 */
PG_FUNCTION_INFO_V1(n10_rows);
Datum
n10_rows(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int32		n = PG_GETARG_INT32(0);

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int32 i = 0; i < n; i++)
	{
		Datum		value = Int32GetDatum(i);
		bool		isnull = false;

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value, &isnull);
	}
	return (Datum) 0;
}
