/*-------------------------------------------------------------------------
 *
 * heap.c
 *		What a library allocates with malloc: d13.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <regex.h>

#include "fmgr.h"
#include "utils/builtins.h"

/* Says that regcomp() has failed, where it has. */
static void
d13_check(int code)
{
	if (code != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_REGULAR_EXPRESSION),
				 errmsg("invalid regular expression")));
}

/*
 * d13: a compiled regular expression of the C library is used once and not
 * given back to it.
 */
PG_FUNCTION_INFO_V1(d13_bad);
Datum
d13_bad(PG_FUNCTION_ARGS)
{
	char	   *pattern = text_to_cstring(PG_GETARG_TEXT_PP(0));
	regex_t		regex;
	bool		matches;

	d13_check(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB));
	matches = regexec(&regex, "abd", 0, NULL, 0) == 0;
	PG_RETURN_BOOL(matches);
}

PG_FUNCTION_INFO_V1(d13_ok);
Datum
d13_ok(PG_FUNCTION_ARGS)
{
	char	   *pattern = text_to_cstring(PG_GETARG_TEXT_PP(0));
	regex_t		regex;
	bool		matches;

	d13_check(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB));
	matches = regexec(&regex, "abd", 0, NULL, 0) == 0;
	regfree(&regex);
	PG_RETURN_BOOL(matches);
}
