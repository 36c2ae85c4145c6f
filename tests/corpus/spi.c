/*-------------------------------------------------------------------------
 *
 * spi.c
 *		Plans and results of SPI that are kept too long: d14, d15.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

static SPIPlanPtr
d14_prepare(const char *query)
{
	SPIPlanPtr	plan = SPI_prepare(query, 0, NULL);

	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", query,
			 SPI_result_code_string(SPI_result));
	return plan;
}

static int64
d14_execute(SPIPlanPtr plan)
{
	if (SPI_execute_plan(plan, NULL, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not run the plan");
	return SPI_processed;
}

/*
 * d14: every call saves a plan for the rest of the session and forgets it.
 * The fix saves the plan of a query once.
 */
PG_FUNCTION_INFO_V1(d14_bad);
Datum
d14_bad(PG_FUNCTION_ARGS)
{
	char	   *query = text_to_cstring(PG_GETARG_TEXT_PP(0));
	SPIPlanPtr	plan;
	int64		rows;

	SPI_connect();
	plan = d14_prepare(query);
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "could not save the plan");
	rows = d14_execute(plan);
	SPI_finish();

	PG_RETURN_INT64(rows);
}

PG_FUNCTION_INFO_V1(d14_ok);
Datum
d14_ok(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	static char *planned_query = NULL;
	char	   *query = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int64		rows;

	SPI_connect();
	if (plan != NULL && strcmp(planned_query, query) != 0)
	{
		SPI_freeplan(plan);
		plan = NULL;
		pfree(planned_query);
	}
	if (plan == NULL)
	{
		SPIPlanPtr	new_plan = d14_prepare(query);

		planned_query = MemoryContextStrdup(TopMemoryContext, query);
		if (SPI_keepplan(new_plan) != 0)
			elog(ERROR, "could not save the plan");
		plan = new_plan;
	}
	rows = d14_execute(plan);
	SPI_finish();

	PG_RETURN_INT64(rows);
}

static int64
d15_query(int32 i)
{
	char		query[64];

	snprintf(query, sizeof(query), "SELECT %d", i);
	if (SPI_execute(query, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not run \"%s\"", query);
	return SPI_processed;
}

/*
 * d15: a function runs many queries and holds the result of each until it
 * returns.
 */
PG_FUNCTION_INFO_V1(d15_bad);
Datum
d15_bad(PG_FUNCTION_ARGS)
{
	int32		n = PG_GETARG_INT32(0);
	int64		rows = 0;

	SPI_connect();
	for (int32 i = 0; i < n; i++)
		rows += d15_query(i);
	SPI_finish();

	PG_RETURN_INT64(rows);
}

PG_FUNCTION_INFO_V1(d15_ok);
Datum
d15_ok(PG_FUNCTION_ARGS)
{
	int32		n = PG_GETARG_INT32(0);
	int64		rows = 0;

	SPI_connect();
	for (int32 i = 0; i < n; i++)
	{
		rows += d15_query(i);
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_finish();

	PG_RETURN_INT64(rows);
}
