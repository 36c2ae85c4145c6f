/*-------------------------------------------------------------------------
 *
 * opclass.c
 *		A btree support function that runs once per comparison: d10.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

/*
 * d10: a comparison copies both sides and frees neither, so a sort holds two
 * copies per comparison until it ends.
 */
PG_FUNCTION_INFO_V1(d10_bad_cmp);
Datum
d10_bad_cmp(PG_FUNCTION_ARGS)
{
	char	   *a = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *b = text_to_cstring(PG_GETARG_TEXT_PP(1));
	int			result = strcmp(a, b);

	PG_RETURN_INT32(result);
}

PG_FUNCTION_INFO_V1(d10_ok_cmp);
Datum
d10_ok_cmp(PG_FUNCTION_ARGS)
{
	char	   *a = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *b = text_to_cstring(PG_GETARG_TEXT_PP(1));
	int			result = strcmp(a, b);

	pfree(a);
	pfree(b);
	PG_RETURN_INT32(result);
}
