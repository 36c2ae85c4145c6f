/*-------------------------------------------------------------------------
 *
 * spi.c
 *		Plans, results and cursors of SPI that are kept too long: d14, d15, d21.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

static void
check_spi(int code, int expected)
{
	if (code != expected)
		elog(ERROR, "unexpected result of SPI: %s", SPI_result_code_string(code));
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
	plan = SPI_prepare(query, 0, NULL);
	check_spi(SPI_keepplan(plan), 0);
	check_spi(SPI_execute_plan(plan, NULL, NULL, true, 0), SPI_OK_SELECT);
	rows = SPI_processed;
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
		check_spi(SPI_freeplan(plan), 0);
		plan = NULL;
		pfree(planned_query);
	}
	if (plan == NULL)
	{
		SPIPlanPtr	new_plan = SPI_prepare(query, 0, NULL);

		planned_query = MemoryContextStrdup(TopMemoryContext, query);
		check_spi(SPI_keepplan(new_plan), 0);
		plan = new_plan;
	}
	check_spi(SPI_execute_plan(plan, NULL, NULL, true, 0), SPI_OK_SELECT);
	rows = SPI_processed;
	SPI_finish();

	PG_RETURN_INT64(rows);
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
	{
		check_spi(SPI_execute("SELECT 1", true, 0), SPI_OK_SELECT);
		rows += SPI_processed;
	}
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
		check_spi(SPI_execute("SELECT 1", true, 0), SPI_OK_SELECT);
		rows += SPI_processed;
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_finish();

	PG_RETURN_INT64(rows);
}

/*
 * d21: every call opens a holdable cursor, reads a row and forgets it; the
 * cursor stays until the session ends.  The fix closes it.
 */
PG_FUNCTION_INFO_V1(d21_bad);
Datum
d21_bad(PG_FUNCTION_ARGS)
{
	char	   *query = text_to_cstring(PG_GETARG_TEXT_PP(0));
	SPIPlanPtr	plan;
	Portal		portal;
	int64		rows;

	SPI_connect();
	plan = SPI_prepare_cursor(query, 0, NULL, CURSOR_OPT_HOLD);
	portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	SPI_cursor_fetch(portal, true, 1);
	rows = SPI_processed;
	SPI_finish();

	PG_RETURN_INT64(rows);
}

PG_FUNCTION_INFO_V1(d21_ok);
Datum
d21_ok(PG_FUNCTION_ARGS)
{
	char	   *query = text_to_cstring(PG_GETARG_TEXT_PP(0));
	SPIPlanPtr	plan;
	Portal		portal;
	int64		rows;

	SPI_connect();
	plan = SPI_prepare_cursor(query, 0, NULL, CURSOR_OPT_HOLD);
	portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	SPI_cursor_fetch(portal, true, 1);
	rows = SPI_processed;
	SPI_cursor_close(portal);
	SPI_finish();

	PG_RETURN_INT64(rows);
}
