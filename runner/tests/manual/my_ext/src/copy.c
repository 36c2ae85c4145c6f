/*
 * copy.c
 *	  A copy of a word, one byte too short.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(my_ext_copy);

static char *
copy_word(const char *word)
{
	int			length = strlen(word);
	char	   *copy = palloc(length);

	for (int i = 0; i <= length; i++)
		copy[i] = word[i];
	return copy;
}

Datum
my_ext_copy(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(copy_word(text_to_cstring(PG_GETARG_TEXT_PP(0)))));
}
